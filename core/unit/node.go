package unit

import (
	"fmt"
	"strings"
)

// NodeID names a node of the fleet: the name in its configuration and in its
// certificate. It is unique in the fleet.
type NodeID string

const maxName = 128

// ParseNodeID checks a node name: 1 to 128 characters of letters, digits, '.',
// '_' and '-', the first a letter or digit.
func ParseNodeID(s string) (NodeID, error) {
	if err := checkLabel(s); err != nil {
		return "", fmt.Errorf("node name %q: %w", s, err)
	}
	return NodeID(s), nil
}

func checkLabel(s string) error {
	if s == "" || len(s) > maxName {
		return fmt.Errorf("must have 1 to %d characters", maxName)
	}
	for i := range len(s) {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || !strings.ContainsRune("._-", rune(c))) {
			return fmt.Errorf("use letters, digits, '.', '_' and '-', starting with a letter or digit")
		}
	}
	return nil
}
