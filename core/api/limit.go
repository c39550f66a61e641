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
	// Created is that of the distribution; set by the server. A limit goes with its
	// distribution, and is not of another one that gets the same name later.
	Created time.Time `json:"created,omitzero"`
	// Download and Upload are above zero; nil is no limit.
	Download *int64    `json:"download,omitempty"`
	Upload   *int64    `json:"upload,omitempty"`
	By       string    `json:"by"`   // who set it; set by the server
	From     string    `json:"from"` // from where; set by the server
	At       time.Time `json:"at"`   // set by the server
}

// Directions of a limit, as a LimitChange names them.
const (
	Download = "download"
	Upload   = "upload"
)

// LimitChange changes the limit of a name, or makes it: each direction on its own, so
// that of two operators who change one each none loses what the other did. A limit
// whose both directions are unlimited is taken away.
type LimitChange struct {
	Selector     Selector `json:"selector"`
	Distribution string   `json:"distribution,omitempty"`
	// Download and Upload are above zero; what is left out stays as it is.
	Download *int64 `json:"download,omitempty"`
	Upload   *int64 `json:"upload,omitempty"`
	// Unlimited are the directions, Download and Upload, that are limited no more.
	Unlimited []string `json:"unlimited,omitempty"`
}

// Apply returns what l becomes by the change.
func (c LimitChange) Apply(l Limit) Limit {
	l.Selector, l.Distribution = c.Selector, c.Distribution
	if c.Download != nil || slices.Contains(c.Unlimited, Download) {
		l.Download = c.Download
	}
	if c.Upload != nil || slices.Contains(c.Unlimited, Upload) {
		l.Upload = c.Upload
	}
	return l
}

// Validate checks what the user wrote. The error is an *Error.
func (c LimitChange) Validate() error {
	for _, direction := range c.Unlimited {
		if direction != Download && direction != Upload {
			return invalid("unlimited", fmt.Sprintf("%q is no direction", direction), "write "+Download+" or "+Upload)
		}
		if direction == Download && c.Download != nil || direction == Upload && c.Upload != nil {
			return invalid(direction, "has a rate and is unlimited", "keep one of the two")
		}
	}
	if c.Download == nil && c.Upload == nil && len(c.Unlimited) == 0 {
		return invalid("download", "nothing is to change", "set download or upload, or name directions in unlimited")
	}
	if err := checkRate(Download, c.Download); err != nil {
		return err
	}
	return checkRate(Upload, c.Upload)
}

// Bounds reports whether l is of the transfer of d, and not of all that a node moves.
func (l Limit) Bounds(d Distribution) bool {
	return l.Distribution == d.Name && l.Created.Equal(d.CreatedAt)
}

// Limited reports whether l bounds a direction at all.
func (l Limit) Limited() bool { return l.Download != nil || l.Upload != nil }

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
	if !l.Limited() {
		return invalid(Download, "neither download nor upload is limited", "set one of them, or delete the limit")
	}
	if err := checkRate(Download, l.Download); err != nil {
		return err
	}
	return checkRate(Upload, l.Upload)
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
