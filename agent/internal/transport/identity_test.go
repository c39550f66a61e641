package transport

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

func expired(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }

func operator(c *x509.Certificate) {
	c.URIs = []*url.URL{{Scheme: "rackswarm", Host: "operator", Path: "/n1"}}
}

// anonymous shows no certificate.
type anonymous struct{ *credentials }

func (a anonymous) ClientTLS(want string) *tls.Config {
	config := a.credentials.ClientTLS(want)
	config.Certificates = nil
	return config
}

// Node "n1" dials what it believes to be node "n2".
func TestPeersThatDoNotFitAreRefused(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	good1, good2 := ca.node(t, "n1"), ca.node(t, "n2")
	foreign1 := &credentials{other.node(t, "n1").cert, ca.pool}
	foreign2 := &credentials{other.node(t, "n2").cert, ca.pool}
	for _, c := range []struct {
		name             string
		dialler          TLS
		diallerName      unit.NodeID
		listener         TLS
		listenerName     unit.NodeID
		diallerSays      []string // parts of the error of Dial
		listenerLogsSays []string // parts of what is logged
	}{
		{"certificate of another authority, dialling", foreign1, "n1", good2, "n2",
			[]string{"refuses this node's certificate", "tls.cert"}, []string{"TLS handshake", "unknown authority"}},
		{"certificate of another authority, listening", good1, "n1", foreign2, "n2",
			[]string{"TLS handshake", "unknown authority"}, []string{"refuses this node's certificate"}},
		{"expired certificate, dialling", ca.node(t, "n1", expired), "n1", good2, "n2",
			[]string{"refuses this node's certificate", "expired"}, []string{"expired"}},
		{"expired certificate, listening", good1, "n1", ca.node(t, "n2", expired), "n2",
			[]string{"TLS handshake", "expired"}, []string{"refuses this node's certificate"}},
		{"no certificate", anonymous{good1}, "n1", good2, "n2",
			[]string{"refuses this node's certificate", "certificate required"}, []string{"didn't provide a certificate"}},
		{"certificate of an operator", ca.node(t, "n1", operator), "n1", good2, "n2",
			[]string{"closed the connection during the handshake"}, []string{"not a node's", "--role node"}},
		{"another node at the address", good1, "n1", ca.node(t, "n3"), "n3",
			[]string{"node n3 answers at the address of node n2", "data.advertise"}, []string{"closed the connection"}},
		{"another node at the address, plain", nil, "n1", nil, "n3",
			[]string{"node n3 answers at the address of node n2"}, nil},
		{"name that is not the certificate's", good1, "n9", good2, "n2",
			[]string{"closed the connection during the handshake"}, []string{"calls itself n9", "for node n1", "node.name"}},
		{"name of the listener that is not the certificate's", good1, "n1", good2, "n8",
			[]string{"calls itself n8", "for node n2"}, nil},
		{"plain dials TLS", nil, "n1", good2, "n2",
			[]string{"the peer speaks TLS", "plain TCP", "tls.enabled"}, []string{"the peer speaks plain TCP", "tls.enabled"}},
		{"TLS dials plain", good1, "n1", nil, "n2",
			[]string{"the peer speaks plain TCP", "tls.enabled"}, []string{"the peer speaks TLS", "tls.enabled"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, lines := logLines()
			to := listenLogging(t, c.listenerName, c.listener, log)
			go to.Accept(t.Context())
			conn, err := listen(t, c.diallerName, c.dialler).Dial(t.Context(), to.Addr().String(), "n2", someDigest)
			if err == nil {
				conn.Close(nil)
				t.Fatal("connected")
			}
			for _, part := range append(c.diallerSays, "n2", to.Addr().String()) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("Dial says %q, which lacks %q", err, part)
				}
			}
			if len(c.listenerLogsSays) > 0 {
				line := awaitLine(t, lines, "connection refused")
				for _, part := range c.listenerLogsSays {
					if !strings.Contains(line, part) {
						t.Errorf("the listener logs %q, which lacks %q", line, part)
					}
				}
			}
		})
	}
}

func TestBothEndsKnowEachOther(t *testing.T) {
	for _, secure := range []bool{false, true} {
		a, b := loopback(t, secure)
		if a.Peer() != "n2" || b.Peer() != "n1" || a.Digest() != someDigest || b.Digest() != someDigest {
			t.Errorf("TLS %v: a knows %s, %s; b knows %s, %s", secure, a.Peer(), a.Digest(), b.Peer(), b.Digest())
		}
		if a.Inbound() || !b.Inbound() || a.MaxRequest() != 1<<20 || b.MaxRequest() != 1<<20 {
			t.Errorf("TLS %v: inbound %v and %v, requests to %d and %d", secure, a.Inbound(), b.Inbound(), a.MaxRequest(), b.MaxRequest())
		}
		if a.Addr().String() != b.raw.LocalAddr().String() {
			t.Errorf("TLS %v: peer's address is %s, not %s", secure, a.Addr(), b.raw.LocalAddr())
		}
	}
}
