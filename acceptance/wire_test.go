package acceptance

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/wire"
)

// greeting is what the node of that name says first about an artifact.
func greeting(node string, d artifact.Digest) []byte {
	h := wire.Handshake{Extensions: wire.Extensions(), InfoHash: d.Short(), PeerID: [20]byte([]byte("-RS0001-000000000001"))}
	return wire.Append(h.Append(nil), wire.ExtHandshake{
		M: map[string]int{wire.ExtensionName: int(wire.LocalExtension)}, Digest: d, Node: node,
		Version: wire.ProtocolVersion, MaxRequest: wire.MaxRequest,
	}, 0)
}

// frame is a message of BEP 3 with any length said and any body.
func frame(length uint32, body ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, length), body...)
}

// Whatever arrives on the data port costs its connection and nothing else:
// transfers under way do not notice.
func TestHostilePeers(t *testing.T) {
	t.Parallel()
	nodes := fleet.Racks("ams1/r1", 4)
	f := fleet.New(t, fleet.Options{Nodes: nodes, Plain: true, Env: []string{"RACKSWARM_LIMITS_UPLOAD=24Mbit"}})
	absent := f.Agents()[3] // known to the fleet, and played by the test
	for _, a := range f.Agents() {
		a.Start()
	}
	f.WaitRegistered()
	src, dest := filepath.Join(t.TempDir(), "big"), filepath.Join(f.Root, "big")
	random(t, src, 12<<20, 0o644)
	f.CLI("distribute", "big", "--source", src, "--path", dest)
	victim := f.Agents()[1]
	awaitOn(t, f, "big", absent, "fetches", func(n api.NodeStatus) bool { return received(n) > 0 })
	absent.Kill() // the groups name it for some time yet
	d, err := artifact.ParseDigest(status(f, "big").Distribution.Digest)
	must(t, err)
	known, stranger := greeting(absent.Name, d), greeting("stranger", d)
	ours := func(m wire.Message) []byte { return wire.Append(nil, m, wire.LocalExtension) }
	long := make([]byte, 1<<20)
	for _, c := range []struct {
		name  string
		bytes []byte
	}{
		{"nothing", nil},
		{"noise", []byte(strings.Repeat("GET / HTTP/1.1\r\n\r\n", 10))},
		{"zeros", long},
		{"half a handshake", known[:30]},
		{"another artifact", greeting(absent.Name, artifact.Digest{7})},
		{"a stranger", stranger},
		{"no name", greeting("", d)},
		{"a name with paths", greeting("../../etc", d)},
		{"itself", greeting(victim.Name, d)},
		{"a huge frame", slices.Concat(known, frame(1<<31, 20, 1))},
		{"an endless frame", slices.Concat(known, frame(100, 20, 1))},
		{"an unknown type", slices.Concat(known, frame(3, 20, 1, 250))},
		{"a short request", slices.Concat(known, frame(4, 20, 1, 6, 0))},
		{"unasked data", slices.Concat(known, ours(wire.SpanData{Span: 1, Begin: 0, Length: 1 << 17}), long[:1<<17])},
		{"a wrong manifest", slices.Concat(known, ours(wire.ManifestData{Total: 9, Offset: 3, Data: []byte("xyz")}))},
		// The rest has the name banned.
		{"far spans", slices.Concat(known, ours(wire.SpanHave{Spans: []uint32{1<<32 - 1, 1 << 31, 5000}}))},
		{"far requests", slices.Concat(known, ours(wire.SpanRequest{Span: 1<<32 - 1, Begin: 1<<32 - 1, Length: 1 << 20}))},
		{"a long bitfield", slices.Concat(known, ours(wire.SpanBitfield{Bits: long[:60_000]}))},
	} {
		if err := throw(victim.DataAddr, c.bytes); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !victim.Running() {
			t.Fatalf("%s ended the agent", c.name)
		}
	}
	must(t, logged(victim, "peer banned")) // some of it was let in
	for range 300 {                        // more than the agent lets in at a time
		c, err := net.Dial("tcp", victim.DataAddr)
		must(t, err)
		defer c.Close()
	}
	awaitSame(t, src, dest, f.Agents()[:3]...)
	absent.Restart()
	awaitInstalled(t, f, "big")
	wantSame(t, src, dest, f.Agents()...)
}

// throw sends bytes and goes away; what the agent answers does not matter.
func throw(addr string, bytes []byte) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		return err
	}
	_, _ = c.Write(bytes) // it may be hung up on already
	_, _ = io.Copy(io.Discard, c)
	return nil
}

// Only a node of the fleet is let into the swarm, and only as itself.
func TestWrongCertificates(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	src, dest := makeTree(t), filepath.Join(f.Root, "tree")
	f.CLI("distribute", "tree", "--source", src, "--path", dest, "--wait")
	d, err := artifact.ParseDigest(status(f, "tree").Distribution.Digest)
	must(t, err)
	victim, friend := f.Agents()[1], f.Agents()[0].Name
	other := filepath.Join(t.TempDir(), "pki")
	f.CLI("pki", "init", "--dir", other)
	f.CLI("pki", "issue", "--dir", other, "--role", "node", "--name", friend)
	for name, c := range map[string]struct{ dir, cert, says, logged string }{
		"another authority":   {other, friend, friend, "authority"},
		"an operator":         {f.PKI, "operator", friend, "operator"},
		"a reader":            {f.PKI, "reader", friend, "reader"},
		"another node's name": {f.PKI, friend, "ams1-r1-9", "ams1-r1-9"},
		"none":                {"", "", friend, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
			if c.cert != "" {
				cert, err := tls.LoadX509KeyPair(filepath.Join(c.dir, c.cert+".crt"), filepath.Join(c.dir, c.cert+".key"))
				must(t, err)
				config.Certificates = []tls.Certificate{cert}
			}
			before := len(log(t, victim))
			answer, err := converse(victim.DataAddr, config, greeting(c.says, d))
			if len(answer) > 0 {
				t.Errorf("it was answered: %q", answer)
			}
			if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("it was not hung up on: %v", err)
			}
			fleet.Eventually(t, patience, "the refusal is logged with its reason", func() error {
				if text := log(t, victim)[before:]; !strings.Contains(text, "connection refused") || !strings.Contains(text, c.logged) {
					return fmt.Errorf("logged: %s", text)
				}
				return nil
			})
		})
	}
	t.Run("the right one", func(t *testing.T) { // or the above says nothing
		cert, err := tls.LoadX509KeyPair(filepath.Join(f.PKI, friend+".crt"), filepath.Join(f.PKI, friend+".key"))
		must(t, err)
		config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}
		answer, err := converse(victim.DataAddr, config, greeting(friend, d))
		if len(answer) < wire.HandshakeSize {
			t.Errorf("answer %q, %v", answer, err)
		}
	})
}

func log(t *testing.T, a *fleet.Agent) string {
	t.Helper()
	text, err := os.ReadFile(a.Log)
	must(t, err)
	return string(text)
}

// converse says one thing and returns the answer, and why there is no more.
func converse(addr string, config *tls.Config, say []byte) ([]byte, error) {
	c, err := tls.Dial("tcp", addr, config)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := c.Write(say); err != nil {
		return nil, err
	}
	answer := make([]byte, 1024)
	n, err := c.Read(answer)
	return answer[:n], err
}
