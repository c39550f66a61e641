package pgfiles

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a position in the write-ahead log, in bytes from its beginning.
type LSN uint64

// ParseLSN reads "16/B374D848", the form that PostgreSQL writes.
func ParseLSN(text string) (LSN, error) {
	high, low, ok := strings.Cut(text, "/")
	if !ok {
		return 0, fmt.Errorf("position %q has no slash", text)
	}
	h, err := strconv.ParseUint(high, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("position %q: %w", text, err)
	}
	l, err := strconv.ParseUint(low, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("position %q: %w", text, err)
	}
	return LSN(h<<32 | l), nil
}

// String is the form that ParseLSN reads.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint64(l)>>32, uint64(l)&0xffffffff) }

// Behind is how many bytes l is behind of, 0 if it is not.
func (l LSN) Behind(of LSN) int64 {
	if l >= of {
		return 0
	}
	return int64(min(uint64(of-l), 1<<63-1))
}
