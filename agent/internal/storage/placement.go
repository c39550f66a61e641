package storage

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/paths"
)

// Request says what belongs where.
type Request struct {
	ID       string // the distribution's name
	Path     string // absolute and clean, below an allowed root
	Manifest *artifact.Manifest
	// Owner and Group are names or numbers, Mode is octal for a file or the top
	// directory of a tree; "" leaves the agent's user and the artifact's modes.
	Owner, Group, Mode string
	// Overwrite allows content that is not ours to be replaced. It is kept
	// beside the destination with ".before-rackswarm" behind its name.
	Overwrite bool
	// Sources, if not nil, returns the content on this machine to copy from. It is
	// called whenever that is needed, so that a placement that stands keeps none of
	// it in memory. The placement itself may be among it.
	Sources func() []Reader
}

// phase is how far a placement is.
type phase uint8

const (
	unprepared phase = iota // nothing is known
	fetching                // the whole content is being staged
	repairing               // a tree stands; some of its files are being staged
	standing                // the whole content stands at the destination
)

// Placement is one artifact at one destination. It is safe for concurrent use;
// Prepare, Install, Check, Remove, Release and Close wait for one another.
type Placement struct {
	m    *Manager
	req  Request
	mf   *artifact.Manifest
	attr attributes
	dest destination
	lost error // why mf is not the placement's manifest, if it is not

	op sync.Mutex // held by Prepare, Install, Check, Remove, Release, Close
	// parent is the directory of the destination; idx is what the state
	// directory says, nil for nothing. Both touched under op only.
	parent *os.Root
	idx    *index
	// mending says that the content stands, or did before it was lost. staged is
	// the installation that Stage began. Both touched under op only.
	mending bool
	staged  *swap

	// mu is held for reading while a span is read or written, and for writing,
	// by a holder of op, while the fields below it change.
	mu     sync.RWMutex
	phase  phase
	frozen bool     // an installation is under way: nothing is written
	live   *content // what stands, while phase is repairing or standing
	stage  *staging // while phase is fetching or repairing
	broken []bool   // by file: staged instead of live, while phase is repairing

	haveMu sync.Mutex
	// have is guarded by haveMu. Invariant: the spans in it are on disk and
	// were verified.
	have artifact.Bitset
	// suspects are standing files that VerifySpan found wrong and Check has not
	// hashed since; guarded by haveMu. Invariant: their spans are not in have.
	suspects map[int]bool
}

// Open checks a request: path, roots, owner, group, mode, and that no other
// placement claims the path. It touches nothing on disk. What a user did wrong
// is an *api.Error.
func (m *Manager) Open(r Request) (*Placement, error) {
	if r.ID == "" || r.Manifest == nil {
		return nil, errors.New("open a placement: without id or manifest")
	}
	dest, err := m.resolve(r.Path)
	if err != nil {
		return nil, err
	}
	attr, err := parseAttributes(&r)
	if err != nil {
		return nil, err
	}
	p := &Placement{m: m, req: r, mf: r.Manifest, attr: attr, dest: dest}
	p.have = artifact.NewBitset(p.mf.NumSpans())
	if err := p.checkDestination(); err != nil {
		return nil, err
	}
	return p, m.claim(r.ID, r.Path)
}

// checkDestination looks at what exists of the way to the destination.
func (p *Placement) checkDestination() error {
	if err := p.dest.checkMounts(); err != nil {
		return err
	}
	parent, err := p.m.openParent(p.dest, false)
	if gone(err) && !escapes(err) {
		return p.checkAncestors()
	}
	if err != nil {
		return err
	}
	defer parent.Close()
	_, err = p.lookAt(parent)
	return err
}

// checkAncestors finds a link that leads out of the root although the parent
// itself does not exist.
func (p *Placement) checkAncestors() error {
	d := p.dest
	if real := realPath(d.root.real + "/" + d.parent + "/" + d.base); !paths.Contains(d.root.real, real) {
		return p.m.outside(d.path, "a symbolic link on the way leads out of the allowed root "+d.root.path)
	}
	return nil
}

