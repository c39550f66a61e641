package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// starveTime is how long no peer may have anything for a node until it says so:
// peers come and go.
const starveTime = 10 * time.Second

// starved says what the transfer has waited for longer than starveTime, "" if it
// has not.
func (t *transfer) starved(now time.Time, s swarmapi.Stats) string {
	hungry := t.manifest != nil && s.Peers == 0 || t.spans != nil && s.Missing > 0 && s.Unserved == s.Missing
	switch {
	case !hungry:
		t.starving = time.Time{}
	case t.starving.IsZero():
		t.starving = now
	case now.Sub(t.starving) < starveTime:
	case s.Peers == 0:
		return "no peer is connected"
	default:
		return fmt.Sprintf("no peer has %d of %d spans", s.Missing, s.Spans)
	}
	return ""
}

// note is what the artifact's record says of a source of this node. It is touched
// only by run.
type note struct {
	failed   error      // why the source could not be opened or looked at, or nil
	told     *api.Error // to the store; Code "" is no trouble, nil is not known
	telling  bool
	outdated bool      // what is being told: the source was published again
	next     time.Time // when to tell, after a failure
}

// renew is called when the source is published again.
func (n *note) renew() { *n = note{telling: n.telling, outdated: n.telling} }

// notesAtOnce bounds how many notes are written at a time.
const notesAtOnce = 16

// noteOf returns the note of a published source.
func (r *Reconciler) noteOf(d artifact.Digest) *note {
	n := r.notes[d]
	if n == nil {
		n = &note{}
		r.notes[d] = n
	}
	return n
}

// noteTroubles brings into the artifacts' records, away from the loop, which of
// this node's sources are not what was published any more, and which are again.
func (r *Reconciler) noteTroubles(ctx context.Context) {
	under := 0
	for _, n := range r.notes {
		under += one(n.telling)
	}
	for _, d := range slices.SortedFunc(maps.Keys(r.published), compareDigests) {
		n := r.noteOf(d)
		trouble, known := r.troubleOf(d, n)
		if under >= notesAtOnce || n.telling || n.next.After(r.cfg.Now()) || !known || n.told != nil && *n.told == trouble {
			continue
		}
		n.telling = true
		under++
		r.workers.Go(func() { r.mail.put(noteTold{d, n, trouble, r.tellTrouble(ctx, d, trouble)}) })
	}
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

func (r *Reconciler) tellTrouble(ctx context.Context, d artifact.Digest, trouble api.Error) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return r.cfg.Store.PutSeedTrouble(ctx, d.String(), api.SeedTrouble{Node: r.cfg.Self.Name, Error: trouble})
}

// troubleOf is what is wrong with a published source; Code is "" if nothing is. It
// is not known before the source was looked at.
func (r *Reconciler) troubleOf(d artifact.Digest, n *note) (trouble api.Error, known bool) {
	s := r.sources[d]
	fix := "publish it again on " + r.cfg.Self.Name + ", and distribute the new digest"
	switch {
	case n.failed != nil:
		return api.Error{Code: api.CodeSourceUnsuited, Subject: r.published[d], Message: "the source cannot be read: " + brief(n.failed), Fix: fix}, true
	case s == nil:
		return api.Error{}, false
	case s.Have().Full():
		return api.Error{}, true
	}
	files := s.Spoilt()
	if len(files) == 0 {
		return api.Error{}, false
	}
	subject := s.path
	if s.Manifest().Kind() == artifact.KindTree {
		subject = filepath.Join(s.path, files[0])
	}
	message := "the source changed after it was published"
	if more := len(files) - 1; more > 0 {
		message = fmt.Sprintf("%s, and so did %d more of its files", message, more)
	}
	return api.Error{Code: api.CodeSourceUnsuited, Subject: subject, Message: message, Fix: fix}, true
}

// brief is what an error says beside its subject.
func brief(err error) string {
	var e *api.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// noteTold says that the store was told of a source, or why it was not.
type noteTold struct {
	digest  artifact.Digest
	note    *note
	trouble api.Error
	err     error
}

func (e noteTold) apply(r *Reconciler) {
	e.note.telling = false
	switch {
	case e.note.outdated || r.notes[e.digest] != e.note:
		e.note.outdated = false
	case e.err == nil || isNotFound(e.err):
		e.note.told = &e.trouble
	default:
		e.note.next = r.cfg.Now().Add(storeTimeout)
		r.log.Debug("the state of a source is not noted; trying again", "digest", e.digest, "error", e.err)
	}
}

// noteAgain has troubles written again, as the store may have lost them.
func (r *Reconciler) noteAgain() {
	for _, n := range r.notes {
		if n.told != nil && n.told.Code != "" {
			n.told = nil
		}
	}
}
