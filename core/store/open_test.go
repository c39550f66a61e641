package store_test

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/store/storetest"
)

func TestOpenRefusesBadConfig(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, subject string
		cfg           store.Config
	}{
		{"nothing", "store.url", store.Config{}},
		{"scheme", "store.url", store.Config{URL: "http://user:hunter2@h:1"}},
		{"no URL", "store.url", store.Config{URL: "redis://user:hunter2@h:port"}},
		{"option", "store.url", store.Config{URL: "redis://user:hunter2@h:1?colour=red"}},
		{"cluster", "store.url", store.Config{URL: "http://user:hunter2@h:1?addr=i:2"}},
		{"both", "store.url", store.Config{URL: "redis://h:1", Addrs: []string{"h:1"}}},
		{"braces", "store.prefix", store.Config{URL: "redis://h:1", Prefix: "a{b}"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := store.Open(t.Context(), test.cfg)
			var apiErr *api.Error
			if !errors.As(err, &apiErr) || apiErr.Code != api.CodeInvalid || apiErr.Subject != test.subject || apiErr.Fix == "" {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password is shown: %v", err)
			}
		})
	}
}

// TestOpenRefusesAtOnce: what waiting does not heal is told when the store is
// opened.
func TestOpenRefusesAtOnce(t *testing.T) {
	t.Parallel()
	mutual, foreign := storetest.NewPKI(t), storetest.NewPKI(t)
	secured := start(t, store.EmbeddedConfig{Listen: "127.0.0.1:0", TLS: mutual.Server, Password: "secret"}).Addr()
	plain := storetest.StartRedis(t, "--requirepass", "secret")
	withoutCert := &tls.Config{RootCAs: mutual.Client.RootCAs}
	for _, test := range []struct {
		name string
		cfg  store.Config
	}{
		{"no password", store.Config{URL: plain.URL}},
		{"wrong password", store.Config{URL: plain.URL, Password: "wrong"}},
		{"unknown user", store.Config{URL: plain.URL, Username: "nobody", Password: "secret"}},
		{"wrong password, embedded", store.Config{URL: "rediss://" + secured, TLS: mutual.Client, Password: "wrong"}},
		{"foreign authority", store.Config{URL: "rediss://" + secured, TLS: foreign.Client, Password: "secret"}},
		{"no certificate", store.Config{URL: "rediss://" + secured, TLS: withoutCert, Password: "secret"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := store.Open(t.Context(), test.cfg)
			var apiErr *api.Error
			if !errors.Is(err, store.ErrRefused) || !errors.As(err, &apiErr) || !strings.HasPrefix(apiErr.Subject, "127.0.0.1:") {
				t.Fatalf("got %v, want ErrRefused", err)
			}
		})
	}
	s := open(t, store.Config{URL: "redis://:secret@" + plain.Addr})
	must(t, s.Ping(t.Context()))
}

// TestUnreachable: however the store is named, nobody there is the same error.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	nobody := []string{"127.0.0.1:" + storetest.FreePort(t), "127.0.0.1:" + storetest.FreePort(t)}
	for _, test := range []struct {
		name string
		cfg  store.Config
	}{
		{"single", store.Config{Addrs: nobody[:1]}},
		{"cluster", store.Config{Addrs: nobody}},
		{"sentinel", store.Config{Addrs: nobody, MasterName: "fleet"}},
		{"no such host", store.Config{URL: "redis://no-such-host.invalid:6379"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, test.cfg)
			k := store.GroupKey{}
			for what, err := range map[string]error{
				"ping": s.Ping(t.Context()), "leave": s.LeaveGroup(t.Context(), k, "a"), "forget": s.ForgetNode(t.Context(), "a"),
			} {
				var apiErr *api.Error
				if !errors.Is(err, store.ErrUnreachable) || !errors.As(err, &apiErr) || apiErr.Code != api.CodeStoreDown {
					t.Errorf("%s: got %v", what, err)
				}
			}
			w := s.Watch(t.Context())
			await(t, w, "down", func(ev store.Event) bool {
				d, ok := ev.(store.Down)
				return ok && errors.Is(d.Err, store.ErrUnreachable)
			})
		})
	}
}

// TestCancelledIsNotUnreachable: who gives up is told so.
func TestCancelledIsNotUnreachable(t *testing.T) {
	t.Parallel()
	s := open(t, store.Config{URL: "redis://" + start(t, store.EmbeddedConfig{Listen: "127.0.0.1:0"}).Addr()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Ping(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}
