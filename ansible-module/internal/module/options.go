package module

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// common is what both modules' options have.
type common struct {
	call call
	node string // of this host, if a variable says so

	wait    bool
	timeout time.Duration

	endpoint           string
	ca, cert, key      string // files, for an https endpoint
	checkMode, addDiff bool
}

// options is a task of the module artifact as the user wrote it.
type options struct {
	common
	want     api.Distribution // what state "present" asks for; Digest is empty if it is not known yet
	src      string           // a path on the machine that the module runs on
	url      string
	headers  map[string]string // for url
	checksum string
	absent   bool
}

const defaultTimeout = time.Hour

func (r *reader) common(c call) common {
	o := common{call: c, node: r.text("node"), wait: r.flag("wait", true), timeout: r.seconds("timeout", defaultTimeout)}
	o.endpoint, o.ca, o.cert, o.key = r.text("endpoint"), r.text("ca_path"), r.text("client_cert"), r.text("client_key")
	o.checkMode, o.addDiff = r.flag("_ansible_check_mode", false), r.flag("_ansible_diff", false)
	return o
}

func parseOptions(text []byte) (options, error) {
	c, r, err := parseArguments(text)
	if err != nil {
		return options{}, err
	}
	return r.artifact(c)
}

func (r *reader) artifact(c call) (options, error) {
	o := options{common: r.common(c)}
	o.want = api.Distribution{
		Name: r.text("name"), Digest: r.text("digest"), Path: r.text("dest"),
		Selector: api.Selector{Locations: r.list("locations"), Labels: r.labels("labels"), NodeNames: r.list("node_names")},
		Owner:    r.text("owner"), Group: r.text("group"), Mode: r.mode("mode"),
		Overwrite: r.flag("overwrite", false) || r.flag("force", false), KeepPrevious: r.flag("keep_previous", false),
		Hooks: api.Hooks{Before: r.list("hooks_before"), After: r.list("hooks_after")},
	}
	if r.choice("activate", api.ActivateEach, api.ActivateTogether) == api.ActivateTogether {
		o.want.Activate = api.ActivateTogether
	}
	if p := r.choice("priority", api.PriorityNormal, api.PriorityBackground, api.PriorityUrgent); p != api.PriorityNormal {
		o.want.Priority = p
	}
	o.want.MaxDownload, o.want.MaxUpload = r.ceiling("max_download"), r.ceiling("max_upload")
	o.want.Windows, o.want.TimeZone = r.lines("windows"), r.text("time_zone")
	o.src, o.url, o.headers, o.checksum = r.text("src"), r.text("url"), r.labels("headers"), r.text("checksum")
	r.flag("remote_src", false) // the plugin's
	o.absent = r.choice("state", api.StatePresent, api.StateAbsent) == api.StateAbsent
	if o.want.Name == "" {
		o.want.Name = nameFor(o.want.Path)
	}
	if r.refuseUnknown(); r.err != nil {
		return options{}, r.err
	}
	return o, o.check()
}

// nameFor makes a distribution's name of its destination: /srv/app is srv-app.
// What a name cannot have is replaced, and a number of the path added.
func nameFor(path string) string {
	plain := strings.Trim(path, "/")
	name := strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("._-", c) {
			return c
		}
		return '-'
	}, plain)
	if _, err := unit.ParseNodeID(name); plain == "" || err == nil && strings.ReplaceAll(plain, "/", "-") == name {
		return name
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(plain)) // cannot fail
	return fmt.Sprintf("d-%s-%08x", name[max(0, len(name)-40):], h.Sum32())
}

// given counts what says where the content comes from.
func (o options) given() (n int) {
	for _, s := range []string{o.src, o.url, o.want.Digest} {
		if s != "" {
			n++
		}
	}
	return n
}

// check looks for options that are missing or contradict each other.
func (o options) check() error {
	_, urlError := url.Parse(o.url)
	switch {
	case o.want.Name == "":
		return mistake("dest", "is missing", "give the absolute path on the nodes, or the name of the distribution")
	case o.absent:
		return nil
	case o.given() != 1:
		return mistake("src", "give one of src, url and digest", "src publishes a path, url downloads, digest names what is published already")
	case o.src != "" && !filepath.IsAbs(o.src) && o.call.Content == nil:
		return mistake("src", fmt.Sprintf("%q is not absolute", o.src), "give the absolute path on the machine that the task runs on")
	case o.url != "" && (urlError != nil || !strings.HasPrefix(o.url, "http://") && !strings.HasPrefix(o.url, "https://") && !strings.HasPrefix(o.url, "node://")):
		return mistake("url", "is not a URL", "write https://HOST/PATH, http://HOST/PATH or node://NAME/PATH")
	case len(o.headers) > 0 && o.url == "":
		return mistake("headers", "are for url only", "leave them out")
	case o.want.Path == "":
		return mistake("dest", "is missing", "give the absolute path on the nodes")
	}
	if err := api.CheckChecksum(o.checksum); err != nil {
		return err
	}
	probe := o.want
	if probe.Digest == "" { // not known yet
		probe.Digest = "sha256:" + strings.Repeat("0", 64)
	}
	return probe.Validate()
}

// explicit reports whether the user says which nodes are meant.
func (o options) explicit() bool {
	s := o.want.Selector
	return o.call.Step == stepAll || len(s.Locations)+len(s.Labels)+len(s.NodeNames) > 0
}

// secrets are the parts of the options that must not be in an answer.
func (o options) secrets() []string {
	var all []string
	if u, err := url.Parse(o.url); err == nil && o.url != "" {
		password, _ := u.User.Password()
		all = append(all, u.RawQuery, u.User.String(), password, strings.TrimPrefix(url.UserPassword("", password).String(), ":"))
		for _, values := range u.Query() {
			for _, value := range values {
				all = append(all, value, url.QueryEscape(value))
			}
		}
	}
	for _, value := range o.headers {
		all = append(all, value)
		all = append(all, strings.Fields(value)...)
	}
	return slices.DeleteFunc(all, func(s string) bool { return len(s) < shortestSecret })
}

// shortestSecret is how long a part must be to be hidden: shorter ones would
// blacken half of the answer, and guard nothing.
const shortestSecret = 6

var errNoArguments = errors.New("call it with one argument: the file of options that Ansible writes")
