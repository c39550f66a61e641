package trace

// Clock counts a node's events. The zero value is ready.
type Clock struct{ now uint64 }

// Next advances the clock for an event of this node and returns its time.
func (c *Clock) Next() uint64 {
	c.now++
	return c.now
}
