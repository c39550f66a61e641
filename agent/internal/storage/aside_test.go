package storage

import (
	"os"
	"path/filepath"
	"testing"
)

// overForeign installs make(2) over make(1), which is not ours.
func (b *box) overForeign(make func(uint64) sample) (Request, *Placement) {
	b.t.Helper()
	r := b.request(make(2))
	r.Overwrite = true
	make(1).write(b.t, r.Path)
	return r, b.install(r, make(2))
}

// What is not ours comes back when what took its place is set aside, also if the
// process dies on the way, and can be replaced again without a span from anywhere.
func TestForeignContentComesBack(t *testing.T) {
	for name, setAside := range map[string]func(b *box, p *Placement){
		"set aside": func(b *box, p *Placement) { must(b.t, p.SetAside(b.t.Context())) },
		"after a restart": func(b *box, p *Placement) {
			crash(p)
			b.restart()
			must(b.t, b.prepare(p.req).SetAside(b.t.Context()))
		},
		"a crash after the exchange": func(b *box, p *Placement) {
			_, err := p.uncover()
			must(b.t, err)
		},
		"a crash before the note": func(b *box, p *Placement) {
			note := filepath.Join(b.state, "placements", "web"+indexSuffix)
			before, err := os.ReadFile(note)
			must(b.t, err)
			must(b.t, p.SetAside(b.t.Context()))
			must(b.t, os.WriteFile(note, before, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, make func(uint64) sample) {
				b := newBox(t)
				r, p := b.overForeign(make)
				setAside(b, p)
				crash(p)
				b.restart()
				p = b.open(r)
				must(t, p.Recover(t.Context()))
				if d := make(1).differs(r.Path); d != "" || p.Installed() {
					t.Fatalf("not back: %s; ours stands: %v", d, p.Installed())
				}
				if d, _ := p.Kept(); d == nil || *d != r.Manifest.Digest() {
					t.Fatalf("kept is %v", d)
				}
				if names, _ := filepath.Glob(r.Path + keptSuffix + "*"); len(names) > 0 {
					t.Fatalf("left behind: %v", names)
				}
				b.finishAfterCrash(r, make(2), 0)
				if d := make(1).differs(r.Path + keptSuffix); d != "" {
					t.Fatal("foreign content is lost:", d)
				}
			})
		})
	}
}

// After Tidy what stands is there to stay: what it replaced is its owner's to bring back.
func TestForeignContentStaysAside(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		r, p := b.overForeign(make)
		p.Tidy(t.Context(), nil)
		must(t, p.SetAside(t.Context()))
		if d := make(1).differs(r.Path + keptSuffix); d != "" {
			t.Fatal(d)
		}
		if _, err := os.Lstat(r.Path); !os.IsNotExist(err) {
			t.Fatalf("something stands: %v", err)
		}
	})
}
