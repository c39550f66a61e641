# What the lab does with libtorrent:
#
#   libtorrent_peer.py make CONTENT PIECE TORRENT TRACKER    writes a torrent; PIECE 0: of libtorrent's choice
#   libtorrent_peer.py seed|fetch TORRENT DIR HOST:PORT      moves it
#
# The latter speaks in lines as peer.go says: when it reads "fetch HOST:PORT ..." it
# connects to these peers, and it ends when its standard input does.
import os
import select
import sys

import libtorrent as lt


def make(content, piece, path, tracker):
    files = lt.file_storage()
    lt.add_files(files, content)
    torrent = lt.create_torrent(files, int(piece), lt.create_torrent.v1_only)
    if tracker:
        torrent.add_tracker(tracker)
    lt.set_piece_hashes(torrent, os.path.dirname(content))
    with open(path, "wb") as out:
        out.write(lt.bencode(torrent.generate()))


def session(listen):
    settings = lt.default_settings()
    settings.update({
        "listen_interfaces": listen,
        # isolated:
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        # TCP as everybody here:
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "alert_mask": int(lt.alert.category_t.status_notification) | int(lt.alert.category_t.error_notification)
        | int(lt.alert.category_t.storage_notification),
    })
    return lt.session(settings)


def add(session, role, torrent, directory):
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = directory
    # Nobody stops or starts it by itself.
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    params.flags |= lt.torrent_flags.disable_dht | lt.torrent_flags.disable_lsd | lt.torrent_flags.disable_pex
    if role == "seed":
        params.flags |= lt.torrent_flags.seed_mode
    return session.add_torrent(params)


def say(*words):
    print(*words, flush=True)


class Peer:
    """One end of a transfer, until the standard input ends."""

    def __init__(self, role, torrent, directory, listen):
        self.session = session(listen)
        self.handle = add(self.session, role, torrent, directory)
        # A seed is checked by its first alert already.
        self.starts = lt.add_torrent_alert if role == "seed" else lt.torrent_checked_alert
        self.role = role

    def run(self):
        while True:
            readable, _, _ = select.select([sys.stdin], [], [], 0.1)
            if readable:
                line = sys.stdin.readline()
                if not line:
                    return
                for address in line.split()[1:]:
                    host, port = address.split(":")
                    self.handle.connect_peer((host, int(port)))
            for alert in self.session.pop_alerts():
                self.hear(alert)
            status = self.handle.status()
            say("amounts", status.total_payload_download, status.total_redundant_bytes + status.total_failed_bytes,
                status.total_payload_upload)

    def hear(self, alert):
        if isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert, lt.listen_failed_alert)):
            sys.exit(alert.message())
        if isinstance(alert, self.starts):
            say("ready")
        if isinstance(alert, lt.torrent_finished_alert) and self.role == "fetch":
            self.handle.flush_cache()  # it counts when it is in the file
        if isinstance(alert, lt.cache_flushed_alert) and self.handle.status().is_seeding:
            say("complete")


if sys.argv[1] == "make":
    make(*sys.argv[2:])
else:
    Peer(*sys.argv[1:]).run()
