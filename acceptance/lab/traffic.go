package main

import (
	"context"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/core/scenario"
)

// traffics are the site's own traffic and the probes of a scenario.
type traffics struct{}

func newTraffic(*network.Network, *scenario.Scenario) *traffics { return &traffics{} }

// idle has the probes measure the network on which nothing is distributed.
func (t *traffics) idle(context.Context, time.Duration) error { return nil }

// begin starts the background, whose times count from now, and the probes.
func (t *traffics) begin() error { return nil }

// finish ends them and fills in what they saw.
func (t *traffics) finish(*scenario.Observed) {}

// close ends what still runs.
func (t *traffics) close() {}
