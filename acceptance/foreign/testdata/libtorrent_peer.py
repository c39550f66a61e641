# Moves one torrent with an unmodified libtorrent:
#
#     libtorrent_peer.py TORRENT DIR HOST:PORT seed|fetch
#
# It prints "ready HOST:PORT". To "fetch HOST:PORT,HOST:PORT" on its standard input
# it connects to these peers, and prints "complete" when it has everything. It ends
# when its standard input does. Settings are the library's own but for what would
# leave this machine.
import sys

import libtorrent as lt

torrent, directory, listen, role = sys.argv[1:5]

session = lt.session({
    "listen_interfaces": listen,
    "outgoing_interfaces": listen.split(":")[0],
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "alert_mask": int(lt.alert.category_t.status_notification) | int(lt.alert.category_t.error_notification)
    | int(lt.alert.category_t.peer_notification) | int(lt.alert.category_t.connect_notification),
})

params = lt.add_torrent_params()
params.ti = lt.torrent_info(torrent)
params.save_path = directory
params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
handle = session.add_torrent(params)


def wait(*kinds):
    while True:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            print(alert.message(), file=sys.stderr, flush=True)
            if isinstance(alert, kinds):
                return
            if isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert, lt.listen_failed_alert)):
                sys.exit(alert.message())


wait(lt.torrent_checked_alert)
if role == "seed" and not handle.status().is_seeding:
    sys.exit("the content is not complete")
while not session.is_listening():
    session.wait_for_alert(10)
print("ready", listen.split(":")[0] + ":" + str(session.listen_port()), flush=True)

for line in sys.stdin:
    for address in line.removeprefix("fetch ").strip().split(","):
        host, port = address.split(":")
        handle.connect_peer((host, int(port)))
    if role == "fetch":
        wait(lt.torrent_finished_alert)
        print("complete", flush=True)
