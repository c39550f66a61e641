package sim

import (
	"container/heap"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// clock is virtual time: what is to happen, in order.
type clock struct {
	now   unit.Time
	queue events
	seq   int // of the last event: those of one time happen in the order in which they were set
}

type event struct {
	at  unit.Time
	seq int
	do  func()
}

// at has do happen at a time, or now if that has passed.
func (c *clock) at(t unit.Time, do func()) {
	c.seq++
	heap.Push(&c.queue, event{max(t, c.now), c.seq, do})
}

func (c *clock) after(d time.Duration, do func()) { c.at(c.now.Add(d), do) }

// next lets the next event happen; false if there is none before the limit.
func (c *clock) next(limit unit.Time) bool {
	if len(c.queue) == 0 || c.queue[0].at > limit {
		return false
	}
	ev := heap.Pop(&c.queue).(event)
	c.now = ev.at
	ev.do()
	return true
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	old[len(old)-1] = event{}
	*e = old[:len(old)-1]
	return x
}
