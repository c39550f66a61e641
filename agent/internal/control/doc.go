// Package control serves the control interface (requirement 44): HTTP/JSON
// under /v1 with server-sent events, on a unix socket and on mutual TLS. Any
// agent answers for the whole fleet, because all it serves is in the
// coordination store; only publishing happens on the answering agent.
//
// What is decided is decided in pure functions: which distributions may stand
// side by side (conflict.go), what a change makes of a distribution (revise.go),
// what the nodes' reports amount to (aggregate.go, measures.go), when a removal
// has ended (removal.go), who may do what (access.go). The handlers
// (artifacts.go, distributions.go, nodes.go, publish.go, watch.go) read the
// store, ask these functions, and write.
package control
