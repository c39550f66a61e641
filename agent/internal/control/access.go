package control

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// Roles of callers.
const (
	roleOperator = "operator" // everything
	roleReader   = "reader"   // GET only
	roleNode     = "node"     // an agent's certificate: GET, and what authorizeNode lets it
)

// caller is who sent a request. It has a role, or err says why it has none.
type caller struct {
	name, role string
	socket     bool // on this machine
	err        error
}

// peerKey is the context key of the caller on a unix socket.
type peerKey struct{}

// withPeer notes who is at the other end of a unix socket, once per connection.
func (s *Server) withPeer(ctx context.Context, c net.Conn) context.Context {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	p, err := peerOf(u)
	if err != nil {
		return context.WithValue(ctx, peerKey{}, caller{err: err})
	}
	return context.WithValue(ctx, peerKey{}, socketCaller(p, uint32(os.Geteuid()), s.socket.gid))
}

// socketCaller decides on a process that connected to the socket: root, the
// agent's own user and members of the socket's group are operators.
func socketCaller(p peer, self, group uint32) caller {
	name := fmt.Sprintf("user %d", p.uid)
	if p.uid == 0 || p.uid == self || p.gid == group || slices.Contains(p.groups, group) {
		return caller{name: name, role: roleOperator, socket: true}
	}
	return caller{name: name, err: fmt.Errorf("%s is neither root nor the agent's user nor in group %d of the socket", name, group)}
}

// callerOf tells who sent the request.
func (s *Server) callerOf(r *http.Request) caller {
	if c, ok := r.Context().Value(peerKey{}).(caller); ok {
		return c
	}
	if r.TLS == nil {
		return caller{err: fmt.Errorf("neither a unix socket nor TLS")}
	}
	name, role, err := s.cfg.Identify(*r.TLS)
	return caller{name: name, role: role, err: err}
}

// authorize returns an error unless the caller may use the method.
func (c caller) authorize(method string) error {
	switch {
	case c.err != nil:
		return &api.Error{Code: api.CodeForbidden, Subject: c.name, Message: c.err.Error(),
			Fix: "run as root or as a member of the socket's group, or use a certificate from 'rackswarm pki issue'"}
	case c.role == roleOperator:
		return nil
	case (c.role == roleReader || c.role == roleNode) && (method == http.MethodGet || method == http.MethodHead):
		return nil
	}
	return &api.Error{Code: api.CodeForbidden, Subject: c.name, Message: fmt.Sprintf("role %q may only read", c.role),
		Fix: "use a certificate of role operator: rackswarm pki issue --role operator"}
}

// authorizeNode returns an error unless the caller may use the calls that are
// made for other nodes, which look at the configuration's publish.roots.
func (c caller) authorizeNode(method string) error {
	if c.err == nil && c.role == roleNode {
		return nil
	}
	return c.authorize(method)
}
