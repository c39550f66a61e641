package pgfiles

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Label is what backup_label says.
type Label struct {
	Start    LSN // where replay begins
	Timeline string
}

// ParseLabel reads backup_label.
func ParseLabel(text string) (Label, error) {
	var l Label
	found := false
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch key {
		case "START WAL LOCATION":
			at, _, _ := strings.Cut(value, " ")
			lsn, err := ParseLSN(at)
			if err != nil {
				return Label{}, fmt.Errorf("backup_label: %w", err)
			}
			l.Start, found = lsn, true
		case "START TIMELINE":
			l.Timeline = strings.TrimSpace(value)
		}
	}
	if !found || l.Timeline == "" {
		return Label{}, fmt.Errorf("backup_label does not say where the backup begins")
	}
	return l, nil
}

// Manifest is what the driver reads from backup_manifest: which part of the log
// the backup needs to be consistent.
type Manifest struct {
	Timeline   string
	Start, End LSN
}

// ParseManifest reads backup_manifest (PostgreSQL documentation, "Backup Manifest
// Format"). A standby may have passed from one timeline to another: the last
// range counts.
func ParseManifest(data []byte) (Manifest, error) {
	var m struct {
		Ranges []struct {
			Timeline int    `json:"Timeline"`
			Start    string `json:"Start-LSN"`
			End      string `json:"End-LSN"`
		} `json:"WAL-Ranges"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return Manifest{}, fmt.Errorf("backup_manifest: %w", err)
	}
	if len(m.Ranges) == 0 {
		return Manifest{}, fmt.Errorf("backup_manifest names no part of the log")
	}
	last := m.Ranges[len(m.Ranges)-1]
	for _, r := range m.Ranges {
		if r.Timeline > last.Timeline {
			last = r
		}
	}
	start, err := ParseLSN(last.Start)
	if err != nil {
		return Manifest{}, fmt.Errorf("backup_manifest: %w", err)
	}
	end, err := ParseLSN(last.End)
	if err != nil {
		return Manifest{}, fmt.Errorf("backup_manifest: %w", err)
	}
	return Manifest{Timeline: strconv.Itoa(last.Timeline), Start: start, End: end}, nil
}

// Checksum is the SHA-256 that backup_manifest has of the file at path, in
// hexadecimal, "" if it has none.
func Checksum(manifest []byte, path string) (string, error) {
	var m struct {
		Files []struct {
			Path      string `json:"Path"`
			Algorithm string `json:"Checksum-Algorithm"`
			Checksum  string `json:"Checksum"`
		} `json:"Files"`
	}
	if err := json.Unmarshal(manifest, &m); err != nil {
		return "", fmt.Errorf("backup_manifest: %w", err)
	}
	for _, f := range m.Files {
		if f.Path == path && f.Algorithm == "SHA256" {
			return strings.ToLower(f.Checksum), nil
		}
	}
	return "", nil
}
