// Package pki is the fleet's own small certificate authority and the TLS that
// stands on it: every agent and every client shows a certificate, and both
// sides check the other's (requirement 5). Who a certificate speaks for, and in
// which role, is one URI in it, rackswarm://<role>/<name>, so that nodes are
// recognised by their name in the fleet rather than by a host name or address.
//
// Beside the authority stands the publisher's ed25519 key pair: the private half
// signs manifests, the public half is what agents are told to trust.
package pki
