package wire

import "errors"

// Errors of decoding. What Decoder returns wraps one of them and names the
// message and the sizes; the connection cannot be read further.
var (
	ErrTooLarge  = errors.New("message too large")
	ErrMalformed = errors.New("malformed message")
)
