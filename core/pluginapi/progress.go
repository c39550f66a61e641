package pluginapi

import (
	"sync"
	"time"

	databasev1 "github.com/rackswarm/rackswarm/core/pluginapi/proto/database/v1"
)

// progressPace is the least time between two messages of progress.
const progressPace = 100 * time.Millisecond

// sendProgress returns the function that a driver tells its progress. It never
// waits: what is newer replaces what was not sent yet, and send is called from
// one goroutine, which stop ends after the last one told was sent.
func sendProgress(send func(*databasev1.Progress) error) (tell func(Progress), stop func()) {
	m := &mailbox{arrived: make(chan struct{}, 1), stopped: make(chan struct{}), ended: make(chan struct{})}
	go m.deliver(send)
	var once sync.Once
	return m.put, func() {
		once.Do(func() { close(m.stopped) })
		<-m.ended
	}
}

// mailbox holds the newest progress.
type mailbox struct {
	mu      sync.Mutex
	newest  *Progress
	arrived chan struct{} // holds one word when newest is set
	stopped chan struct{}
	ended   chan struct{}
}

func (m *mailbox) put(p Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.newest = &p
	select {
	case m.arrived <- struct{}{}:
	default:
	}
}

func (m *mailbox) take() *Progress {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.newest
	m.newest = nil
	return p
}

func (m *mailbox) deliver(send func(*databasev1.Progress) error) {
	defer close(m.ended)
	pace := time.NewTimer(0)
	defer pace.Stop()
	for {
		select {
		case <-m.arrived:
		case <-m.stopped:
			m.sendNewest(send)
			return
		}
		select {
		case <-pace.C:
		case <-m.stopped:
		}
		if !m.sendNewest(send) {
			return
		}
		pace.Reset(progressPace)
	}
}

// sendNewest reports whether send still works.
func (m *mailbox) sendNewest(send func(*databasev1.Progress) error) bool {
	p := m.take()
	return p == nil || send(&databasev1.Progress{Doing: text(p.Doing), Done: p.Done, Total: p.Total}) == nil
}
