package client

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client/pack"
)

// PublishSource publishes req.Source: an http or https URL or node://NAME/PATH,
// which the agent sees to, or a path of this machine. The agent reads the latter
// in place if it is on the same machine and may; otherwise the content is
// streamed to it, in constant memory. req.Expect is set here. progress may be nil
// and is called from one goroutine at a time.
func (c *Client) PublishSource(ctx context.Context, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error) {
	if api.IsRemote(req.Source) {
		return c.Publish(ctx, req, progress)
	}
	op := "publish " + req.Source
	kind, err := pack.Kind(req.Source)
	if err != nil {
		return api.Artifact{}, err
	}
	if req.Source, err = filepath.Abs(req.Source); err != nil {
		return api.Artifact{}, sourceFailure(op, err)
	}
	if req.Name == "" {
		req.Name = filepath.Base(req.Source)
	}
	expect, err := Identify(req.Source)
	if err != nil {
		return api.Artifact{}, sourceFailure(op, err)
	}
	req.Expect = &expect
	a, err := c.Publish(ctx, req, progress)
	if !hasCode(err, api.CodeSourceNotLocal) {
		return a, err
	}
	stream := api.StreamRequest{Name: req.Name, Kind: kind, PieceSize: req.PieceSize, Checksum: req.Checksum}
	if kind == kindFile {
		if stream.Mode, err = modeOf(req.Source); err != nil {
			return api.Artifact{}, sourceFailure(op, err)
		}
	}
	return c.streamPath(ctx, req.Source, stream, progress)
}

// PublishPath is PublishSource for a path of this machine, whatever its name
// looks like. name is the base name of path if empty; a pieceSize of 0 lets the
// agent choose.
func (c *Client) PublishPath(ctx context.Context, path, name string, pieceSize int64, progress func(api.Progress)) (api.Artifact, error) {
	source, err := filepath.Abs(path)
	if err != nil {
		return api.Artifact{}, sourceFailure("publish "+path, err)
	}
	return c.PublishSource(ctx, api.PublishRequest{Source: source, Name: name, PieceSize: pieceSize}, progress)
}

// bootIDFile names the running kernel's boot, whatever the container.
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// Identify tells what a path, followed through symbolic links, is on this
// machine, so that an agent can see whether it sees the same.
func Identify(path string) (api.SourceIdentity, error) {
	boot, err := os.ReadFile(bootIDFile)
	if err != nil {
		return api.SourceIdentity{}, err
	}
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return api.SourceIdentity{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return api.SourceIdentity{BootID: strings.TrimSpace(string(boot)), Device: st.Dev, Inode: st.Ino}, nil
}

// kindFile is what pack.Kind says of a file.
const kindFile = "file"

// modeOf returns the mode bits (07777) of a path.
func modeOf(path string) (uint32, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return st.Mode & 0o7777, nil
}

// stageReceiving is the agent's count of what this client counts as it sends.
const stageReceiving = "receiving"

func (c *Client) streamPath(ctx context.Context, source string, req api.StreamRequest, progress func(api.Progress)) (api.Artifact, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tell := oneAtATime(progress)
	r, w := io.Pipe()
	var packing sync.WaitGroup
	packing.Go(func() { w.CloseWithError(pack.Pack(ctx, source, w, tell)) })
	a, err := c.publishStream(ctx, req, r, func(p api.Progress) {
		if p.Stage != stageReceiving {
			tell(p)
		}
	})
	r.CloseWithError(errors.New("the publication has ended"))
	packing.Wait()
	return a, err
}

func oneAtATime(progress func(api.Progress)) func(api.Progress) {
	var mu sync.Mutex
	return func(p api.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if progress != nil {
			progress(p)
		}
	}
}
