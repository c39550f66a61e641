package links

import (
	"fmt"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Link is what the configuration says of a link.
type Link struct {
	Up, Down unit.Rate       // capacities, 0 if they are not said
	Reserve  *bandwidth.Part // nil is that of all links
}

// facts are what is known of one link.
type facts struct {
	location unit.Location
	file     *Link              // what the configuration says, nil for nothing
	declared *api.Link          // what operators say, nil for nothing
	reading  *store.LinkReading // nil if there is none
	read     unit.Time          // when the reading had its age
	sensor   bool               // the configuration names who measures it
	lost     bool               // the store does not have what operators said any more
	// unreadable: operators said something last that this version cannot read.
	unreadable bool
	damaged    bool // what was kept of it is unreadable, and the store has not answered yet
}

// known reports whether anybody declared the link.
func (f facts) known() bool {
	return f.file != nil || f.declared != nil || f.reading != nil || f.sensor || f.unreadable
}

// said is the capacity that people tell: operators', or else the configuration's; 0
// for neither.
func (f facts) said(up bool) unit.Rate {
	if f.declared != nil {
		if rate := pick(up, f.declared.Up, f.declared.Down); rate != nil {
			return unit.Rate(*rate)
		}
	}
	if f.file == nil {
		return 0
	}
	return pick(up, f.file.Up, f.file.Down)
}

// told is the capacity that the source tells, 0 if it tells none.
func (f facts) told(up bool) unit.Rate {
	if f.reading == nil {
		return 0
	}
	return pick(up, f.reading.UpCapacity, f.reading.DownCapacity)
}

// capacity is the lower one of what people and the source tell, 0 if neither does.
func (f facts) capacity(up bool) unit.Rate {
	said, told := f.said(up), f.told(up)
	if said == 0 || told == 0 {
		return max(said, told)
	}
	return min(said, told)
}

func pick[T any](up bool, ifUp, ifDown T) T {
	if up {
		return ifUp
	}
	return ifDown
}

// use is what the budget of a direction follows from.
func (f facts) use(now unit.Time, up bool) bandwidth.LinkUse {
	u := bandwidth.LinkUse{Capacity: f.capacity(up), Sensor: f.sensor || f.reading != nil, Undeclared: f.undeclared(up)}
	if !f.carried() {
		u.Capacity = unit.Unlimited
	}
	if f.reading != nil && f.reading.Measured {
		u.Measured, u.Age = true, f.age(now)
		u.Others = pick(up, f.reading.UpOthers, f.reading.DownOthers)
	}
	return u
}

// age is that of the reading.
func (f facts) age(now unit.Time) time.Duration { return f.reading.Age + max(now.Sub(f.read), 0) }

// carried reports whether anybody says, or is to say, what the link carries: else it
// has no limit but operators' ceilings.
func (f facts) carried() bool {
	if f.unreadable && f.declared == nil {
		return true
	}
	return f.file != nil || f.sensor || f.reading != nil || f.declared != nil && f.declared.SaysWhatItCarries()
}

// ceiling is what operators let the fleet move in a direction at most, whatever the
// link carries.
func (f facts) ceiling(up bool) unit.Rate {
	if f.declared == nil {
		return unit.Unlimited
	}
	if most := pick(up, f.declared.MaxUp, f.declared.MaxDown); most != nil {
		return unit.Rate(*most)
	}
	return unit.Unlimited
}

// undeclared reports whether a direction has the floor only as nobody says what it carries,
// and nobody is to measure that.
func (f facts) undeclared(up bool) bool {
	return f.carried() && !f.sensor && f.reading == nil && !f.unreadable && f.capacity(up) == 0
}

// limited reports whether anything limits a direction.
func (f facts) limited(up bool) bool { return f.carried() || f.ceiling(up) < unit.Unlimited }

// budget is what the fleet may move in a direction, where base counts for all links
// that say nothing else.
func (f facts) budget(now unit.Time, base bandwidth.Policy, up bool) bandwidth.Budget {
	return f.policy(base, up).Budget(topo.Hop{Location: f.location, Up: up}, f.use(now, up))
}

// policy is base with the link's own reserve and ceiling.
func (f facts) policy(base bandwidth.Policy, up bool) bandwidth.Policy {
	base.Limit = f.ceiling(up)
	if f.file != nil && f.file.Reserve != nil {
		base.Reserve = *f.file.Reserve
	}
	if f.declared != nil && f.declared.Reserve != nil {
		base.Reserve = bandwidth.Part(*f.declared.Reserve)
	}
	return base
}

// contradictions are what people and the source tell differently.
func (f facts) contradictions() (all []api.LinkWarning) {
	for _, up := range []bool{true, false} {
		if said, told := f.said(up), f.told(up); told > 0 && said > told && said < unit.Unlimited {
			all = append(all, api.LinkWarning{Fault: string(bandwidth.FaultCapacity), Message: fmt.Sprintf(
				"%s: %s are declared and %s says %s; the lower one counts", pick(up, "up", "down"), said, shortened(f.reading.Source), told)})
		}
	}
	return all
}

// maxShown is how many runes of what other nodes, or a source, call something are shown.
const maxShown = 64

// shortened is the beginning of a text, up to maxShown runes.
func shortened(text string) string {
	if runes := []rune(text); len(runes) > maxShown {
		return string(runes[:maxShown-1]) + "…"
	}
	return text
}
