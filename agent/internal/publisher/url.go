package publisher

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"

	"github.com/rackswarm/rackswarm/agent/internal/download"
	"github.com/rackswarm/rackswarm/agent/internal/publish"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// memoryName, beside a downloaded copy, says what it was downloaded from.
const memoryName = "source.json"

// memory is what is known of a downloaded copy: what is asked for again need not
// be downloaded again. It holds no secret: the key is a hash.
type memory struct {
	Key       string           `json:"key"`
	Version   download.Version `json:"version"`
	Checksum  string           `json:"checksum"`
	Name      string           `json:"name"`       // of the artifact
	PieceSize int64            `json:"piece_size"` // as it was asked for
}

// answers reports whether the copy is what is asked for, if the URL has not
// changed; with a checksum, whatever the URL has now.
func (m memory) answers(want memory) bool {
	if m.Name != want.Name || m.PieceSize != want.PieceSize {
		return false
	}
	if want.Checksum != "" {
		return m.Checksum == want.Checksum
	}
	return m.Key == want.Key
}

// keyOf names what is kept of a download. Where a checksum says what is meant,
// the query does not count: it may hold a signature that is new each time.
func keyOf(u *url.URL, checksum string) string {
	clean := *u
	clean.User = nil
	if checksum != "" {
		clean.RawQuery = ""
	}
	sum := sha256.Sum256([]byte(clean.String() + "\n" + checksum))
	return hex.EncodeToString(sum[:16])
}

// publishURL downloads what a URL leads to and publishes the copy. What is here
// already, by its checksum or its version at the server, is not downloaded again;
// what an earlier call left unfinished is completed.
func (p *Publisher) publishURL(ctx context.Context, source api.Source, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error) {
	want := memory{Key: keyOf(source.URL, req.Checksum), Checksum: req.Checksum, PieceSize: req.PieceSize,
		Name: cmp.Or(req.Name, path.Base(source.URL.Path))}
	if err := checkOptions(want); err != nil {
		return api.Artifact{}, err
	}
	unlock, err := p.underWay.lock(ctx, want.Key)
	if err != nil {
		return api.Artifact{}, err
	}
	defer unlock()
	release, err := take(ctx, p.receiving)
	if err != nil {
		return api.Artifact{}, fmt.Errorf("wait to download %s: %w", source, err)
	}
	defer release()

	copied, known, err := p.kept.find(want)
	if err != nil {
		return api.Artifact{}, err
	}
	if known.Checksum != "" && known.Checksum == want.Checksum {
		if known.Key != want.Key {
			known.Version = download.Version{} // it is that of another URL
		}
		if a, ok := p.publishAgain(ctx, copied, known, source, progress); ok {
			return a, nil
		}
	}
	a, err := p.downloadAndPublish(ctx, source, req, want, known.Version, progress)
	if !errors.Is(err, download.ErrUnchanged) {
		return a, err
	}
	if a, ok := p.publishAgain(ctx, copied, known, source, progress); ok {
		return a, nil
	}
	return p.downloadAndPublish(ctx, source, req, want, download.Version{}, progress)
}

// checkOptions finds, before the download, what would be refused after it.
func checkOptions(want memory) error {
	if err := artifact.CheckName(want.Name); err != nil {
		return &api.Error{Code: api.CodeInvalid, Subject: "name", Message: err.Error(), Fix: "give a name without '/' (--name), as the URL may end in none"}
	}
	if want.PieceSize == 0 {
		return nil
	}
	if err := artifact.CheckPieceLength(want.PieceSize); err != nil {
		return &api.Error{Code: api.CodeInvalid, Subject: "piece_size", Message: err.Error(), Fix: "leave it out to have one chosen"}
	}
	return nil
}

