// Package client speaks the control interface of rackswarm agents (requirement
// 44): HTTP/JSON with server-sent events, on a unix socket or on mutual TLS.
// Any agent answers for the whole fleet, so a client is given several endpoints
// and uses the first that answers.
//
// Every error is, or wraps, an *api.Error that names the subject and the fix;
// the errors that a caller's own callback returns come back unchanged.
package client
