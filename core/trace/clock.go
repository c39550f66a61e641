package trace

// Clock is a Lamport clock. The zero value is ready.
type Clock struct{ now uint64 }

// Next advances the clock for an event of this node and returns its time. A
// message carries the time of its sending.
func (c *Clock) Next() uint64 {
	c.now++
	return c.now
}

// Observe takes in the time that a received message carries. Call it before
// Next for the event of receiving.
func (c *Clock) Observe(sent uint64) { c.now = max(c.now, sent) }
