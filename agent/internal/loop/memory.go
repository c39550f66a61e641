package loop

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

// quietAfter is how long nothing has moved when the buffers of what did go back
// to the system.
const quietAfter = 5 * time.Second

// giveBack returns memory to the system after each time that payload moved. On
// its own, the collector would keep pooled buffers for minutes.
func (l *Loop) giveBack(ctx context.Context) {
	tick := time.NewTicker(quietAfter)
	defer tick.Stop()
	var seen, given int64
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		moved := l.moved.Load()
		if moved == seen && moved != given {
			runtime.GC() // pools keep for one collection what they held
			debug.FreeOSMemory()
			given = moved
		}
		seen = moved
	}
}
