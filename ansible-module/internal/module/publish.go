package module

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// publish turns src, url or the controller's content into the digest that is
// wanted. In check mode it publishes nothing, and leaves the digest empty if
// only that would tell it.
func (t *artifactTask) publish(ctx context.Context) error {
	if t.absent || t.want.Digest != "" {
		return nil
	}
	find := t.findContent
	switch {
	case t.call.Content != nil:
	case t.url != "":
		find = t.findURL
	default:
		find = t.findPath
	}
	a, err := find(ctx)
	if err == nil && a == nil && !t.checkMode {
		a, err = t.publishNew(ctx)
	}
	if err != nil || a == nil {
		return err
	}
	t.want.Digest, t.result.Size = a.Digest, a.SizeBytes
	return nil
}

// publishNew publishes; nil without an error if the plugin has to bring the
// content first.
func (t *artifactTask) publishNew(ctx context.Context) (*api.Artifact, error) {
	c := t.call.Content
	switch {
	case c != nil && c.Path == "":
		t.result.Answer = &answer{WantContent: true}
		return nil, nil
	case c != nil:
		return t.stream(ctx)
	}
	source := t.src
	if t.url != "" {
		source = t.url
	}
	a, err := t.client.PublishSource(ctx, api.PublishRequest{Source: source, Headers: t.headers, Checksum: t.checksum}, nil)
	return &a, err
}

// stream sends the controller's content to the agent, which keeps a copy.
func (t *artifactTask) stream(ctx context.Context) (*api.Artifact, error) {
	file, err := os.Open(t.call.Content.Path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	a, err := t.client.PublishStream(ctx, t.call.Content.Name, t.call.Content.Kind, 0, file, nil)
	return &a, err
}

// usable finds an artifact that is published and can be served.
func (t *artifactTask) usable(ctx context.Context, is func(api.Artifact) bool) (*api.Artifact, error) {
	all, err := t.client.Artifacts(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(a api.Artifact) bool { return len(a.Seeds) > 0 && len(a.Troubles) == 0 && is(a) })
	if i < 0 {
		return nil, nil
	}
	return &all[i], nil
}

// findContent finds what is the same as the controller's content: a file by its
// checksum, a tree by its name.
func (t *artifactTask) findContent(ctx context.Context) (*api.Artifact, error) {
	c := t.call.Content
	if t.checksum != "" && c.Kind == "file" && c.Checksum != t.checksum {
		return nil, &api.Error{Code: api.CodeChecksum, Subject: t.src, Message: "has the checksum " + c.Checksum + ", not " + t.checksum,
			Fix: "correct the option checksum or the file"}
	}
	return t.usable(ctx, func(a api.Artifact) bool {
		return a.Kind == c.Kind && (c.Checksum != "" && a.Checksum == c.Checksum || c.Kind == "tree" && a.Name == c.Name)
	})
}

// findURL finds what was published from the URL and is what the server has now.
func (t *artifactTask) findURL(ctx context.Context) (*api.Artifact, error) {
	now, err := t.client.Inspect(ctx, api.PublishRequest{Source: t.url, Headers: t.headers})
	if err != nil {
		return nil, err
	}
	return t.usable(ctx, func(a api.Artifact) bool {
		return now.Version != "" && a.Source == now.Source && a.SourceVersion == now.Version && (t.checksum == "" || a.Checksum == t.checksum)
	})
}

// findPath finds what was published of src, if nothing in it changed since, for
// check mode. Otherwise the agent looks itself: it hashes again what changed.
func (t *artifactTask) findPath(ctx context.Context) (*api.Artifact, error) {
	if !t.checkMode {
		return nil, nil
	}
	changed, err := lastChange(t.src)
	if err != nil {
		return nil, err
	}
	info, err := t.client.Info(ctx)
	if err != nil {
		return nil, err
	}
	return t.usable(ctx, func(a api.Artifact) bool {
		return a.Source == t.src && slices.Contains(a.Seeds, info.Node) && changed.Before(a.CreatedAt)
	})
}

// lastChange is when anything below a path changed last: content, mode or name.
func lastChange(path string) (last time.Time, err error) {
	err = filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(p, &st); err != nil {
			return &os.PathError{Op: "lstat", Path: p, Err: err}
		}
		if at := time.Unix(st.Ctim.Unix()); at.After(last) {
			last = at
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = mistake("src", err.Error(), "give a path of the machine that the task runs on, or leave out remote_src for one of the controller")
	}
	return last, err
}
