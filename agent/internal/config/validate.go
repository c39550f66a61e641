package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/pki"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/unit"
)

// validate checks what can be checked on this machine, and collects notes. The
// error joins one *api.Error for everything that is wrong. It leaves out the
// settings in failed: their value could not be taken, which has been reported.
func (c *Config) validate(failed map[string]bool) error {
	v := &validator{c: c, failed: failed}
	v.node()
	v.paths()
	v.endpoints()
	v.foreign()
	v.tls()
	v.store()
	v.keys()
	v.hooks()
	v.databases()
	v.bandwidth()
	v.strategy()
	v.rest()
	return errors.Join(v.errs...)
}

const (
	makeCertificates = "make certificates with rackswarm pki init and rackswarm pki issue"
	makePublisher    = "make publisher keys with rackswarm pki init"
)

type validator struct {
	c      *Config
	failed map[string]bool
	errs   []error
}

func (v *validator) fail(key, fix, format string, args ...any) {
	if !v.failed[key] {
		v.errs = append(v.errs, problem(v.c.origin[key], key, fix, format, args...))
	}
}

// failBelow reports what is wrong with a part of a setting.
func (v *validator) failBelow(key, part, fix, format string, args ...any) {
	if !v.failed[key] {
		v.errs = append(v.errs, problem(v.c.origin[key], key+"."+part, fix, format, args...))
	}
}

// wrap reports what another package found wrong with a setting's file.
func (v *validator) wrap(key string, err error) {
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		v.fail(key, "check the file", "%v", err)
		return
	}
	v.fail(key, e.Fix, "%s: %s", e.Subject, e.Message)
}

func (v *validator) note(text string) { v.c.Notes = append(v.c.Notes, text) }

func (v *validator) node() {
	if _, err := unit.ParseNodeID(string(v.c.Node.Name)); err != nil {
		v.fail("node.name", "set node.name to the name in the node's certificate", "%v", err)
	}
	if _, err := unit.ParseLocation(string(v.c.Node.Location)); err != nil {
		v.fail("node.location", "write the way from the root down, such as ams1/rsn-27", "%v", err)
	}
	for key, value := range v.c.Node.Labels {
		if key == "" || strings.ContainsAny(key+value, ",=\n") {
			v.fail("node.labels", "leave out empty keys, commas, equals signs and line ends", "label %q: %q cannot be selected", key, value)
		}
	}
}

func (v *validator) paths() {
	if v.absolute("state_dir", v.c.StateDir) {
		if info, err := os.Stat(v.c.StateDir); err == nil && !info.IsDir() {
			v.fail("state_dir", "name a directory; it is created if it does not exist", "%s is not a directory", v.c.StateDir)
		}
	}
	if v.c.Trace != "" {
		v.absolute("trace", v.c.Trace)
	}
	if len(v.c.Roots) == 0 {
		v.fail("roots", "list the directories in which content may be installed, such as [/srv, /opt]", "no root: nothing could be installed")
	}
	for _, root := range v.c.Roots {
		v.directory("roots", root)
	}
}

// absolute reports whether the path is set, absolute and clean.
func (v *validator) absolute(key, path string) bool {
	if filepath.IsAbs(path) && filepath.Clean(path) == path {
		return true
	}
	fix := "write the whole path, from / on"
	if filepath.IsAbs(path) {
		fix = "write it as " + filepath.Clean(path)
	}
	v.fail(key, fix, "%q is not an absolute path without '.', '..' and needless slashes", path)
	return false
}

func (v *validator) directory(key, path string) {
	if !v.absolute(key, path) {
		return
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.fail(key, "create it with: mkdir -p "+path, "%s does not exist", path)
	case err != nil:
		v.fail(key, "make it readable for the agent's user", "%v", err)
	case !info.IsDir():
		v.fail(key, "name a directory", "%s is not a directory", path)
	}
}

// strategy notes what is for measurements only.
func (v *validator) strategy() {
	if v.c.Strategy != node.DefaultStrategy() {
		v.note("strategy is set: transfers are slower than they need be, and all agents must have the same strategy")
	}
}

