package unit

import (
	"fmt"
	"math"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Bytes is an amount of data in bytes.
type Bytes int64

// Binary and decimal multiples.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
	TiB Bytes = 1 << 40
)

// Rate is a speed in bytes per second. Zero means nothing may pass; it never
// means unlimited (requirement 42). Use Unlimited for that.
type Rate int64

// Unlimited is the rate of a link whose capacity is not bounded.
const Unlimited Rate = math.MaxInt64

var byteUnits = []struct {
	suffix string
	factor float64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12}, {"b", 1}, {"", 1},
}

// ParseBytes reads an amount such as "173MB" (10⁶), "16MiB" (2²⁰) or "4096".
// Case and a space before the unit do not matter. Negative amounts, and those
// beyond 2⁶³−1, are errors.
func ParseBytes(s string) (Bytes, error) {
	v, err := parseQuantity(s, byteUnits)
	if err != nil {
		return 0, fmt.Errorf("size %q: %w; write for example 16MiB or 173MB", s, err)
	}
	return Bytes(v), nil
}

var rateUnits = []struct {
	suffix string
	factor float64
}{
	{"kbit", 1e3 / 8}, {"mbit", 1e6 / 8}, {"gbit", 1e9 / 8}, {"tbit", 1e12 / 8}, {"bit", 1. / 8},
}

// bitsOrBytes is a rate of which nobody knows what it counts.
var bitsOrBytes = regexp.MustCompile(`[kKmMgGtT]b\s*$`)

// ParseRate reads a speed such as "2Gbit" (10⁹ bits per second), "100MiB/s" or
// "1MB". The "/s" may be left out. "unlimited" is Unlimited. A number alone is bytes
// per second, as in scenarios; callers that read what people type of agents refuse it by
// WithoutUnit. "1Gb" is refused: network people mean a gigabit, and this would be eight.
func ParseRate(s string) (Rate, error) {
	if strings.EqualFold(strings.TrimSpace(s), "unlimited") {
		return Unlimited, nil
	}
	t := strings.TrimSuffix(strings.TrimSpace(s), "/s")
	if bitsOrBytes.MatchString(t) {
		return 0, fmt.Errorf("rate %q: bits or bytes? write for example 1Gbit or 1GB/s", s)
	}
	v, err := parseQuantity(t, rateUnits)
	if err != nil {
		v, err = parseQuantity(t, byteUnits)
	}
	if err != nil {
		return 0, fmt.Errorf("rate %q: %w; write for example 2Gbit, 100MiB/s or unlimited", s, err)
	}
	return Rate(v), nil
}

// WithoutUnit reports whether a size or a rate is a plain number. That is bytes for
// programs, but who types 20 hardly means 20 B/s. Zero needs no unit.
func WithoutUnit(s string) bool {
	n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), "/s")), 64)
	return err == nil && n != 0
}

func parseQuantity(s string, units []struct {
	suffix string
	factor float64
}) (int64, error) {
	low := strings.ToLower(strings.TrimSpace(s))
	for _, u := range units {
		num, ok := strings.CutSuffix(low, u.suffix)
		num = strings.TrimSpace(num)
		if !ok || num == "" || !strings.ContainsAny(num[len(num)-1:], "0123456789.") {
			continue
		}
		if whole, err := strconv.ParseInt(num, 10, 64); err == nil && u.factor == 1 && whole >= 0 {
			return whole, nil
		}
		f, err := strconv.ParseFloat(num, 64)
		switch {
		case err != nil || math.IsNaN(f):
			return 0, fmt.Errorf("not a number followed by a unit")
		case f < 0:
			return 0, fmt.Errorf("negative")
		case f*u.factor >= math.MaxInt64:
			return 0, fmt.Errorf("too large")
		}
		return int64(math.Round(f * u.factor)), nil
	}
	return 0, fmt.Errorf("not a number followed by a unit")
}

// String writes the amount in the largest binary unit that keeps it above one,
// with one decimal.
func (b Bytes) String() string {
	for _, u := range []struct {
		name string
		size Bytes
	}{{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}} {
		if b >= u.size {
			return fmt.Sprintf("%.1f %s", float64(b)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%d B", int64(b))
}

// String writes the rate as an amount per second.
func (r Rate) String() string {
	if r == Unlimited {
		return "unlimited"
	}
	return Bytes(r).String() + "/s"
}

// In returns how many bytes pass at rate r in d, whole ones, at most 2⁶³−1.
func (r Rate) In(d time.Duration) Bytes {
	switch {
	case r == Unlimited:
		return math.MaxInt64
	case r <= 0, d <= 0:
		return 0
	}
	hi, lo := bits.Mul64(uint64(r), uint64(d))
	if hi >= uint64(time.Second) {
		return math.MaxInt64
	}
	n, _ := bits.Div64(hi, lo, uint64(time.Second))
	return Bytes(min(n, math.MaxInt64))
}

// Per returns the mean rate of b bytes that take d, in whole bytes per second, at most
// half of Unlimited, so that two can be added; 0 if d is no time.
func (b Bytes) Per(d time.Duration) Rate {
	if b <= 0 || d <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(b), uint64(time.Second))
	if hi >= uint64(d) {
		return Unlimited / 2
	}
	r, _ := bits.Div64(hi, lo, uint64(d))
	return Rate(min(r, uint64(Unlimited/2)))
}

// Over returns how long b bytes take at rate r, rounded up, so that r.In(b.Over(r))
// is at least b; a rate of zero takes forever.
func (b Bytes) Over(r Rate) time.Duration {
	switch {
	case b <= 0, r == Unlimited:
		return 0
	case r <= 0:
		return math.MaxInt64
	}
	hi, lo := bits.Mul64(uint64(b), uint64(time.Second))
	if hi >= uint64(r) {
		return math.MaxInt64
	}
	d, rest := bits.Div64(hi, lo, uint64(r))
	if rest > 0 && d < math.MaxInt64 {
		d++
	}
	return time.Duration(min(d, math.MaxInt64))
}
