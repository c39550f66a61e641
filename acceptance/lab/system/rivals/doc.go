// Package rivals are the programs that somebody could use instead, on the hosts of
// a lab's network:
//
//   - libtorrent: Debian's python3-libtorrent as it is set by default. What
//     isolates it: no DHT, local service discovery, peer exchange, UPnP, NAT-PMP
//     or tracker; peers are told of all addresses by the lab. TCP only, as every
//     system here uses TCP with cubic. To libtorrent the hosts' addresses are of a
//     local network, so that it unchokes everybody there, as in any datacenter.
//   - aria2: Debian's aria2c with the same torrent. It is told of peers by a
//     tracker on the host of the store, which knows all from the beginning, and
//     seeds until the end. No DHT, local discovery or peer exchange.
//   - chain: each receiver fetches from the one before and passes bytes on as they
//     arrive. The order is that of the scenario from the first initial seeder on,
//     and around, so that a rack is entered and left once; who joins later comes
//     later. Other initial seeders are not used. The relay is a part of this program, as netcat and tee, with
//     which a chain is often made, cannot go on after a link broke: it keeps what
//     came on disk, and asks the host before for the rest until it has it.
//   - http: curl fetches from a file server on the initial seeder, and goes on where
//     it stopped when the connection broke. Several initial seeders serve the
//     receivers in turn.
//
// The torrent is made by libtorrent, in BitTorrent v1, which both clients know. A
// tree moves as one tar file in the last two, packed before the word is given, and
// unpacked by each receiver before it counts as complete. Bytes that are counted
// are those that the programs tell: for aria2 and curl, which tell what they have,
// without what they threw away.
package rivals