// readable reports whether the file can be opened; makeIt says how to make one.
func (v *validator) readable(key, path, makeIt string) bool {
	if !v.absolute(key, path) {
		return false
	}
	f, err := os.Open(path)
	switch {
	case err == nil:
		return f.Close() == nil
	case errors.Is(err, fs.ErrNotExist):
		v.fail(key, "check the path; "+makeIt, "%s does not exist", path)
	default:
		v.fail(key, "let the agent's user read it", "%v", err)
	}
	return false
}

func (v *validator) tls() {
	t := v.c.TLS
	if !t.Enabled {
		v.note("tls.enabled is false: agents talk in the clear and believe each other's names; every agent of the fleet needs the same setting")
		return
	}
	ok := true
	for _, f := range []struct{ key, path string }{{"tls.ca", t.CA}, {"tls.cert", t.Cert}, {"tls.key", t.Key}} {
		if f.path == "" {
			v.fail(f.key, makeCertificates+", or set tls.enabled: false", "not set, though tls.enabled is true")
			ok = false
			continue
		}
		ok = v.readable(f.key, f.path, makeCertificates) && ok
	}
	if ok {
		v.certificate()
	}
}

// certificate checks that the files fit together and are this node's.
func (v *validator) certificate() {
	t := v.c.TLS
	credentials, err := pki.Load(t.CA, t.Cert, t.Key)
	if err != nil {
		v.wrap("tls.cert", err)
		return
	}
	name, role, err := credentials.Identity()
	switch {
	case err != nil:
		v.wrap("tls.cert", err)
	case role != pki.RoleNode:
		v.fail("tls.cert", "issue one with: rackswarm pki issue --role node --name "+string(v.c.Node.Name), "%s is a certificate for role %s, not for a node", t.Cert, role)
	case name != string(v.c.Node.Name):
		v.fail("tls.cert", "set node.name to "+name+", or issue a certificate with: rackswarm pki issue --role node --name "+string(v.c.Node.Name), "%s is for node %s, but node.name is %s", t.Cert, name, v.c.Node.Name)
	}
}

func (v *validator) keys() {
	if key := v.c.Publish.Key; key != "" && v.readable("publish.key", key, makePublisher) {
		if _, err := pki.LoadPublisher(key); err != nil {
			v.wrap("publish.key", err)
		}
	}
	v.publish()
	for _, file := range v.c.Trust {
		if v.readable("trust", file, makePublisher) {
			if _, err := pki.LoadTrust([]string{file}); err != nil {
				v.wrap("trust", err)
			}
		}
	}
	if len(v.c.Trust) == 0 {
		v.note("trust is empty: this agent accepts no content from anyone")
	}
}

func (v *validator) publish() {
	p := v.c.Publish
	for _, root := range p.Roots {
		if root == "/" {
			v.fail("publish.roots", "list the directories whose content every node may have", "the root directory would open all files of this machine to all nodes")
			continue
		}
		v.directory("publish.roots", root)
	}
	if len(p.Roots) > 0 && v.c.API.Listen == "" {
		v.note("publish.roots is set, but api.listen is not: no other node can ask")
	}
	if p.CAFile == "" || !v.readable("publish.ca_file", p.CAFile, "write the certificates of the authorities to it, as PEM") {
		return
	}
	if _, err := p.CAs(); err != nil {
		v.wrap("publish.ca_file", err)
	}
}

func (v *validator) rest() {
	if d := v.c.CheckInterval; d < time.Second || d > 24*time.Hour {
		v.fail("check_interval", "write 1s to 24h", "%v is not in 1s to 24h", d)
	}
	if v.c.Limits.Download == 0 {
		v.fail("limits.download", rateFix+"; to have a node fetch nothing, choose other nodes, or run on it: rackswarm pause --all --here", "0 never means unlimited, and lets this node never have what it is to have")
	}
	if v.c.Limits.Upload == 0 {
		v.note("limits.upload is 0: this agent gives nothing to others")
	}
}
