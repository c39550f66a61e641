package client

import (
	"errors"
	"io"
	"sync"

	"github.com/rackswarm/rackswarm/core/api"
)

// source is a request body that passes once. It remembers whether it was begun
// and why it ended, which net/http does not tell.
type source struct {
	r io.Reader

	mu    sync.Mutex
	begun bool
	err   error
}

// Read reads from the caller's reader.
func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	s.begun = true
	s.mu.Unlock()
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
	}
	return n, err
}

func (s *source) touched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun
}

// failed is the error of the caller's reader, nil if it had none.
func (s *source) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// sourceFailure says that the content could not be read on the client's side.
func sourceFailure(op string, err error) error {
	var e *api.Error
	if errors.As(err, &e) {
		return err
	}
	return &failure{&api.Error{Code: api.CodeIO, Subject: op, Message: "the content cannot be read: " + err.Error()}, err}
}
