package transport

import (
	"container/list"
	"net"
	"sync"
)

// halfOpen are inbound connections whose handshakes are not done, the oldest
// first.
type halfOpen struct {
	room chan struct{} // a token for each; frees after the handshake has ended

	mu    sync.Mutex
	conns *list.List // of net.Conn
}

func newHalfOpen() *halfOpen {
	return &halfOpen{room: make(chan struct{}, maxHalfOpen), conns: list.New()}
}

// enter adds a connection. If there are too many, it closes the oldest and waits
// until its handshake has noticed. The caller calls done when the handshake has
// ended, from when on the connection is not closed here, and then leave.
func (h *halfOpen) enter(raw net.Conn) (done, leave func()) {
	select {
	case h.room <- struct{}{}:
	default:
		h.evict()
		h.room <- struct{}{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.conns.PushBack(raw)
	return func() { h.forget(at) }, func() { h.forget(at); <-h.room }
}

func (h *halfOpen) evict() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if oldest := h.conns.Front(); oldest != nil {
		h.conns.Remove(oldest).(net.Conn).Close()
	}
}

// forget may be called again.
func (h *halfOpen) forget(at *list.Element) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns.Remove(at)
}
