# Moves one torrent with libtorrent: libtorrent_peer.py TORRENT DIR HOST:PORT seed|fetch
# It speaks in lines as spoken.go says, and ends when its standard input does.
import sys

import libtorrent as lt

torrent, directory, listen, role = sys.argv[1:5]

settings = lt.high_performance_seed()  # the library's own preset for speed
settings.update({
    "listen_interfaces": listen,
    "outgoing_interfaces": listen.split(":")[0],
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "out_enc_policy": int(lt.enc_policy.pe_disabled),
    "in_enc_policy": int(lt.enc_policy.pe_disabled),
    "hashing_threads": 4,
    "aio_threads": 4,
    "max_queued_disk_bytes": 64 << 20,
    "send_buffer_low_watermark": 1 << 20,
    "send_buffer_watermark": 8 << 20,
    "send_buffer_watermark_factor": 150,
    "send_socket_buffer_size": 4 << 20,
    "recv_socket_buffer_size": 4 << 20,
    "suggest_mode": 0,
    "alert_mask": int(lt.alert.category_t.status_notification) | int(lt.alert.category_t.error_notification),
})
session = lt.session(settings)

params = lt.add_torrent_params()
params.ti = lt.torrent_info(torrent)
params.save_path = directory
params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
if role == "seed":
    params.flags |= lt.torrent_flags.seed_mode
handle = session.add_torrent(params)


def wait(*kinds):
    while True:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            if isinstance(alert, kinds):
                return
            if isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert, lt.listen_failed_alert)):
                sys.exit(alert.message())


if role == "fetch":
    wait(lt.torrent_checked_alert)
else:
    wait(lt.add_torrent_alert)
while not session.is_listening():
    session.wait_for_alert(10)
print("ready", listen, flush=True)

for line in sys.stdin:
    for address in line.removeprefix("fetch ").strip().split(","):
        host, port = address.split(":")
        handle.connect_peer((host, int(port)))
    wait(lt.torrent_finished_alert)
    print("complete", flush=True)