// Reopen opens a placement that Placements lists, as it is known, in order to
// remove or release it: that takes neither its manifest nor its owner.
// Prepare fails with not_found if the manifest is lost.
func (m *Manager) Reopen(id string) (*Placement, error) {
	x := m.readPlacement(id)
	if x == nil || x.info().Digest == (artifact.Digest{}) {
		return nil, &api.Error{Code: api.CodeNotFound, Subject: id, Message: "this node has no placement of the distribution"}
	}
	mf, lost := m.Manifest(x.info().Digest)
	if lost != nil {
		var err error
		if mf, err = emptyManifest(); err != nil {
			return nil, err
		}
	}
	p, err := m.Open(Request{ID: id, Path: x.Path, Manifest: mf})
	if err == nil {
		p.lost = lost
	}
	return p, err
}

// emptyManifest stands for one that is lost.
func emptyManifest() (*artifact.Manifest, error) {
	b := artifact.NewBuilder("lost", artifact.KindTree, artifact.MinPieceLength)
	b.AddDir("", 0o755)
	return b.Build()
}

// Path is the destination.
func (p *Placement) Path() string { return p.dest.path }

// Manifest is what the placement was opened with.
func (p *Placement) Manifest() *artifact.Manifest { return p.mf }

// Have returns a copy of the set of spans that are on disk and verified.
func (p *Placement) Have() artifact.Bitset {
	p.haveMu.Lock()
	defer p.haveMu.Unlock()
	return p.have.Clone()
}

func (p *Placement) has(span int) bool {
	p.haveMu.Lock()
	defer p.haveMu.Unlock()
	return p.have.Has(span)
}

func (p *Placement) setHave(span int) {
	p.haveMu.Lock()
	defer p.haveMu.Unlock()
	p.have.Set(span)
}

func (p *Placement) replaceHave(have artifact.Bitset) {
	p.haveMu.Lock()
	defer p.haveMu.Unlock()
	p.have = have
	for i := range p.suspects {
		clearSpans(have, p.mf, i)
	}
}

// Installed reports whether the whole content stands at the destination.
func (p *Placement) Installed() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.phase == standing
}

// ReadAt fills buf with bytes of a span from begin on, from the staging or from
// what is installed. It returns ErrMissing for a span that is not here and
// wraps ErrChanged if an installed file is not what it was.
func (p *Placement) ReadAt(span, begin int, buf []byte) error {
	if err := checkRange(p.mf, span, begin, len(buf)); err != nil {
		return fmt.Errorf("read span %d of %s: %w", span, p.dest.path, err)
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.phase == unprepared || !p.has(span) {
		return fmt.Errorf("read span %d of %s: %w", span, p.dest.path, ErrMissing)
	}
	err := eachPart(p.mf, span, begin, len(buf), func(t part) error {
		return p.holder(t.file).read(t.file, t.off, buf[t.lo:t.hi])
	})
	return userError(fmt.Sprintf("read span %d of", span), p.dest.path, err)
}

// holder is where a file is: staged or live.
func (p *Placement) holder(file int) *content {
	if p.phase == fetching || p.phase == repairing && p.broken[file] {
		return p.stage.content
	}
	return p.live
}

// Close gives up locks and files and leaves everything on disk as it is; Open
// and Prepare continue from there.
func (p *Placement) Close() error {
	p.op.Lock()
	defer p.op.Unlock()
	p.reset()
	p.m.unclaim(p.req.ID)
	return nil
}

// reset forgets all that is known of the disk.
func (p *Placement) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live.close()
	p.stage.close()
	p.live, p.stage, p.broken = nil, nil, nil
	p.phase, p.frozen = unprepared, false
	p.acquit(p.suspected())
	p.replaceHave(artifact.NewBitset(p.mf.NumSpans()))
	if p.parent != nil {
		p.parent.Close()
		p.parent = nil
	}
	p.idx, p.staged, p.mending = nil, nil, false
}
