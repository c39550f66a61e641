package artifact

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// walker walks an encoded file tree twice: once to count, so that the second
// time can fill a table of the right size.
type walker struct {
	s    scanner
	doc  *infoDict
	path []byte // raw path of where the walk is
	// file and dir are called for every file and directory below the top.
	file func(path []byte, f File) error
	dir  func(path []byte) error
}

func (w *walker) walk(tree string) error {
	w.s = scanner{in: tree}
	w.node(0)
	w.s.end()
	return w.s.err
}

// node reads what stands at the current path: a dictionary of entries, or one
// that has the empty key only, which makes it a file. The limit on the length of
// paths bounds the recursion.
func (w *walker) node(depth int) {
	w.s.open('d')
	for k := (keys{}); ; {
		first := !k.any
		key, ok := w.s.next(&k)
		switch {
		case !ok && first && depth > 0:
			w.s.fail("an empty directory in the file tree")
			return
		case !ok:
			return
		case key == "":
			w.leaf(depth)
			return
		case first && depth > 0:
			w.s.failErr(w.dir(w.path))
		}
		w.enter(key, depth)
	}
}

func (w *walker) enter(key string, depth int) {
	name, length := w.doc.raw(key), len(w.path)
	w.s.failErr(checkElement(name))
	if !utf8.ValidString(key) || length+1+len(name) > maxPath {
		w.s.fail(fmt.Sprintf("name %.40q is not UTF-8, or its path is longer than %d bytes", name, maxPath))
	}
	if depth > 0 {
		w.path = append(w.path, '/')
	}
	w.path = append(w.path, name...)
	w.node(depth + 1)
	w.path = w.path[:length]
}

// leaf reads the properties of a file, whose empty key was read already.
func (w *walker) leaf(depth int) {
	var f File
	hasRoot := false
	w.s.open('d')
	for k := (keys{}); ; {
		key, ok := w.s.next(&k)
		if !ok {
			break
		}
		switch key {
		case "length":
			f.Length = w.s.number()
		case "pieces root":
			root := w.s.string()
			hasRoot = copy(f.Root[:], root) == len(f.Root) && len(root) == len(f.Root)
		default:
			w.s.fail(fmt.Sprintf("unknown property %.40q of a file", key))
		}
	}
	if w.s.more() || depth == 0 || hasRoot != (f.Length > 0) {
		w.s.fail("a file must have a length, a root of 32 bytes unless it is empty, and nothing below it")
		return
	}
	w.s.failErr(w.file(w.path, f))
}

// fillFiles reads the file tree into m.files.
func (m *Manifest) fillFiles(doc *infoDict) error {
	files, pathBytes := 0, 0
	count := walker{doc: doc, dir: func([]byte) error { return nil }, file: func(path []byte, _ File) error {
		files++
		pathBytes += len(path)
		return checkCounts(files+len(m.dirs)+len(m.links), pathBytes)
	}}
	if err := count.walk(doc.tree); err != nil {
		return fmt.Errorf("file tree: %w", err)
	}
	if len(doc.fileModes) != 2*files {
		return errors.New("the files' modes are not as many as the files")
	}
	m.files = make([]File, 0, files)
	var paths strings.Builder // one allocation for all of them
	paths.Grow(pathBytes)
	fill := walker{doc: doc, dir: m.requireDir, file: func(path []byte, f File) error {
		paths.Write(path)
		f.Path = paths.String()[paths.Len()-len(path):]
		f.Mode = modeAt(doc.fileModes, len(m.files))
		m.files = append(m.files, f)
		return m.checkFile(&f)
	}}
	if err := fill.walk(doc.tree); err != nil {
		return fmt.Errorf("file tree: %w", err)
	}
	return nil
}

func checkCounts(entries, pathBytes int) error {
	if entries > MaxEntries || pathBytes > maxPathBytes {
		return fmt.Errorf("more than %d entries, or than %d bytes of paths", MaxEntries, maxPathBytes)
	}
	return nil
}
