package api

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	maxPath = 4000 // bytes; Linux allows 4095, and siblings get longer names while content is placed
	maxID   = 1<<32 - 2
)

// Validate checks what the user wrote of a distribution, on its own: whether
// the artifact and the nodes exist is not looked at. The error is an *Error
// whose subject is the field.
func (d Distribution) Validate() error {
	for _, check := range []func() error{
		func() error { return checkName(d.Name) },
		func() error { return checkDigest(d.Digest) },
		func() error { return checkPath(d.Path) },
		d.Selector.Validate,
		func() error { return checkPrincipal("owner", d.Owner) },
		func() error { return checkPrincipal("group", d.Group) },
		func() error { return checkMode(d.Mode) },
		func() error { return checkActivate(d.Activate) },
		func() error { return checkHooks("hooks.before", d.Hooks.Before) },
		func() error { return checkHooks("hooks.after", d.Hooks.After) },
		func() error { return checkPriority(d.Priority) },
		func() error { return checkCeiling("max_download", d.MaxDownload) },
		func() error { return checkCeiling("max_upload", d.MaxUpload) },
		func() error { _, err := d.Timetable(); return err },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func invalid(field, message, fix string) error {
	return &Error{Code: CodeInvalid, Subject: field, Message: message, Fix: fix}
}

func checkName(name string) error {
	_, err := unit.ParseNodeID(name)
	if err == nil {
		return nil
	}
	return invalid("name", fmt.Sprintf("%q is not a name of a distribution", name), errors.Unwrap(err).Error())
}

func checkDigest(digest string) error {
	text, ok := strings.CutPrefix(digest, "sha256:")
	sum, err := hex.DecodeString(text)
	if !ok || err != nil || len(sum) != 32 || strings.ToLower(text) != text {
		return invalid("digest", fmt.Sprintf("%q is not a digest", digest),
			"use a digest that 'rackswarm artifacts' lists: sha256: and 64 lower-case hexadecimal digits")
	}
	return nil
}

func checkPath(p string) error {
	switch {
	case !path.IsAbs(p):
		return invalid("path", fmt.Sprintf("%q is not absolute", p), "start it with /")
	case p == "/":
		return invalid("path", "the root directory cannot be a destination", "name a directory or file inside an allowed root")
	case strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return invalid("path", fmt.Sprintf("%q has control characters", p), "leave them out")
	case len(p) > maxPath:
		return invalid("path", fmt.Sprintf("it has %d bytes; at most %d are allowed", len(p), maxPath), "choose a shorter path")
	case path.Clean(p) != p:
		return invalid("path", fmt.Sprintf("%q is not clean", p), "write "+path.Clean(p)+", without '.', '..' and doubled or trailing slashes")
	}
	return nil
}

// checkPrincipal checks the syntax of a user's or group's name or number; ""
// is fine. Whether it exists is the nodes' business.
func checkPrincipal(field, s string) error {
	if s == "" {
		return nil
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		if n > maxID {
			return invalid(field, fmt.Sprintf("number %s is too large", s), fmt.Sprintf("use 0 to %d", uint32(maxID)))
		}
		return nil
	}
	odd := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(":/,", r) }
	if strings.HasPrefix(s, "-") || strings.ContainsFunc(s, odd) || len(s) > 256 {
		return invalid(field, fmt.Sprintf("%q is neither a name nor a number", s), "write for example www-data or 33")
	}
	return nil
}

func checkMode(s string) error {
	if s == "" {
		return nil
	}
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o7777 || len(s) < 3 || len(s) > 5 {
		return invalid("mode", fmt.Sprintf("%q is not an octal mode", s), "write for example 0644 or 0755")
	}
	if n&0o4000 != 0 {
		return invalid("mode", fmt.Sprintf("%q has the setuid bit", s), "publish the file with that mode: only what a publisher signed may run as another user")
	}
	return nil
}

func checkActivate(s string) error {
	switch s {
	case "", ActivateEach, ActivateTogether:
		return nil
	}
	return invalid("activate", fmt.Sprintf("%q is not a way to switch", s), "write "+ActivateEach+" or "+ActivateTogether)
}

// maxHooks bounds how many hooks one distribution runs on either side.
const maxHooks = 16

func checkHooks(field string, names []string) error {
	if len(names) > maxHooks {
		return invalid(field, fmt.Sprintf("it has %d entries; at most %d are allowed", len(names), maxHooks), "call the others from one of them")
	}
	for i, name := range names {
		at := fmt.Sprintf("%s[%d]", field, i)
		if _, err := unit.ParseNodeID(name); err != nil {
			return invalid(at, fmt.Sprintf("%q is not a name of a hook", name), errors.Unwrap(err).Error())
		}
		if slices.Contains(names[:i], name) {
			return invalid(at, fmt.Sprintf("%q is named twice", name), "name each hook once")
		}
	}
	return nil
}
