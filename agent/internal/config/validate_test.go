package config

import (
	"os"
	"strings"
	"testing"
)

func TestValidConfiguration(t *testing.T) {
	c, err := Load("", environ(newFleet(t).valid()))
	if err != nil || len(c.Notes) != 0 {
		t.Fatalf("%v, notes %q", err, c.Notes)
	}
}

// TestInvalid changes one or two variables of a valid configuration each.
func TestInvalid(t *testing.T) {
	f := newFleet(t)
	if err := os.WriteFile(f.at("file"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ change, key, message string }{
		{"ROOTS=", "roots", "no root"},
		{"ROOTS=srv", "roots", `"srv" is not an absolute path`},
		{"ROOTS=/srv/../etc", "roots", "not an absolute path without"},
		{"ROOTS=" + f.at("none"), "roots", "does not exist"},
		{"ROOTS=" + f.at("file"), "roots", "is not a directory"},
		{"STATE_DIR=var", "state_dir", "not an absolute path"},
		{"STATE_DIR=" + f.at("file"), "state_dir", "is not a directory"},
		{"DATA_LISTEN=7420", "data.listen", "is not host:port"},
		{"DATA_LISTEN=:70000", "data.listen", "not a number up to 65535"},
		{"DATA_LISTEN=", "data.listen", "is not host:port"},
		{"DATA_ADVERTISE=:7420", "data.advertise", "not an address that others can connect to"},
		{"DATA_ADVERTISE=0.0.0.0:7420", "data.advertise", "not an address that others can connect to"},
		{"DATA_ADVERTISE=[::]:7420", "data.advertise", "not an address that others can connect to"},
		{"DATA_ADVERTISE=web17:http", "data.advertise", "not an address that others can connect to"},
		{"DATA_ADVERTISE=::", "data.advertise", "not an address that others can connect to"},
		{"FOREIGN_ACCEPT=10.0.0.0/8,ten", "foreign.accept", `"ten" is neither a network nor an address`},
		{"FOREIGN_ACCEPT=10.0.0.1/8", "foreign.accept", "did you mean 10.0.0.0/8?"},
		{"FOREIGN_ACCEPT=::/0", "foreign.accept", "everybody"},
		{"FOREIGN_PEERS=10.0.0.1", "foreign.peers", "is not host:port"},
		{"FOREIGN_PEERS=:6881", "foreign.peers", "is not host:port"},
		{"API_SOCKET=agent.sock", "api.socket", "not an absolute path"},
		{"API_SOCKET=/" + strings.Repeat("x", 120), "api.socket", "may have 107"},
		{"API_LISTEN=x", "api.listen", "is not host:port"},
		{"API_LISTEN=:7422 TLS_ENABLED=false", "api.listen", "mutual TLS only"},
		{"API_ADVERTISE=a:1", "api.advertise", "api.listen is not"},
		{"TLS_CA=", "tls.ca", "not set"},
		{"TLS_CERT=" + f.at("none"), "tls.cert", "does not exist"},
		{"TLS_KEY=relative", "tls.key", "not an absolute path"},
		{"TLS_CERT=" + f.at("alice.crt"), "tls.cert", "does not go with key"},
		{"TLS_CERT=" + f.at("alice.crt") + " TLS_KEY=" + f.at("alice.key"), "tls.cert", "role operator"},
		{"NODE_NAME=web18", "tls.cert", "for node web17, but node.name is web18"},
		{"STORE_URL=", "store.url", "not set"},
		{"STORE_URL=http://h", "store.url", "not redis or rediss"},
		{"STORE_URL=redis:///0", "store.url", "names no host"},
		{"STORE_URL=redis://%zz", "store.url", "not a URL"},
		{"STORE_PREFIX=a{b", "store.prefix", "cannot begin"},
		{"STORE_PASSWORD_FILE=" + f.at("none"), "store.password_file", "does not exist"},
		{"STORE_TLS=true TLS_ENABLED=false", "store.tls", "tls.enabled is false"},
		{"STORE_LISTEN=:7421", "store.listen", "store.embedded is false"},
		{"STORE_EMBEDDED=true", "store.url", "two stores"},
		{"STORE_EMBEDDED=true STORE_URL= STORE_LISTEN=x", "store.listen", "is not host:port"},
		{"STORE_EMBEDDED=true STORE_URL= STORE_LISTEN=:7421", "store.listen", "anybody on the network"},
		{"STORE_EMBEDDED=true STORE_URL= STORE_LISTEN=192.0.2.7:7421", "store.listen", "anybody on the network"},
		{"PUBLISH_KEY=" + f.at("none"), "publish.key", "does not exist"},
		{"PUBLISH_KEY=" + f.at("ca.key"), "publish.key", "not an ed25519 private key"},
		{"PUBLISH_ROOTS=srv", "publish.roots", `"srv" is not an absolute path`},
		{"PUBLISH_ROOTS=/", "publish.roots", "all files"},
		{"PUBLISH_ROOTS=" + f.at("none"), "publish.roots", "does not exist"},
		{"PUBLISH_ROOTS=" + f.at("file"), "publish.roots", "is not a directory"},
		{"PUBLISH_CA_FILE=" + f.at("none"), "publish.ca_file", "does not exist"},
		{"PUBLISH_CA_FILE=" + f.at("publisher.key"), "publish.ca_file", "no PEM certificate"},
		{"TRUST=" + f.at("publisher.key"), "trust", "no PEM block PUBLIC KEY"},
		{"TRUST=" + f.at("none"), "trust", "does not exist"},
		{"LIMITS_DOWNLOAD=0", "limits.download", "0 never means unlimited"},
		{"STORAGE_QUOTA=much", "storage.quota", "not a number followed by a unit"},
		{"HOOKS=drain", "hooks", "not a YAML mapping"},
		{"HOOKS={drain:[x]}", "hooks", "every hook needs a name"},
		{"HOOKS={\"a\":{\"command\":[true]}}", "hooks", "every part must be a text"},
		{"HOOKS={\"a\":{\"command\":[drain]}}", "hooks", "not absolute"},
		{"HOOKS={\"a\":{\"command\":[/nonexistent]}}", "hooks", "no such file"},
		{"HOOKS={\"a\":{\"command\":[" + f.at("file") + "]}}", "hooks", "is not a program"},
		{"HOOKS={\"a\":{\"command\":[/bin/true],\"timeout\":0s}}", "hooks", "not in 1s to 1h"},
		{"HOOKS={\"a\":{\"command\":[/bin/true],\"user\":nobody-there}}", "hooks", "does not know the user"},
		{"HOOKS={\"a!\":{\"command\":[/bin/true]}}", "hooks", "not a name of a hook"},
		{"CHECK_INTERVAL=1ms", "check_interval", "not in 1s to 24h"},
		{"NODE_LABELS=a=b=c", "node.labels", "cannot be selected"},
	} {
		vars := f.valid()
		for _, change := range strings.Fields(test.change) {
			name, value, _ := strings.Cut(change, "=")
			vars["RACKSWARM_"+name] = value
		}
		_, err := Load("", environ(vars))
		all := problems(t, err)
		if len(all) != 1 {
			t.Errorf("%s: %d problems, want 1: %v", test.change, len(all), err)
			continue
		}
		p := all[0]
		if !strings.HasSuffix(p.Subject, test.key) || !strings.Contains(p.Message, test.message) || p.Fix == "" {
			t.Errorf("%s: got %#v; want %s: %s", test.change, p, test.key, test.message)
		}
	}
}

func TestAdvertisedAddresses(t *testing.T) {
	f := newFleet(t)
	for _, address := range []string{"web17", "web17:0", "web17.example:7420", "192.0.2.7", "[2001:db8::7]:7420", "2001:db8::7"} {
		vars := f.valid()
		vars["RACKSWARM_DATA_ADVERTISE"] = address
		if _, err := Load("", environ(vars)); err != nil {
			t.Error(err)
		}
	}
}

// An embedded store is reached with the node's certificate, with a password, from
// this machine, or in a fleet that has switched TLS off.
func TestEmbeddedStoreIsGuarded(t *testing.T) {
	f := newFleet(t)
	for _, change := range []string{
		"STORE_LISTEN=:7421 STORE_TLS=true",
		"STORE_LISTEN=:7421 STORE_PASSWORD_FILE=" + f.at("publisher.key"),
		"STORE_LISTEN=127.0.0.1:7421", "STORE_LISTEN=[::1]:0", "STORE_LISTEN=localhost:7421",
		"STORE_LISTEN=:7421 TLS_ENABLED=false",
	} {
		vars := f.valid()
		for _, c := range strings.Fields(change + " STORE_EMBEDDED=true STORE_URL=") {
			name, value, _ := strings.Cut(c, "=")
			vars["RACKSWARM_"+name] = value
		}
		if _, err := Load("", environ(vars)); err != nil {
			t.Errorf("%s: %v", change, err)
		}
	}
}

func TestNotes(t *testing.T) {
	f := newFleet(t)
	for change, want := range map[string]string{
		"TLS_ENABLED=false":                       "tls.enabled is false",
		"TRUST=":                                  "accepts no content",
		"STORE_EMBEDDED=true STORE_URL=":          "store.embedded is true",
		"STORE_URL=redis://user:secret@127.0.0.1": "store.password_file",
		"LIMITS_UPLOAD=0B":                        "gives nothing",
	} {
		vars := f.valid()
		for _, c := range strings.Fields(change) {
			name, value, _ := strings.Cut(c, "=")
			vars["RACKSWARM_"+name] = value
		}
		c, err := Load("", environ(vars))
		if err != nil || len(c.Notes) != 1 || !strings.Contains(c.Notes[0], want) {
			t.Errorf("%s: notes %q, %v; want one with %q", change, c.Notes, err, want)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	for _, url := range []string{
		"redis://user:hunter2@h:6379/0", "redis://:hunter2@h", "redis://h?password=hunter2", "redis:hunter2", "redis://user:hunter2@h:bad/%zz", "://hunter2",
		"http://u:hunter2@h", "hunter2",
	} {
		c, _, err := parse("a.yaml", []byte("store: {url: '"+url+"'}"), nil)
		if err != nil {
			t.Fatal(err)
		}
		var shown strings.Builder
		for _, s := range c.Settings() {
			shown.WriteString(s.Value + "\n")
		}
		for _, p := range problems(t, c.validate(nil)) {
			shown.WriteString(p.Error() + "\n")
		}
		shown.WriteString(strings.Join(c.Notes, "\n"))
		if url != "hunter2" && strings.Contains(shown.String(), "hunter2") {
			t.Errorf("%s is shown in:\n%s", url, shown.String())
		}
	}
	// Nor when the file has no valid form.
	for _, text := range []string{"store: {url: 'redis://:hunter2@h", "store:\n  url: [hunter2]", "store:\n  url: {a: hunter2}\n x: y"} {
		if _, _, err := parse("a.yaml", []byte(text), nil); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What is shown can be told from other values, though names of locations have slashes too.
func TestSettingsAreShownInWords(t *testing.T) {
	for text, want := range map[string][2]string{
		"":                      {"storage.quota", "no quota"},
		"storage: {quota: 0}":   {"storage.quota", "no quota"},
		"storage: {quota: 2GB}": {"storage.quota", "1.9 GiB"},
		"links: {a/b: {up: 1Gbit, down: unlimited}, c: {down: 8Mbit, reserve: 30%}}": {"links", "a/b: 119.2 MiB/s up, unlimited down; c: up not said, 976.6 KiB/s down, 30% reserved"},
	} {
		c, _, err := parse("a.yaml", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range c.Settings() {
			if s.Key == want[0] && s.Value != want[1] {
				t.Errorf("%s: %s is shown as %q, want %q", text, s.Key, s.Value, want[1])
			}
		}
	}
}

func TestSettingsSayWhereTheyCameFrom(t *testing.T) {
	c, _, err := parse("a.yaml", []byte("node:\n  name: a\n"), []string{"RACKSWARM_STATE_DIR=/x"})
	if err != nil {
		t.Fatal(err)
	}
	from := map[string]string{}
	for _, s := range c.Settings() {
		from[s.Key] = s.Value + " from " + s.From
	}
	for key, want := range map[string]string{"node.name": "a from a.yaml:2:9", "state_dir": "/x from RACKSWARM_STATE_DIR", "check_interval": "10s from default", "node.location": "/ from default"} {
		if from[key] != want {
			t.Errorf("%s: %s, want %s", key, from[key], want)
		}
	}
}

func TestPassword(t *testing.T) {
	file := write(t, "hunter2\r\nmore\n")
	for _, test := range []struct{ file, want string }{{file, "hunter2"}, {"", ""}} {
		if got, err := (Store{PasswordFile: test.file}).Password(); err != nil || got != test.want {
			t.Errorf("password of %q is %q, %v", test.file, got, err)
		}
	}
	if _, err := (Store{PasswordFile: "/nonexistent"}).Password(); err == nil {
		t.Error("a missing password file is no error")
	}
}

// FuzzParse: whatever the file, parse returns, and what it accepted can be shown
// and validated.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		Example, "", "a", "node: {name: x}", "roots: [a, 'b', \"c\", |\n d]", "node:\n  labels: {a: 1, b: 2.5, ? x : y}", "x: &a b\ny: *a", "<<: {a: b}", "!!str a: b",
		"store: {url: redis://u:p@h}", "---\n---\n", "limits: {upload: 1e308Tbit}", "check_interval: 99999999999999h", "a: [", "{", "\x00", "? [a]\n: b",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		c, _, _ := parse("a.yaml", data, nil)
		_ = c.Settings()
	})
}

// FuzzVariable does the same for variables.
func FuzzVariable(f *testing.F) {
	f.Add(0, "web17")
	f.Add(2, "a=b,c=d")
	f.Add(4, "/a,,/b")
	f.Add(10, "TRUE")
	f.Fuzz(func(_ *testing.T, i int, value string) {
		s := settings[uint(i)%uint(len(settings))]
		c, _, _ := parse("", nil, []string{s.variable() + "=" + value})
		_ = c.Settings()
	})
}
