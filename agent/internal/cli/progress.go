package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// publishView shows how far publishing is.
type publishView interface {
	show(p api.Progress)
	close(done bool) // done says that publishing succeeded
}

func (r *run) publishProgress() publishView {
	if r.flags.json {
		return silentPublish{}
	}
	if rows, ok := terminal(r.Stderr); ok {
		return &publishBar{bars: newBars(r.Stderr, rows)}
	}
	return &publishLines{w: r.Stderr, now: r.now, last: r.now()}
}

type silentPublish struct{}

func (silentPublish) show(api.Progress) {}
func (silentPublish) close(bool)        {}

// publishLines writes a line now and then.
type publishLines struct {
	w    io.Writer
	now  func() time.Time
	last time.Time
}

func (l *publishLines) show(p api.Progress) {
	if now := l.now(); now.Sub(l.last) >= lineInterval {
		l.last = now
		fmt.Fprintln(l.w, clean(p.Stage)+": "+amounts(p))
	}
}

func (l *publishLines) close(bool) {}

// publishBar draws a bar for each stage.
type publishBar struct {
	bars  *bars
	stage string
	bar   *bar
	last  api.Progress
}

func (b *publishBar) show(p api.Progress) {
	if b.bar == nil || b.stage != p.Stage {
		b.end(true)
		b.stage, b.bar = p.Stage, b.bars.add(clean(p.Stage), 0, false)
	}
	b.last = p
	b.bar.set(p.Done, p.Total, amounts(p))
}

func (b *publishBar) end(complete bool) {
	if b.bar != nil {
		b.bar.end(complete, max(b.last.Done, b.last.Total))
	}
}

func (b *publishBar) close(done bool) {
	if done && b.bar != nil {
		b.last.Done = b.last.Total
		b.bar.set(b.last.Done, b.last.Total, amounts(b.last))
	}
	b.end(done)
	b.bars.progress.Wait()
}

func amounts(p api.Progress) string {
	files := fmt.Sprintf(", %d files", p.Files)
	if p.Stage == "downloading" { // always one
		files = ""
	}
	if p.Total <= 0 {
		return unit.Bytes(p.Done).String() + files
	}
	return fmt.Sprintf("%s of %s%s", percent(p.Done, p.Total), unit.Bytes(p.Total), files)
}
