package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/redis/go-redis/v9"
)

// go-redis logs each failed attempt on its own. Failures reach the callers as
// errors, who log them once; what is left is for debugging.
func init() { redis.SetLogger(debugLog{}) }

type debugLog struct{}

func (debugLog) Printf(ctx context.Context, format string, args ...any) {
	slog.DebugContext(ctx, "redis client: "+fmt.Sprintf(format, args...))
}

// Store is a connection to the fleet's coordination store. It is safe for
// concurrent use.
type Store struct {
	client redis.UniversalClient
	keys   keys
	addr   string // what errors name
}

// Open checks the configuration and makes first contact, for at most a few
// seconds. What waiting cannot heal is an error: a setting that does not parse,
// refused credentials, a certificate that does not verify. A server that does
// not answer is none, so that an agent starts although the store is down: see
// Ping, and Down and Up of Watch. The caller owns the Store and must Close it.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	prefix, err := cfg.prefix()
	if err != nil {
		return nil, err
	}
	o, err := cfg.options()
	if err != nil {
		return nil, err
	}
	s := &Store{client: redis.NewUniversalClient(o), keys: keys{prefix}, addr: strings.Join(o.Addrs, ",")}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := s.Ping(ctx); errors.Is(err, ErrRefused) {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close releases the connections. Watchers must be ended by their contexts.
func (s *Store) Close() { _ = s.client.Close() }

// Ping asks the store for a sign of life. The error is ErrUnreachable or
// ErrRefused, and an *api.Error.
func (s *Store) Ping(ctx context.Context) error {
	return s.wrap(s.client.Ping(ctx).Err(), "ping the store")
}
