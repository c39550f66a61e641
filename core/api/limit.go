package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Limit bounds the block payload of each node that the selector matches, in bytes
// per second: of all transfers together, or of one distribution. Of all limits that
// apply to a node, those of its configuration among them, the lowest counts. A
// location has no limit of its own: each node in it has.
type Limit struct {
	Name     string   `json:"name"`
	Selector Selector `json:"selector"`
	// Distribution is whose payload is limited; "" is all payload of the node.
	Distribution string `json:"distribution,omitempty"`
	// Download and Upload are above zero; nil is no limit.
	Download *int64    `json:"download,omitempty"`
	Upload   *int64    `json:"upload,omitempty"`
	By       string    `json:"by"`   // who set it; set by the server
	From     string    `json:"from"` // from where; set by the server
	At       time.Time `json:"at"`   // set by the server
}

// LimitList answers GET /v1/limits, sorted by name.
type LimitList struct {
	Limits []Limit `json:"limits"`
}

// LimitName names the limit of a selector and a distribution by what it is of, such
// as "location ams1/r1" or "distribution site", so that to limit the same again
// changes what stands. Without either it is "all".
func LimitName(s Selector, distribution string) string {
	var parts []string
	if distribution != "" {
		parts = append(parts, "distribution "+distribution)
	}
	for _, l := range sortedSet(s.Locations) {
		parts = append(parts, "location "+l)
	}
	for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
		parts = append(parts, "label "+key+"="+s.Labels[key])
	}
	for _, n := range sortedSet(s.NodeNames) {
		parts = append(parts, "node "+n)
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, ", ")
}

// Rates are what l leaves of both directions.
func (l Limit) Rates() (download, upload unit.Rate) { return rateOf(l.Download), rateOf(l.Upload) }

func rateOf(n *int64) unit.Rate {
	if n == nil {
		return unit.Unlimited
	}
	return unit.Rate(*n)
}

// maxLimitName bounds the length of a limit's name in bytes.
const maxLimitName = 512

// Validate checks what the user wrote. The error is an *Error.
func (l Limit) Validate() error {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if l.Name == "" || len(l.Name) > maxLimitName || strings.ContainsFunc(l.Name, odd) {
		return invalid("name", fmt.Sprintf("%q is not a name of a limit", l.Name), fmt.Sprintf("write 1 to %d printable bytes", maxLimitName))
	}
	if l.Distribution != "" {
		if err := checkName(l.Distribution); err != nil {
			return invalid("distribution", fmt.Sprintf("%q is not a name of a distribution", l.Distribution), "see 'rackswarm status' for the names")
		}
	}
	if err := l.Selector.Validate(); err != nil {
		return err
	}
	if l.Download == nil && l.Upload == nil {
		return invalid("download", "neither download nor upload is limited", "set one of them, or delete the limit")
	}
	if err := checkRate("download", l.Download); err != nil {
		return err
	}
	return checkRate("upload", l.Upload)
}

// checkRate refuses a limit of zero: it would neither mean unlimited nor be a limit.
func checkRate(field string, n *int64) error {
	switch {
	case n == nil || *n > 0:
		return nil
	case *n == 0:
		return ZeroRate(field)
	}
	return invalid(field, fmt.Sprintf("%d is negative", *n), "write bytes per second")
}

// ZeroRate is why a limit of zero is refused, with what to do instead.
func ZeroRate(field string) *Error {
	return &Error{Code: CodeInvalid, Subject: field, Message: "zero lets nothing pass and never means unlimited",
		Fix: "to keep everything from moving: rackswarm pause NAME, or rackswarm pause --all; to take the limit away: --clear"}
}
