package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"syscall"

	"github.com/rackswarm/rackswarm/core/api"
)

// failure is an *api.Error together with what caused it, so that errors.As
// finds the former and errors.Is, say, context.Canceled.
type failure struct {
	shown *api.Error
	cause error
}

func (f *failure) Error() string   { return f.shown.Error() }
func (f *failure) Unwrap() []error { return []error{f.shown, f.cause} }

func hasCode(err error, code string) bool {
	var e *api.Error
	return errors.As(err, &e) && e.Code == code
}

// canceled says that the caller's context ended an operation.
func canceled(ctx context.Context, op string) error {
	message, fix := "canceled", ""
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		message, fix = "not finished in the time given", "allow more time; what was done so far is kept"
	}
	return &failure{&api.Error{Code: api.CodeCanceled, Subject: op, Message: message, Fix: fix}, ctx.Err()}
}

// attempt is a failed call of one endpoint.
type attempt struct {
	endpoint string
	err      error
}

// unreachable says that no endpoint answered.
func unreachable(tried []attempt) error {
	var names, reasons []string
	var causes []error
	for _, a := range tried {
		names = append(names, a.endpoint)
		reasons = append(reasons, rootText(a.err))
		causes = append(causes, a.err)
	}
	return &failure{&api.Error{
		Code:    api.CodeUnreachable,
		Subject: strings.Join(names, ", "),
		Message: "no agent answers: " + strings.Join(reasons, "; "),
		Fix:     unreachableFix(causes),
	}, errors.Join(causes...)}
}

func unreachableFix(causes []error) string {
	for _, err := range causes {
		var cert *tls.CertificateVerificationError
		var alert tls.AlertError
		var op *net.OpError
		switch {
		case errors.As(err, &cert):
			return "use the CA that signed the agent's certificate, and the address of an agent"
		case errors.As(err, &alert), errors.As(err, &op) && op.Op == "remote error":
			return "use a certificate that the agent's CA signed and that has not expired"
		case errors.Is(err, fs.ErrPermission):
			return "run as root, or as a member of the group that owns the socket"
		}
	}
	return "start 'rackswarm agent' there, or name another endpoint"
}

// rootText leaves out the method and the internal URL that net/http prepends.
func rootText(err error) string {
	var op *net.OpError
	var no syscall.Errno
	var wrapped *url.Error
	switch {
	case errors.As(err, &op) && op.Op == "dial" && op.Addr != nil && errors.As(err, &no):
		return fmt.Sprintf("connect %s: %s", op.Addr, no.Error())
	case errors.As(err, &wrapped):
		return wrapped.Err.Error()
	}
	return err.Error()
}
