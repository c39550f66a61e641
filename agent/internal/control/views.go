package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// views are things that streams show, by name. The streams of one name share their
// looks at it, so that the store is asked as for one of them, however many clients
// watch.
type views[T any] struct {
	ending <-chan struct{} // closed when streams shall end

	mu  sync.Mutex
	all map[string]*view[T]
}

func newViews[T any](ending <-chan struct{}) *views[T] {
	return &views[T]{ending: ending, all: map[string]*view[T]{}}
}

// view is one of them. It is looked at for as long as there are streams. What can
// change is guarded by views.mu.
type view[T any] struct {
	stop    context.CancelFunc
	streams int
	newest  *sight[T]     // nil until something was seen
	changed chan struct{} // closed when there is a newer one
}

// sight is what was seen by one look.
type sight[T any] struct {
	began time.Time
	value T
	text  []byte // value in JSON
	err   error
}

// looking is how a view is looked at, by one goroutine.
type looking[T any] struct {
	look func(context.Context) (T, error)
	// rest waits until it is time for the next look, after one that took so long; false
	// is the end.
	rest func(ctx context.Context, took time.Duration) bool
}

// follow shows what is seen of a name from now on, until show says that the stream is
// over, ctx ends or streams shall end. A look may be skipped where show takes longer,
// and every look began after the call. open begins to look, if no other stream does
// already, with a context that ends with the last stream.
func (v *views[T]) follow(ctx context.Context, name string, open func(context.Context) looking[T], show func(*sight[T]) (over bool)) {
	since := time.Now()
	one := v.enter(name, open)
	defer v.leave(name, one)
	var seen *sight[T]
	for {
		v.mu.Lock()
		newest, changed := one.newest, one.changed
		v.mu.Unlock()
		if newest != nil && newest != seen && newest.began.After(since) {
			if seen = newest; show(seen) {
				return
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-v.ending:
			return
		case <-changed:
		}
	}
}

func (v *views[T]) enter(name string, open func(context.Context) looking[T]) *view[T] {
	v.mu.Lock()
	defer v.mu.Unlock()
	one := v.all[name]
	if one == nil {
		ctx, cancel := context.WithCancel(context.Background())
		one = &view[T]{stop: cancel, changed: make(chan struct{})}
		v.all[name] = one
		go v.watch(ctx, one, open)
	}
	one.streams++
	return one
}

func (v *views[T]) leave(name string, one *view[T]) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if one.streams--; one.streams == 0 {
		delete(v.all, name)
		one.stop()
	}
}

// watch looks until ctx ends.
func (v *views[T]) watch(ctx context.Context, one *view[T], open func(context.Context) looking[T]) {
	l := open(ctx)
	for took := time.Duration(0); l.rest(ctx, took); {
		s := l.sight(ctx)
		took = time.Since(s.began)
		v.mu.Lock()
		if one.newest != nil && bytes.Equal(one.newest.text, s.text) {
			s.text = one.newest.text // the same bytes are compared in no time
		}
		one.newest = s
		close(one.changed)
		one.changed = make(chan struct{})
		v.mu.Unlock()
	}
}

// sight looks once. A panic ends the streams, as it would end one request, and not the
// agent.
func (l looking[T]) sight(ctx context.Context) (s *sight[T]) {
	s = &sight[T]{began: time.Now()}
	defer func() {
		if r := recover(); r != nil {
			s.err = fmt.Errorf("panic: %v", r)
		}
	}()
	if s.value, s.err = l.look(ctx); s.err == nil {
		s.text, s.err = json.Marshal(s.value)
	}
	return s
}
