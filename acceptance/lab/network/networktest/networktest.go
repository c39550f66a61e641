// Package networktest makes the networks of tests.
package networktest

import (
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/core/scenario"
)

// Scenario reads a scenario, or fails the test.
func Scenario(t testing.TB, text string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("scenario.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// New makes the network of a scenario until the test ends. It skips the test where
// no network can be made.
func New(t testing.TB, s *scenario.Scenario) *network.Network {
	t.Helper()
	if err := network.Unsupported(); err != nil {
		t.Skip(err)
	}
	n, err := network.New(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}
