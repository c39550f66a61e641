// Package foreign lets other BitTorrent clients take part in a transfer. A Conn
// speaks BEP 3 with the fast extension (BEP 6), the extended handshake (BEP 10)
// and the hash messages of version 2 (BEP 52) to a client, and the messages of
// spans to the loop, which need not know the difference.
//
// A span is a run of whole pieces. So a client has a span when it has all of its
// pieces; our HAVE of a span is one of each piece; a client's request lies within
// one span; and what is asked of it of a span is asked piece by piece, in requests
// of at most 16 KiB, and handed on when all of it is there. START, STOP and what
// else BitTorrent has no word for is left out.
//
// What a client says is bounded and checked as an agent's is: an impossible
// message ends the connection and says so by wire.ErrMalformed.
package foreign
