package download

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// ErrUnchanged says that the URL still has the version that the caller knows.
var ErrUnchanged = errors.New("the URL has the version that is known")

// Reasons for which what has arrived is thrown away.
var (
	errChanged = errors.New("the content changed meanwhile")
	errRanges  = errors.New("the server does not send the parts that it is asked for")
	errEndless = errors.New("the server does not say where the content ends")
)

// refusal is an answer without the content.
type refusal struct {
	status int
	after  time.Duration // what Retry-After asks for, 0 for nothing
	moved  bool          // it came from another host than the URL's
}

func refusalOf(r *reply, t target) error {
	e := &refusal{status: r.StatusCode, moved: r.moved(t)}
	if seconds, err := strconv.ParseUint(r.Header.Get("Retry-After"), 10, 16); err == nil {
		e.after = time.Duration(seconds) * time.Second
	}
	return e
}

// Error names the status.
func (r *refusal) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the server answers %d %s", r.status, http.StatusText(r.status)))
}

func (r *refusal) passing() bool {
	switch r.status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// passing reports whether trying again may help.
func passing(err error) bool {
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var user *api.Error
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.passing()
	}
	return !errors.As(err, &cert) && !errors.As(err, &record) && !errors.As(err, &user) && !isLocal(err) &&
		!errors.Is(err, errRedirects) && !errors.Is(err, errDowngrade) && !errors.Is(err, errEndless) &&
		!strings.Contains(err.Error(), "unsupported protocol scheme")
}

// localError is a failure of this machine's disk.
type localError struct{ error }

// Unwrap returns the cause.
func (e localError) Unwrap() error { return e.error }

func isLocal(err error) bool {
	_, ok := errors.AsType[localError](err)
	return ok
}

// explain makes an error for people that names the URL and what to do.
func (t target) explain(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*api.Error](err); ok || errors.Is(err, ErrUnchanged) {
		return err
	}
	if ctx.Err() != nil {
		return &interruption{&api.Error{Code: api.CodeCanceled, Subject: t.shown, Message: "the download was interrupted",
			Fix: "publish it again: the download goes on where it stopped"}, ctx.Err()}
	}
	if isLocal(err) {
		return diskError(t.shown, err)
	}
	return &api.Error{Code: api.CodeSourceDown, Subject: t.shown, Message: text(err), Fix: advice(err)}
}

// interruption is an *api.Error together with the end of the context.
type interruption struct {
	shown *api.Error
	cause error
}

// Error is that of the *api.Error.
func (i *interruption) Error() string   { return i.shown.Error() }
func (i *interruption) Unwrap() []error { return []error{i.shown, i.cause} }

func diskError(subject string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &api.Error{Code: api.CodeNoSpace, Subject: subject, Message: "the filesystem of state_dir is full", Fix: "make space there"}
	}
	return &api.Error{Code: api.CodeIO, Subject: subject, Message: err.Error(), Fix: "check the filesystem of state_dir and its permissions"}
}

// text is an error's message. Of an odd Location, which may hold secrets, it
// tells nothing.
func text(err error) string {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the server breaks off"
	case strings.Contains(err.Error(), "Location header"):
		return "the server redirects to what is not a URL"
	}
	return err.Error()
}

func advice(err error) string {
	var cert *tls.CertificateVerificationError
	r, _ := errors.AsType[*refusal](err)
	switch {
	case errors.As(err, &cert):
		return "check the host name, or name the authority that signed its certificate in publish.ca_file of the agent's configuration"
	case errors.Is(err, errDowngrade):
		return "name the http URL that it leads to, with a checksum, if you trust it"
	case errors.Is(err, errEndless):
		return "give the content's checksum, so that a body that was cut off is noticed"
	case r == nil || r.passing():
		return "check the URL, and that the agent's machine reaches the server; what has arrived is kept for the next try"
	case r.moved && (r.status == http.StatusUnauthorized || r.status == http.StatusForbidden):
		return "it leads to another host, which is not sent the headers: name that host's URL"
	case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden || r.status == http.StatusProxyAuthRequired:
		return "send credentials in a header such as Authorization"
	}
	return "check the URL"
}