// downloadAndPublish keeps what has arrived, whatever happens, for as long as it
// may be of use.
func (p *Publisher) downloadAndPublish(ctx context.Context, source api.Source, req api.PublishRequest, want memory, known download.Version, progress func(api.Progress)) (api.Artifact, error) {
	dir, err := p.kept.download(want.Key)
	if err != nil {
		return api.Artifact{}, err
	}
	defer p.account(dir)
	limited, room := p.arrive(ctx, dir, source.String())
	want.Version, err = p.fetcher.Fetch(limited, download.Job{URL: source.URL, Headers: req.Headers, Dir: dir, Name: contentName,
		Known: known, Checked: want.Checksum != "", Progress: room.watch(limited, progress)})
	if err == nil {
		if err = room.complete(limited, dir); err != nil {
			err = errors.Join(err, p.kept.drop(dir))
		}
	}
	if err = room.end(limited, dir, err); err != nil {
		if !download.Kept(dir) {
			err = errors.Join(err, p.kept.drop(dir))
		}
		return api.Artifact{}, err
	}
	built, err := p.build(ctx, filepath.Join(dir, contentName), want.options(progress))
	if err != nil {
		return api.Artifact{}, err
	}
	if err := checkSum(source.String(), want.Checksum, built.Checksum); err != nil {
		return api.Artifact{}, errors.Join(err, p.kept.drop(dir))
	}
	want.Checksum = built.Checksum
	if err := want.save(dir); err != nil {
		return api.Artifact{}, err
	}
	a, err := p.keep(ctx, dir, built, origin{shown: source.String(), version: want.Version.String()})
	if err != nil {
		return api.Artifact{}, err
	}
	if err := errors.Join(download.Clear(p.kept.path(built.Manifest.Digest())), p.kept.drop(dir)); err != nil {
		p.cfg.Logger.Warn("what a download needs no more stays", "dir", dir, "error", err)
	}
	return a, nil
}

// publishAgain publishes a copy that is here, if it is still what it was.
func (p *Publisher) publishAgain(ctx context.Context, d artifact.Digest, m memory, source api.Source, progress func(api.Progress)) (a api.Artifact, ok bool) {
	built, err := p.build(ctx, p.kept.content(d), m.options(progress))
	if err != nil || built.Manifest.Digest() != d {
		p.cfg.Logger.Info("a downloaded copy is not what it was, and is downloaded again", "digest", d, "error", err)
		return api.Artifact{}, false
	}
	p.commit.Lock()
	defer p.commit.Unlock()
	a, err = p.record(ctx, built, origin{path: p.kept.content(d), shown: source.String(), version: m.Version.String()})
	if err != nil {
		p.cfg.Logger.Warn("a downloaded copy cannot be published again", "digest", d, "error", err)
		return api.Artifact{}, false
	}
	p.noteStore(ctx, p.kept.path(d))
	return a, true
}

func (m memory) options(progress func(api.Progress)) publish.Options {
	return publish.Options{Name: m.Name, PieceLength: m.PieceSize, Checksum: true, Progress: progress}
}

func (m memory) save(dir string) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode what is known of %s: %w", dir, err)
	}
	if err := os.WriteFile(filepath.Join(dir, memoryName), text, 0o600); err != nil {
		return keepError(dir, err)
	}
	return nil
}

// find returns a downloaded copy that answers what is asked for; the memory is
// empty if there is none.
func (k *keeper) find(want memory) (artifact.Digest, memory, error) {
	all, err := k.list()
	if err != nil {
		return artifact.Digest{}, memory{}, err
	}
	for _, d := range all {
		var m memory
		text, err := os.ReadFile(filepath.Join(k.path(d), memoryName))
		if err == nil && json.Unmarshal(text, &m) == nil && m.answers(want) {
			return d, m, nil
		}
	}
	return artifact.Digest{}, memory{}, nil
}

// inspectURL asks the server which version it has.
func (p *Publisher) inspectURL(ctx context.Context, source api.Source, headers map[string]string) (api.SourceState, error) {
	v, err := p.fetcher.Look(ctx, source.URL, headers)
	if err != nil {
		return api.SourceState{}, err
	}
	return api.SourceState{Source: source.String(), Version: v.String(), SizeBytes: v.Size}, nil
}
