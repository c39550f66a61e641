package artifact

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of Linux on names, paths and symbolic links.
const (
	maxElement = 255
	maxPath    = 4096
	maxTarget  = 4095
)

// checkPath accepts relative paths of proper elements separated by single
// slashes, at most 4,096 bytes.
func checkPath(path string) error {
	if len(path) > maxPath {
		return fmt.Errorf("path %.40q…: %d bytes; at most %d are allowed", path, len(path), maxPath)
	}
	for element := range strings.SplitSeq(path, "/") {
		if err := checkElement(element); err != nil {
			return fmt.Errorf("path %q: %w", path, err)
		}
	}
	return nil
}

// CheckName accepts what can name an artifact: what can be a file's name.
func CheckName(name string) error { return checkElement(name) }

// checkElement accepts what can be a file's name: 1 to 255 bytes that are
// neither a slash nor NUL, and neither "." nor "..".
func checkElement(name string) error {
	switch {
	case name == "":
		return errors.New("a name is empty")
	case len(name) > maxElement:
		return fmt.Errorf("name %.40q… has %d bytes; at most %d are allowed", name, len(name), maxElement)
	case name == "." || name == "..":
		return fmt.Errorf("name %q is not allowed", name)
	case strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("name %q has a slash or a NUL", name)
	}
	return nil
}

func checkMode(mode uint32) error {
	if mode > 0o7777 {
		return fmt.Errorf("mode %#o: at most 07777 is allowed", mode)
	}
	return nil
}

func checkTarget(target string) error {
	if target == "" || len(target) > maxTarget || strings.ContainsRune(target, 0) {
		return fmt.Errorf("link target %.40q: must have 1 to %d bytes, none of them NUL", target, maxTarget)
	}
	return nil
}

// parent returns the directory of a path, "" for the top.
func parent(path string) string {
	return path[:max(strings.LastIndexByte(path, '/'), 0)]
}

// comparePaths orders paths by the bytes of their elements, as the keys of
// nested dictionaries are: what is below a directory follows it directly.
func comparePaths(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return rank(a[i]) - rank(b[i])
		}
	}
	return len(a) - len(b)
}

// rank puts the slash before every other byte; NUL does not occur.
func rank(c byte) int {
	if c == '/' {
		return 0
	}
	return int(c)
}
