package publisher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/rackswarm/rackswarm/agent/internal/publish"
	"github.com/rackswarm/rackswarm/core/api"
)

// PublishForNode publishes, in place, a path of this machine for a caller who may
// be any node of the fleet: only below the directories that the configuration
// opens to them, and not through symbolic links that lead out.
func (p *Publisher) PublishForNode(ctx context.Context, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error) {
	if err := p.ready(ctx); err != nil {
		return api.Artifact{}, err
	}
	o, err := p.openForNodes(req.Source)
	if err != nil {
		return api.Artifact{}, err
	}
	defer o.close()
	version, _, err := pathVersion(ctx, o.path)
	if err != nil {
		return api.Artifact{}, err
	}
	return p.publishInPlace(ctx, origin{o.path, o.path, version}, req, progress, o.holds)
}

// InspectForNode is to Inspect what PublishForNode is to Publish.
func (p *Publisher) InspectForNode(ctx context.Context, req api.PublishRequest) (api.SourceState, error) {
	o, err := p.openForNodes(req.Source)
	if err != nil {
		return api.SourceState{}, err
	}
	defer o.close()
	return inspectPath(ctx, o.path)
}

// opened is a file or directory that was found below one of the roots without
// leaving it.
type opened struct {
	file *os.File
	dir  *os.Root // nil for a file
	path string   // without symbolic links
}

func (o opened) close() {
	o.file.Close()
	if o.dir != nil {
		o.dir.Close()
	}
}

// openForNodes looks at nothing outside the roots, not even whether it is there.
func (p *Publisher) openForNodes(path string) (opened, error) {
	source, err := api.ParseSource(path)
	if err != nil {
		return opened{}, err
	}
	if source.Kind != api.SourcePath {
		return opened{}, &api.Error{Code: api.CodeInvalid, Subject: "source", Message: "another node may name a path only", Fix: "ask this agent as an operator"}
	}
	clean := filepath.Clean(path)
	for _, root := range p.cfg.Roots {
		if rel, err := filepath.Rel(root, clean); err == nil && filepath.IsLocal(rel) {
			return openBelow(root, rel, path)
		}
	}
	return opened{}, &api.Error{Code: api.CodeForbidden, Subject: path, Message: "it lies in no directory that is open to the other nodes",
		Fix: fmt.Sprintf("add the directory to publish.roots in the configuration of node %s, and restart its agent", p.cfg.Self)}
}

func openBelow(root, rel, path string) (o opened, err error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return opened{}, openError(path, err)
	}
	defer r.Close()
	// Not to wait for a writer, should it be a named pipe.
	if o.file, err = r.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
		return opened{}, openError(path, err)
	}
	defer func() {
		if err != nil {
			o.close()
			err = openError(path, err)
		}
	}()
	info, err := o.file.Stat()
	if err != nil {
		return o, err
	}
	if info.IsDir() {
		if o.dir, err = r.OpenRoot(rel); err != nil {
			return o, err
		}
	}
	o.path, err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", o.file.Fd()))
	return o, err
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &api.Error{Code: api.CodeNotFound, Subject: path, Message: "no such path", Fix: "check the path"}
	case strings.Contains(err.Error(), "escapes"): // os.Root has no name for it
		return &api.Error{Code: api.CodeForbidden, Subject: path, Message: "a symbolic link leads out of publish.roots",
			Fix: "name the path that it leads to, and add its directory to publish.roots"}
	}
	return &api.Error{Code: api.CodeIO, Subject: path, Message: err.Error(), Fix: "let the agent's user read it"}
}

// holds refuses what was hashed unless all of it was in what was opened: between
// the two, the path may have been exchanged for a link.
func (o opened) holds(built publish.Result) error {
	files := built.Manifest.Files()
	for i, stamp := range built.Fingerprint {
		info, err := o.stat(files[i].Path)
		if err != nil {
			return openError(o.path, err)
		}
		if st := info.Sys().(*syscall.Stat_t); st.Ino != stamp.Inode || uint64(st.Dev) != stamp.Dev {
			return &api.Error{Code: api.CodeSourceUnsuited, Subject: o.path, Message: "it was exchanged while it was read", Fix: "publish it when nobody changes it"}
		}
	}
	return nil
}

func (o opened) stat(file string) (fs.FileInfo, error) {
	if o.dir == nil {
		return o.file.Stat()
	}
	return o.dir.Lstat(file)
}
