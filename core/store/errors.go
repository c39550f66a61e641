package store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/api"
)

// What can go wrong, for errors.Is. All but a cancelled context and corrupt
// records are *api.Error as well, for errors.As.
var (
	ErrUnreachable = errors.New("the store does not answer")
	ErrRefused     = errors.New("the store refuses this client")
	ErrNotFound    = errors.New("not found")
	ErrContended   = errors.New("changed by others at the same time")
)

// failure is an *api.Error that also is one of the errors above.
type failure struct {
	op    string
	kind  error
	api   *api.Error
	cause error // may be nil
}

func (f *failure) Error() string { return f.op + ": " + f.api.Error() }

func (f *failure) Unwrap() []error {
	if f.cause == nil {
		return []error{f.kind, f.api}
	}
	return []error{f.kind, f.api, f.cause}
}

// wrap adds what was tried to an error of go-redis and classifies it. A
// cancelled context stays what it is.
func (s *Store) wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	op := fmt.Sprintf(format, args...)
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", op, err)
	case refused(err):
		return &failure{op, ErrRefused, &api.Error{
			Code: api.CodeStoreDown, Subject: s.addr, Message: "the store refuses this client: " + err.Error(),
			Fix: "check user, password and TLS of the store in the agent's configuration",
		}, err}
	case readOnly(err):
		return &failure{op, ErrUnreachable, &api.Error{
			Code: api.CodeStoreDown, Subject: s.addr, Message: "the store takes no writes: " + err.Error(),
			Fix: "of a replica, name its master in store.url; of a full one, raise its maxmemory, or free memory or disk",
		}, err}
	case unreachable(err):
		return &failure{op, ErrUnreachable, &api.Error{
			Code: api.CodeStoreDown, Subject: s.addr, Message: "the store does not answer: " + err.Error(),
			Fix: "check that Redis runs, that this address can be reached from here, and that both sides use TLS or neither does (store.tls)",
		}, err}
	}
	return fmt.Errorf("%s: %w", op, err)
}

func notFound(op, subject, message, fix string) error {
	return &failure{op, ErrNotFound, &api.Error{Code: api.CodeNotFound, Subject: subject, Message: message, Fix: fix}, nil}
}

func contended(op, subject, message, fix string) error {
	return &failure{op, ErrContended, &api.Error{Code: api.CodeConflict, Subject: subject, Message: message, Fix: fix}, nil}
}

// unreachable reports whether waiting may heal err: the network, or a server
// that is loading, failing over or busy.
func unreachable(err error) bool {
	var netErr net.Error
	var reply redis.Error
	switch {
	case errors.As(err, &netErr), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted):
		return true
	case errors.Is(err, redis.Nil):
		return false
	case errors.As(err, &reply):
		return hasPrefix(reply.Error(), "LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY", "EXECABORT")
	}
	// The Sentinel and Cluster clients wrap nothing when they find no server.
	return strings.Contains(err.Error(), "all sentinels specified in configuration are unreachable") ||
		strings.Contains(err.Error(), "cluster has no nodes")
}

// readOnly reports whether the server answers, but takes no writes now: it is a replica,
// or without memory, disk or replicas.
func readOnly(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && hasPrefix(reply.Error(), "READONLY", "OOM", "MISCONF", "NOREPLICAS")
}

// refused reports whether the server or TLS rejected who we are, or we it.
func refused(err error) bool {
	var reply redis.Error
	if errors.As(err, &reply) && hasPrefix(reply.Error(), "NOAUTH", "WRONGPASS", "NOPERM", "ERR AUTH", "ERR invalid password") {
		return true
	}
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var unknown x509.UnknownAuthorityError
	return errors.As(err, &verify) || errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &unknown) ||
		strings.Contains(err.Error(), "remote error: tls:")
}

func hasPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
