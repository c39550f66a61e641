package config

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestDatabases(t *testing.T) {
	want := map[string]Database{
		"main": {
			Driver: "postgres", Data: "/srv/pg/main/data",
			Settings: map[string]string{"bin": "/usr/lib/postgresql/15/bin", "port": "5433", "fast": "true"},
			Commands: map[string][]string{"start": {"/bin/true", "main"}, "stop": {"/bin/true"}}, AllowPrimary: true,
		},
		"notes": {Driver: "files", Data: "/srv/notes"},
	}
	const text = `
databases:
  main:
    driver: postgres
    data: /srv/pg/main/data
    settings: {bin: /usr/lib/postgresql/15/bin, port: 5433, fast: true}
    commands: {start: [/bin/true, main], stop: [/bin/true]}
    allow_primary: true
  notes: {driver: files, data: /srv/notes}
drivers: /etc/drivers`
	c, failed, err := parse("a.yaml", []byte(text), nil)
	if err != nil || len(failed) != 0 || !reflect.DeepEqual(c.Databases, want) || c.Drivers != "/etc/drivers" {
		t.Errorf("from a file: %+v, %v", c.Databases, err)
	}
	variable := "RACKSWARM_DATABASES={main: {driver: postgres, data: /srv/pg/main/data, settings: {bin: /usr/lib/postgresql/15/bin, port: 5433, fast: true}, " +
		"commands: {start: [/bin/true, main], stop: [/bin/true]}, allow_primary: true}, notes: {driver: files, data: /srv/notes}}"
	c, failed, err = parse("", nil, []string{variable})
	if err != nil || len(failed) != 0 || !reflect.DeepEqual(c.Databases, want) {
		t.Errorf("from a variable: %+v, %v", c.Databases, err)
	}
	for _, s := range c.Settings() {
		if s.Key == "databases" && s.Value != "main=postgres:/srv/pg/main/data,notes=files:/srv/notes" {
			t.Errorf("shown as %q", s.Value)
		}
	}
	if c, _, err = parse("", nil, []string{"RACKSWARM_DATABASES="}); err != nil || len(c.Databases) != 0 {
		t.Errorf("from an empty variable: %+v, %v", c.Databases, err)
	}
}

func TestDatabasesThatAreWrittenWrong(t *testing.T) {
	for _, c := range []struct{ text, subject, message string }{
		{"databases: [a]", "a.yaml:1:12: databases", "must be a mapping of databases, not a list"},
		{"databases:\n  main: postgres", "a.yaml:2:3: databases", "a mapping of its settings"},
		{"databases:\n  main: {data: /srv/a}", "a.yaml:2:3: databases.main.driver", "not set"},
		{"databases:\n  main: {driver: files}", "a.yaml:2:3: databases.main.data", "not set"},
		{"databases:\n  main: {driver: files, data: /srv/a, allow_primary: sometimes}", "databases.main.allow_primary", "cannot be"},
		{"databases:\n  main: {driver: [files], data: /srv/a}", "a.yaml:2:10: databases.main.driver", "cannot be a list"},
		{"databases:\n  main: {driver: files, data: /srv/a, settings: [a]}", "databases.main.settings", "cannot be a list"},
		{"databases:\n  main: {driver: files, data: /srv/a, settings: {a: {}}}", "databases.main.settings", "a: must be a text, not a mapping"},
		{"databases:\n  main: {driver: files, data: /srv/a, commands: {start: /bin/true}}", "databases.main.commands", "start: must be a list"},
		{"databases:\n  main: {driver: files, data: /srv/a, commands: {start: [[a]]}}", "databases.main.commands", "every part must be a text"},
		{"databases:\n  main: {driver: files, data: /srv/a, port: 1}", "databases.main.port", "unknown setting"},
	} {
		_, _, err := parse("a.yaml", []byte(c.text), nil)
		all := problems(t, err)
		if len(all) != 1 || !strings.HasSuffix(all[0].Subject, c.subject) || !strings.Contains(all[0].Message, c.message) || all[0].Fix == "" {
			t.Errorf("%q: %+v", c.text, err)
		}
	}
}

