package bandwidth

import (
	"fmt"
	"time"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Reason is what sets a limit. Its values are words of the API.
type Reason string

// The reasons. What the numbers of a Binding mean depends on them; see there.
const (
	Open         Reason = "open"         // nothing limits
	Unmeasured   Reason = "unmeasured"   // the floor, as the link was never measured
	Undeclared   Reason = "undeclared"   // the floor, as nobody says what the link carries, nor is to measure it
	Stale        Reason = "stale"        // the last measurement is old
	Reserve      Reason = "reserve"      // what others and the reserve leave
	Ceiling      Reason = "ceiling"      // what others leave below an impact ceiling
	Floor        Reason = "floor"        // others use the link up, the floor is left
	CPU          Reason = "cpu"          // the CPU is busy
	IOPressure   Reason = "io-pressure"  // tasks wait for I/O
	MemPressure  Reason = "mem-pressure" // tasks wait for memory
	Disk         Reason = "disk"         // the disk answers late
	Window       Reason = "window"       // a time window
	Group        Reason = "group"        // an operator's limit of a location
	Distribution Reason = "distribution" // a distribution's ceiling
	Paused       Reason = "paused"       // an operator has paused it
	Priority     Reason = "priority"     // a more urgent transfer has demand
	OuterFirst   Reason = "outer-first"  // traffic that crosses more uplinks has demand
	Shared       Reason = "shared"       // others of the fleet have a share, too
	Joining      Reason = "joining"      // others have not heard of our demand yet
	Delay        Reason = "delay"        // a queue builds up on the way
)

// Binding says what sets a limit, with the numbers that it follows from. It is
// a value to compare, to send and to print.
type Binding struct {
	Reason Reason
	// Hop is the direction of the link that the limit is of. The limit of a
	// distribution or of a priority is of no link: OfTransfer is true.
	Hop        topo.Hop
	OfTransfer bool
	Rate       unit.Rate     // the limit, in bytes per second
	Capacity   unit.Rate     // of the link, 0 if not known
	Others     unit.Rate     // what others than the fleet use of it
	Whole      unit.Rate     // what Part is a part of, or what is shared
	Part       Part          // reserved (Reserve), allowed (Ceiling) or left over (CPU, IOPressure, MemPressure, Disk)
	Age        time.Duration // of the measurement
	Users      int           // that share Whole
	By         Reason        // what sets Whole, of Shared
	Text       string        // the window, as it was written, or all the time of those that adjoin
}

// String says in one line of words what the limit is, and why.
func (b Binding) String() string {
	if b.Reason == Open {
		return b.subject() + ": no limit"
	}
	return fmt.Sprintf("%s: %s, as %s", b.subject(), b.Rate, b.why())
}

func (b Binding) subject() string {
	switch {
	case b.OfTransfer:
		return "transfer, " + b.Direction()
	case b.Hop.Node != "":
		return fmt.Sprintf("link of host %s, %s", b.Hop.Node, b.Direction())
	}
	return fmt.Sprintf("uplink of %s, %s", b.Hop.Location, b.Direction())
}

// Direction is "up" or "down".
func (b Binding) Direction() string {
	if b.Hop.Up {
		return "up"
	}
	return "down"
}

func (b Binding) why() string {
	switch b.Reason {
	case Unmeasured:
		if b.Capacity == 0 {
			return "what it carries is not known"
		}
		return "its use is not known yet"
	case Stale:
		return fmt.Sprintf("its use was last measured %.1f s ago", b.Age.Seconds())
	case Reserve:
		return fmt.Sprintf("%s of %s stay free and others use %s", b.Part, b.Capacity, b.Others)
	case Ceiling:
		return fmt.Sprintf("at most %s of %s may be used and others use %s", b.Part, b.Capacity, b.Others)
	case Floor:
		return fmt.Sprintf("others use %s of %s", b.Others, b.Capacity)
	case CPU, IOPressure, MemPressure, Disk:
		if b.Whole == 0 {
			return busyWords[b.Reason] + ": the floor, as the interface's speed is not known"
		}
		return fmt.Sprintf("%s: %s of %s are left", busyWords[b.Reason], b.Part, b.Whole)
	case Window:
		return fmt.Sprintf("the window %q says so", b.Text)
	case Shared:
		if b.By == Group {
			return fmt.Sprintf("%s, which an operator set as its limit, are shared by %d", b.Whole, b.Users)
		}
		return fmt.Sprintf("%s are shared by %d", b.Whole, b.Users)
	}
	return plainWords[b.Reason]
}

var busyWords = map[Reason]string{
	CPU:         "the CPU is busy",
	IOPressure:  "tasks wait for I/O",
	MemPressure: "tasks wait for memory",
	Disk:        "the disk answers late",
}

var plainWords = map[Reason]string{
	Group:        "an operator set this limit",
	Distribution: "the distribution has this ceiling",
	Paused:       "it is paused",
	Undeclared:   "nobody says what it carries: the floor",
	Priority:     "a more urgent transfer comes first",
	OuterFirst:   "traffic that leaves the location comes first",
	Joining:      "others have not heard of its demand yet",
	Delay:        "a queue builds up on the way",
}

// Budget is how much may be moved, and what says so.
//
// Invariant: Rate is Binding.Rate.
type Budget struct {
	Rate    unit.Rate // bytes per second; 0 is nothing, unit.Unlimited is no limit
	Binding Binding
}

// NewBudget is the budget that a binding says. A negative rate is 0.
func NewBudget(b Binding) Budget {
	b.Rate = max(b.Rate, 0)
	return Budget{b.Rate, b}
}

// NoLimit is the budget of a hop that nothing limits.
func NoLimit(hop topo.Hop) Budget {
	return NewBudget(Binding{Reason: Open, Hop: hop, Rate: unit.Unlimited})
}

// Least is the lowest of budgets, the first of those that are equal. Of none it
// is one that lets nothing pass.
func Least(budgets ...Budget) Budget {
	if len(budgets) == 0 {
		return NewBudget(Binding{Reason: Paused})
	}
	least := budgets[0]
	for _, b := range budgets[1:] {
		if b.Rate < least.Rate {
			least = b
		}
	}
	return least
}

// AtMost is b with a limit of another reason, such as Group, on the same hop.
func (b Budget) AtMost(r unit.Rate, reason Reason) Budget {
	return Least(b, NewBudget(Binding{Reason: reason, Hop: b.Binding.Hop, Rate: r, Capacity: b.Binding.Capacity}))
}
