package main

import (
	"errors"

	"github.com/rackswarm/rackswarm/acceptance/traces"
)

// readTraces fills in how long START was on its way.
func (f *fleet) readTraces() error {
	var all []traces.Trace
	for n := range f.agents {
		t, err := traces.Read(f.file(n, "trace"))
		if err != nil {
			return err
		}
		all = append(all, t)
	}
	ways := milliseconds(traces.StartWays(all))
	if len(ways) == 0 {
		return errors.New("no START in the traces")
	}
	f.round.seen.StartP50, f.round.seen.StartP99 = quantile(ways, 0.5), quantile(ways, 0.99)
	return nil
}

func milliseconds(ways []traces.Way) []float64 {
	all := make([]float64, len(ways))
	for i, w := range ways {
		all[i] = w.Took.Seconds() * 1e3
	}
	return all
}
