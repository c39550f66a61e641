package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/pause"
)

// A silent connection is pinged every pingEvery and dead after silence.
const (
	pingEvery = 2 * time.Second
	silence   = 6 * time.Second
)

var errClosed = errors.New("the connection was closed")

// session is one pub/sub connection.
type session struct {
	*Watcher
	pubsub *redis.PubSub
	wasUp  bool // owned by receive until the session has ended
	// subscribed is what the server was asked for, by channel; owned by follow.
	subscribed map[string]*topic
}

// session holds one connection until it breaks or ctx ends, and reports whether
// it ever stood.
func (w *Watcher) session(ctx context.Context) (wasUp bool) {
	s := &session{Watcher: w, pubsub: w.store.client.Subscribe(ctx), subscribed: map[string]*topic{}}
	defer s.pubsub.Close()
	w.forget()
	if err := s.begin(ctx); err != nil {
		s.end(ctx, err)
		return false
	}
	loops, sctx := errgroup.WithContext(ctx)
	ended := make(chan struct{})
	context.AfterFunc(sctx, func() {
		defer close(ended)
		s.end(ctx, context.Cause(sctx))
		s.pubsub.Close() // wakes receive
	})
	for _, loop := range []func(context.Context) error{s.receive, s.ping, s.follow, s.reread} {
		loops.Go(func() error { return loop(sctx) })
	}
	_ = loops.Wait() // told by end already
	<-ended
	return s.wasUp
}

// begin connects and subscribes to everything that is known now.
func (s *session) begin(ctx context.Context) error {
	keys := s.store.keys
	if err := s.pubsub.Subscribe(ctx, keys.distributionsChannel(), keys.runsChannel(), keys.controlsChannel(), keys.demandChannel()); err != nil {
		return err
	}
	return s.subscribeTopics(ctx)
}

// end announces the loss, unless the watcher itself ends.
func (s *session) end(ctx context.Context, cause error) {
	if ctx.Err() == nil {
		s.down(cause)
	}
}

// receive handles what the server sends.
func (s *session) receive(ctx context.Context) error {
	for {
		msg, err := s.pubsub.ReceiveTimeout(ctx, silence)
		switch {
		case ctx.Err() != nil:
			return errClosed
		case err != nil:
			return err
		}
		switch msg := msg.(type) {
		case *redis.Subscription:
			s.confirmed(msg)
		case *redis.Message:
			s.published(msg)
		}
	}
}

func (s *session) confirmed(sub *redis.Subscription) {
	switch {
	case sub.Kind != "subscribe":
	case sub.Channel == s.store.keys.demandChannel():
		s.wasUp = true
		s.up()
	case !s.reportsMoved(sub.Channel): // some may have been missed until now
		s.groupSubscribed(sub.Channel)
	}
}

func (s *session) published(msg *redis.Message) {
	switch msg.Channel {
	case s.store.keys.distributionsChannel():
		s.out.put(DistributionsChanged{}, DistributionsChanged{})
	case s.store.keys.controlsChannel():
		if msg.Payload == linksMessage {
			s.out.put(LinksChanged{}, LinksChanged{})
			return
		}
		s.out.put(ControlsChanged{}, ControlsChanged{})
	case s.store.keys.demandChannel():
		if d, err := artifact.ParseDigest(msg.Payload); err == nil {
			s.out.put(Demand{d}, Demand{d})
		}
	case s.store.keys.runsChannel():
		s.out.put(RunMoved{msg.Payload}, RunMoved{msg.Payload})
	default:
		if !s.reportsMoved(msg.Channel) {
			s.groupDelta(msg.Channel, msg.Payload)
		}
	}
}

// ping makes the server send something now and then.
func (s *session) ping(ctx context.Context) error {
	for {
		if pause.For(ctx, pingEvery) != nil {
			return errClosed
		}
		if err := s.pubsub.Ping(ctx); err != nil {
			return err
		}
	}
}

// follow subscribes to groups and runs that are added and unsubscribes from those
// that are removed.
func (s *session) follow(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return errClosed
		case <-s.Watcher.subscribe:
		}
		if err := s.subscribeTopics(ctx); err != nil {
			return err
		}
	}
}

func (s *session) subscribeTopics(ctx context.Context) error {
	added, removed := s.difference()
	if len(removed) > 0 {
		if err := s.pubsub.Unsubscribe(ctx, removed...); err != nil {
			return fmt.Errorf("unsubscribe: %w", err)
		}
	}
	if len(added) > 0 {
		if err := s.pubsub.Subscribe(ctx, added...); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	return nil
}

// difference compares what is wanted with what is subscribed, and notes it as
// subscribed. What was removed and added again is subscribed to again, because
// what is told first waits for the confirmation.
func (s *session) difference() (added, removed []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch, t := range s.channel {
		if s.subscribed[ch] != t {
			added = append(added, ch)
			s.subscribed[ch] = t
		}
	}
	for ch := range s.subscribed {
		if _, wanted := s.channel[ch]; !wanted {
			removed = append(removed, ch)
			delete(s.subscribed, ch)
		}
	}
	return added, removed
}
