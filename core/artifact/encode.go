package artifact

import (
	"slices"
	"strconv"
	"strings"
)

// Encode writes the manifest as a .torrent file. The info dictionary in it is
// byte for byte the one that was parsed or built.
func (m *Manifest) Encode() []byte {
	size := len(m.info) + 512
	for _, l := range m.layers {
		size += len(l.root) + len(l.hashes) + 16
	}
	e := encoder{out: make([]byte, 0, size)}
	e.raw("d")
	e.str("info")
	e.raw(m.info)
	e.layers(m.layers)
	if m.signature != nil {
		e.str("rackswarm publisher")
		e.str(string(m.publisher))
		e.str("rackswarm signature")
		e.str(string(m.signature))
	}
	e.raw("e")
	return e.out
}

// encode writes what the builder has, sorted, as an unsigned .torrent file.
func (b *Builder) encode() []byte {
	var e encoder
	e.raw("d")
	e.str("info")
	b.encodeInfo(&e)
	e.layers(b.layers())
	e.raw("e")
	return e.out
}

func (b *Builder) encodeInfo(e *encoder) {
	e.raw("d")
	e.str("file tree")
	e.tree(b.files, 0)
	e.str("meta version")
	e.num(2)
	e.str("name")
	e.str(b.escapes.name(b.name))
	e.str("piece length")
	e.num(b.pieceLength)
	e.str("private")
	e.num(1)
	e.str("rackswarm")
	b.encodeExtension(e)
	e.raw("e")
}

func (b *Builder) encodeExtension(e *encoder) {
	e.raw("d")
	if len(b.dirs) > 0 {
		e.str("dir modes")
		e.str(encodeModes(b.dirs, func(d Dir) uint32 { return d.Mode }))
		e.str("dirs")
		e.raw("l")
		for _, d := range b.dirs {
			e.str(d.Path)
		}
		e.raw("e")
	}
	e.str("kind")
	e.str(b.kind.String())
	if len(b.links) > 0 {
		e.str("links")
		e.raw("l")
		for _, l := range b.links {
			e.str(l.Path)
			e.str(l.Target)
		}
		e.raw("e")
	}
	e.str("modes")
	e.str(encodeModes(b.files, func(f builderFile) uint32 { return f.mode }))
	if len(b.escapes) > 0 {
		e.str("raw names")
		e.rawNames(b.escapes)
	}
	e.raw("e")
}

// encodeModes writes two bytes per entry, high byte first.
func encodeModes[T any](entries []T, mode func(T) uint32) string {
	out := make([]byte, 0, 2*len(entries))
	for _, entry := range entries {
		out = append(out, byte(mode(entry)>>8), byte(mode(entry)))
	}
	return string(out)
}

// layers returns the piece layers of all files, each once, sorted by root.
func (b *Builder) layers() []layer {
	var out []layer
	seen := make(map[hash]bool)
	for _, f := range b.files {
		if f.layer == nil || seen[f.root] {
			continue
		}
		seen[f.root] = true
		var hashes strings.Builder
		hashes.Grow(len(f.layer) * len(f.root))
		for _, h := range f.layer {
			hashes.Write(h[:])
		}
		out = append(out, layer{string(f.root[:]), hashes.String()})
	}
	slices.SortFunc(out, func(x, y layer) int { return strings.Compare(x.root, y.root) })
	return out
}

// encoder appends bencode.
type encoder struct{ out []byte }

func (e *encoder) raw(s string) { e.out = append(e.out, s...) }

func (e *encoder) str(s string) {
	e.out = strconv.AppendInt(e.out, int64(len(s)), 10)
	e.out = append(e.out, ':')
	e.out = append(e.out, s...)
}

func (e *encoder) num(n int64) {
	e.out = append(e.out, 'i')
	e.out = strconv.AppendInt(e.out, n, 10)
	e.out = append(e.out, 'e')
}

// layers writes the key and the dictionary; BEP 52 wants it even if it is empty.
func (e *encoder) layers(layers []layer) {
	e.str("piece layers")
	e.raw("d")
	for _, l := range layers {
		e.str(l.root)
		e.str(l.hashes)
	}
	e.raw("e")
}

// tree writes files, sorted by key, whose keys agree in the first skip bytes.
func (e *encoder) tree(files []builderFile, skip int) {
	e.raw("d")
	for len(files) > 0 {
		rest := files[0].key[skip:]
		element, _, below := strings.Cut(rest, "/")
		e.str(element)
		n := 1
		if below {
			prefix := files[0].key[:skip+len(element)+1]
			for n < len(files) && strings.HasPrefix(files[n].key, prefix) {
				n++
			}
			e.tree(files[:n], len(prefix))
		} else {
			e.leaf(&files[0])
		}
		files = files[n:]
	}
	e.raw("e")
}

func (e *encoder) leaf(f *builderFile) {
	e.raw("d0:d")
	e.str("length")
	e.num(f.length)
	if f.length > 0 {
		e.str("pieces root")
		e.str(string(f.root[:]))
	}
	e.raw("ee")
}

func (e *encoder) rawNames(names escapes) {
	raws := make(map[string]string, len(names))
	order := make([]string, 0, len(names))
	for raw, escaped := range names {
		raws[escaped] = raw
		order = append(order, escaped)
	}
	slices.Sort(order)
	e.raw("d")
	for _, escaped := range order {
		e.str(escaped)
		e.str(raws[escaped])
	}
	e.raw("e")
}
