package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"sync"
)

const (
	recordsIn  = 64 << 10           // bytes read from TCP at once
	recordsOut = writeChunk + 8<<10 // a chunk of the writer with what TLS adds
)

// secured is a TLS connection that sends all records of one Write by one system
// call. On its own, crypto/tls makes a call for each record of 16 KiB, which
// costs a third of the throughput on a fast link.
type secured struct {
	*tls.Conn
	records *recordBuffer
}

// secure does the TLS handshake that side, tls.Client or tls.Server, begins.
func secure(ctx context.Context, nc net.Conn, side func(net.Conn, *tls.Config) *tls.Conn, config *tls.Config) (*secured, error) {
	s := &secured{records: &recordBuffer{Conn: nc, in: bufio.NewReaderSize(nc, recordsIn)}}
	s.Conn = side(s.records, bulk(config))
	if err := s.HandshakeContext(ctx); err != nil {
		return nil, tlsError(nc.RemoteAddr(), err)
	}
	s.records.gather()
	return s, nil
}

// Write encrypts p and sends it.
func (s *secured) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	if err == nil {
		err = s.records.flush()
	}
	return n, err
}

// recordBuffer lies between TLS and TCP. From gather on, what TLS writes waits
// for flush; that includes what its reader writes (key updates).
type recordBuffer struct {
	net.Conn
	in *bufio.Reader // touched only by the reader

	mu        sync.Mutex
	gathering bool
	out       *[]byte // from recordPool while something waits
}

var recordPool = sync.Pool{New: func() any {
	b := make([]byte, 0, recordsOut)
	return &b
}}

func (r *recordBuffer) Read(p []byte) (int, error) { return r.in.Read(p) }

func (r *recordBuffer) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.gathering {
		return r.Conn.Write(p)
	}
	if r.out == nil {
		r.out = recordPool.Get().(*[]byte)
	}
	if len(*r.out)+len(p) > recordsOut {
		if _, err := r.Conn.Write(*r.out); err != nil {
			return 0, err
		}
		*r.out = (*r.out)[:0]
	}
	*r.out = append(*r.out, p...)
	return len(p), nil
}

func (r *recordBuffer) gather() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gathering = true
}

func (r *recordBuffer) flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.out == nil {
		return nil
	}
	_, err := r.Conn.Write(*r.out)
	*r.out = (*r.out)[:0]
	recordPool.Put(r.out)
	r.out = nil
	return err
}
