// Package wire holds the messages that two agents exchange and their codec.
//
// A connection begins with the handshake of BEP 3 (68 bytes, carrying the
// truncated v2 info-hash of BEP 52), then carries frames: a 4-byte length, an id
// byte and fixed-width big-endian fields. The extended handshake of BEP 10
// follows first; it names the node and the full digest. What rackswarm adds to
// BitTorrent (spans, START and STOP of requirement 16, manifests of
// requirement 11) travels as one BEP 10 extension, "rs_swarm", with a sub-type
// byte.
//
// Decoding is strict and bounded: a size is checked before anything is
// allocated, a count must match the frame's length exactly, spare bytes are
// malformed. Unknown ids and sub-types are skipped up to a bound, so that a
// newer peer can be talked to. The payload of the two data frames, PieceHeader
// and SpanData, is never copied by the codec: its reader takes it straight into
// its own buffer.
//
// The package is pure: it neither opens sockets nor starts goroutines.
package wire
