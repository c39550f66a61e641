package config

import (
	"os"
	"strings"
)

// secretIn returns the first line of a file, as editors end secrets with a newline; ""
// for no file.
func secretIn(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	data, err := os.ReadFile(path)
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimRight(line, "\r"), err
}
