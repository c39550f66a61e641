package download

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// target is what is asked for, and with what.
type target struct {
	url    *url.URL
	header http.Header // the user's
	shown  string      // the URL as errors name it
}

// newTarget takes user and password out of the URL.
func newTarget(u *url.URL, headers map[string]string) target {
	clean := *u
	clean.User, clean.Fragment = nil, ""
	t := target{url: &clean, header: http.Header{}}
	shown := clean
	shown.RawQuery, shown.ForceQuery = "", false
	t.shown = shown.String()
	if u.User != nil {
		password, _ := u.User.Password()
		t.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
	for name, value := range headers {
		t.header.Set(name, value)
	}
	return t
}

// maxRedirects bounds how often a request is sent elsewhere.
const maxRedirects = 10

var (
	errSilent    = errors.New("the server sends nothing, or next to nothing,")
	errRedirects = fmt.Errorf("more than %d redirects", maxRedirects)
	errDowngrade = errors.New("https leads to http")
)

// reply is an answer whose body breaks off when the server falls silent.
type reply struct {
	*http.Response
	cancel  context.CancelCauseFunc
	ctx     context.Context
	silence *time.Timer
	patient time.Duration
	brought int // bytes since it was patient last
}

// crawl is how many bytes a server has to send in Config.Silence: one that sends a
// byte now and then would keep one of few places for as long as it likes.
const crawl = 16 << 10

// get sends a request. The caller closes the reply.
func (f *Fetcher) get(ctx context.Context, t target, more http.Header) (*reply, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	r := &reply{cancel: cancel, ctx: ctx, patient: f.cfg.Silence}
	r.silence = time.AfterFunc(r.patient, func() { cancel(errSilent) })
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url.String(), nil)
	if err == nil {
		for _, h := range []http.Header{t.header, more} {
			for name, values := range h {
				req.Header[name] = values
			}
		}
		req.Header.Set("Accept-Encoding", "identity")
		if req.Header.Get("User-Agent") == "" {
			req.Header.Set("User-Agent", "rackswarm")
		}
		client := http.Client{Transport: f.transport, CheckRedirect: t.redirect}
		r.Response, err = client.Do(req)
	}
	if err != nil {
		err = r.cause(err)
		r.stop()
		return nil, err
	}
	return r, nil
}

// redirect decides on a request that an answer leads to. The user's headers stay
// with the host that they were given for.
func (t target) redirect(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case len(via) > maxRedirects:
		return errRedirects
	case first.Scheme == "https" && req.URL.Scheme != "https":
		return errDowngrade
	}
	req.Header.Del("Referer") // it would tell the query
	if req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
		for name := range t.header {
			req.Header.Del(name)
		}
	}
	return nil
}

// moved reports whether the answer came from another host than the URL's, which
// has not seen the user's headers.
func (r *reply) moved(t target) bool {
	return r.Request.URL.Host != t.url.Host || r.Request.URL.Scheme != t.url.Scheme
}

// Read reads from the body.
func (r *reply) Read(p []byte) (int, error) {
	n, err := r.Body.Read(p)
	if r.brought += n; r.brought >= crawl {
		r.silence.Reset(r.patient)
		r.brought = 0
	}
	return n, r.cause(err)
}

// cause prefers the reason for which the request was ended, and leaves out the
// URL, which net/http repeats.
func (r *reply) cause(err error) error {
	if err != nil && errors.Is(context.Cause(r.ctx), errSilent) {
		return fmt.Errorf("%w for %v", errSilent, r.patient)
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

func (r *reply) stop() {
	r.silence.Stop()
	r.cancel(nil)
}

// Close ends the request.
func (r *reply) Close() {
	r.stop()
	r.Body.Close()
}
