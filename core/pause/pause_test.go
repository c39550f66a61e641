package pause_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackswarm/rackswarm/core/pause"
)

func TestFor(t *testing.T) {
	for _, c := range []struct{ d, ends, passed time.Duration }{
		{-time.Second, time.Hour, 0}, {0, time.Hour, 0}, {time.Second, time.Hour, time.Second}, {time.Hour, time.Second, time.Second}, {time.Hour, 0, 0}, {0, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.ends)
			defer cancel()
			began := time.Now()
			err := pause.For(ctx, c.d)
			if passed := time.Since(began); passed != c.passed || (err != nil) != (c.ends <= max(c.d, 0)) {
				t.Errorf("%v, with %v left: %v passed, %v", c.d, c.ends, passed, err)
			}
		})
	}
}
