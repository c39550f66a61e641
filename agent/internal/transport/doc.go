// Package transport carries the messages of core/wire between agents over TCP,
// with TLS 1.3 and certificates on both sides unless that is switched off.
//
// A Transport listens and dials; what it hands out are connections whose
// handshakes are done, so that the peer's name and the artifact are known. The
// caller admits a connection by calling Run, or refuses it by calling Close.
//
// On a connection, control messages never wait behind data (requirement 18):
// they have a queue of their own that the writer empties before each block, a
// block is read from disk only when it is its turn, and the kernel is told to
// hold little unsent data. Nothing that a peer does blocks the caller or grows a
// queue without bound, and a panic in a connection's handler ends that
// connection only.
//
// On a way whose slowest link is declared (SetWays), a guard watches what the kernel
// says of the round trips of each connection that sends blocks, 50 times a second,
// and tells the kernel a pace at which no queue builds up on the way.
package transport