// TestInvalidDatabases: each is found, and no error tells a password.
func TestInvalidDatabases(t *testing.T) {
	f := newFleet(t)
	root := f.at("srv")
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	vars := f.valid()
	vars["RACKSWARM_DRIVERS"] = "/none"
	for _, c := range []struct{ database, key, message string }{
		{"main: {driver: files, data: " + root + "/data}", "", ""},
		{"main: {driver: files, data: " + root + "/data, settings: {passfile: /a, password_file: /b, primary: 'host=a passfile=/c'}}", "", ""},
		{"'../x': {driver: files, data: " + root + "/data}", "databases", "not a name"},
		{"main.1: {driver: files, data: " + root + "/data}", "databases", "not a name"},
		{"main: {driver: files, data: data}", "databases", "not an absolute path"},
		{"main: {driver: files, data: " + root + "/../data}", "databases", "not an absolute path"},
		{"main: {driver: files, data: " + root + "}", "databases", "is one of roots"},
		{"main: {driver: files, data: " + f.at("data") + "}", "databases", "lies in none of roots"},
		{"main: {driver: files, data: " + root + "x/data}", "databases", "lies in none of roots"},
		{"main: {driver: files, data: " + root + "/none/data}", "databases", "does not exist"},
		{"main: {driver: files, data: " + file + "/data}", "databases", "is not a directory"},
		{"{a: {driver: files, data: " + root + "/data}, b: {driver: files, data: " + root + "/data}}", "databases", "is that of a"},
		{"main: {driver: files, data: " + root + "/data, settings: {password: hunter2}}", "databases", "setting password of main holds a password"},
		{"main: {driver: files, data: " + root + "/data, settings: {primary: 'host=a password=hunter2'}}", "databases", "setting primary of main holds a password"},
		{"main: {driver: files, data: " + root + "/data, settings: {primary: 'postgres://me:hunter2@a/b'}}", "databases", "setting primary of main holds a password"},
		{"main: {driver: files, data: " + root + "/data, commands: {reload: [/bin/true]}}", "databases", "no such command"},
		{"main: {driver: files, data: " + root + "/data, commands: {start: []}}", "databases", "it is empty"},
		{"main: {driver: files, data: " + root + "/data, commands: {start: [true]}}", "", "every part must be a text"},
		{"main: {driver: files, data: " + root + "/data, commands: {start: ['true']}}", "databases", "is not absolute"},
		{"main: {driver: files, data: " + root + "/data, commands: {start: [/none]}}", "databases", "no such file"},
		{"main: {driver: files, data: " + root + "/data, commands: {start: [" + file + "]}}", "databases", "is not a program"},
	} {
		vars["RACKSWARM_DATABASES"] = "{" + c.database + "}"
		if strings.HasPrefix(c.database, "{") {
			vars["RACKSWARM_DATABASES"] = c.database
		}
		_, err := Load("", environ(vars))
		if c.message == "" {
			if err != nil {
				t.Errorf("%s: %v", c.database, err)
			}
			continue
		}
		if all := problems(t, err); !strings.Contains(fmt.Sprint(all), c.message) || !strings.Contains(err.Error(), c.key) || all[0].Fix == "" {
			t.Errorf("%s: %v", c.database, err)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func TestDrivers(t *testing.T) {
	f := newFleet(t)
	vars := f.valid()
	vars["RACKSWARM_DATABASES"] = "{main: {driver: files, data: " + f.at("srv") + "/data}}"
	vars["RACKSWARM_DRIVERS"] = ""
	if _, err := Load("", environ(vars)); err == nil || !strings.Contains(err.Error(), "databases are") {
		t.Errorf("without a catalogue: %v", err)
	}

	catalog := f.at("drivers")
	vars["RACKSWARM_DRIVERS"] = catalog
	line := fmt.Sprintf("%x  /none/rackswarm-driver-", sha256.Sum256(nil))
	for _, c := range []struct{ content, key, message string }{
		{line + "files\n", "", ""},
		{line + "postgres\n", "databases", `driver of main: "files" is not in ` + catalog},
		{"files\n", "drivers", "not a line of sha256sum"},
		{"", "databases", "is not in"},
	} {
		if err := os.WriteFile(catalog, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		loaded, err := Load("", environ(vars))
		if err != nil {
			t.Errorf("%q keeps the agent from starting: %v", c.content, err)
		}
		err = loaded.CheckDrivers()
		if c.message == "" {
			if err != nil {
				t.Errorf("%q: %v", c.content, err)
			}
			continue
		}
		all := problems(t, err)
		if len(all) != 1 || !strings.HasSuffix(all[0].Subject, c.key) || !strings.Contains(all[0].Message, c.message) || all[0].Fix == "" {
			t.Errorf("%q: %v", c.content, err)
		}
	}
}
