package probe

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/gosnmp/gosnmp"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Error is why there is no reading of a link, and what an operator can do.
type Error struct {
	Link    unit.Location
	Source  string // such as "device 10.0.0.1:161"
	Fault   bandwidth.Fault
	Message string
	Fix     string
	Err     error // nil if the source answered
}

// Error writes all of it in one line.
func (e *Error) Error() string {
	return fmt.Sprintf("link of %s: %s", e.Link, e.text())
}

func (e *Error) text() string {
	text := e.Source + ": " + e.Message
	if e.Fix != "" {
		text += " (" + e.Fix + ")"
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// explain makes an Error of what a query of d failed with. Link is left to the
// caller.
func explain(d Device, err error) *Error {
	e := &Error{Source: d.String(), Fault: bandwidth.FaultSilent, Message: err.Error(), Err: err}
	refused := func(message, fix string) {
		e.Fault, e.Message, e.Fix = bandwidth.FaultRefused, message, fix
	}
	user := d.User.Name
	timeout, unknown := net.Error(nil), (*net.DNSError)(nil)
	switch {
	case strings.Contains(err.Error(), notAuthentic), errors.Is(err, gosnmp.ErrUnknownUsername):
		refused(fmt.Sprintf("it does not accept user %s", user), "correct the user's name, its password for authentication, or the protocol of that")
	case errors.Is(err, gosnmp.ErrDecryption):
		refused(fmt.Sprintf("it cannot decrypt what user %s says", user), "correct the password for privacy, or its protocol")
	case errors.Is(err, errAuthorization):
		refused("it lets nobody with these credentials read interfaces", "give them read access to 1.3.6.1.2.1.2, 1.3.6.1.2.1.31 and 1.3.6.1.2.1.1")
	case errors.As(err, &unknown):
		e.Message, e.Fix = "its host has no address: "+unknown.Error(), "correct the device's host, or write its address"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		e.Message, e.Fix = "there is no route to it", "correct the device's host, or have an agent ask it that reaches it"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Message, e.Fix = "nothing listens there", "start the device's SNMP agent, or correct address and port"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, gosnmp.ErrMaxRetriesExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Message = fmt.Sprintf("no answer within %v", d.Timeout)
		secret := "community"
		if d.Community == "" {
			secret = "password for privacy"
		}
		e.Fix = fmt.Sprintf("is it reachable over UDP, may this host ask it, and is the %s right? Who has a wrong one gets no answer", secret)
	}
	return e
}

// notAuthentic is gosnmp's text for an answer without authentication, of which it
// looks at nothing else. That is how devices answer to users that they do not
// know, or who cannot prove who they are.
const notAuthentic = "not authentic"

var errAuthorization = errors.New("authorization error")
