package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/atomicfile"
)

// The state directory's format is a number in a file of its own. It rises when
// an agent of the version before would misread what is there; such a change
// brings a migration from each earlier format with it. Version 0.1.0 wrote
// format 1 and no file.
const (
	stateFormat = 1
	formatName  = "format"
)

// checkFormat refuses a state directory that a later version has written. It
// changes nothing.
func checkFormat(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, formatName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // format 1, or a new directory
	}
	if err != nil {
		return stateError(dir, err)
	}
	format, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || format < 1 {
		return &api.Error{Code: api.CodeInvalid, Subject: "state_dir " + dir,
			Message: fmt.Sprintf("its file %q holds %.40q, not a number", formatName, text),
			Fix:     "restore the directory, or give the agent a new one: what stands is then hashed and taken over"}
	}
	if format > stateFormat {
		return &api.Error{Code: api.CodeInvalid, Subject: "state_dir " + dir,
			Message: fmt.Sprintf("a later version of rackswarm wrote it (format %d; this version knows %d)", format, stateFormat),
			Fix:     "run that version again, or give this one a new directory: what stands is then hashed and taken over"}
	}
	return nil
}

// writeFormat marks the directory as one of this version, unless it is: an agent that
// ended while the disk was full has to come back.
func writeFormat(dir string) error {
	file, want := filepath.Join(dir, formatName), fmt.Appendln(nil, stateFormat)
	if text, err := os.ReadFile(file); err == nil && bytes.Equal(text, want) {
		return nil
	}
	if err := atomicfile.Write(file, want); err != nil {
		return stateError(dir, err)
	}
	return nil
}
