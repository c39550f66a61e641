package probe

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Objects of SNMPv2-MIB and IF-MIB (RFC 2863). Those of interfaces are followed
// by the interface's index.
const (
	oidUpTime        = "1.3.6.1.2.1.1.3.0"
	oidStatus        = "1.3.6.1.2.1.2.2.1.8"
	oidName          = "1.3.6.1.2.1.31.1.1.1.1"
	oidIn            = "1.3.6.1.2.1.31.1.1.1.6"
	oidOut           = "1.3.6.1.2.1.31.1.1.1.10"
	oidSpeed         = "1.3.6.1.2.1.31.1.1.1.15"
	oidAlias         = "1.3.6.1.2.1.31.1.1.1.18"
	oidDiscontinuity = "1.3.6.1.2.1.31.1.1.1.19"
)

func of(column string, index int) string { return column + "." + strconv.Itoa(index) }

// label is the column that identifies l, "" if its index does.
func (l Link) label() (column, want string) {
	switch {
	case l.Name != "":
		return oidName, l.Name
	case l.Alias != "":
		return oidAlias, l.Alias
	}
	return "", ""
}

// oids are those of a reading of l.
func (l Link) oids(index int) []string {
	all := []string{of(oidStatus, index), of(oidIn, index), of(oidOut, index), of(oidSpeed, index), of(oidDiscontinuity, index)}
	if column, _ := l.label(); column != "" {
		all = append(all, of(column, index))
	}
	return all
}

// oidsPerLink is the most that oids returns.
const oidsPerLink = 6

// Errors of a reading, without device and link.
type readFault struct {
	fault        bandwidth.Fault
	message, fix string
}

// reading makes a reading of l of what a device answered.
func (l Link) reading(values map[string]any, index int, at unit.Time) (bandwidth.Reading, *readFault) {
	column, want := l.label()
	if got, _ := text(values[of(column, index)]); column != "" && got != want {
		return bandwidth.Reading{}, l.vanished()
	}
	in, okIn := number(values[of(oidIn, index)])
	out, okOut := number(values[of(oidOut, index)])
	upTime, okUp := number(values[oidUpTime])
	switch {
	case !okIn && !okOut && column == "":
		return bandwidth.Reading{}, l.vanished()
	case negative(values[of(oidIn, index)]) || negative(values[of(oidOut, index)]):
		return bandwidth.Reading{}, &readFault{
			bandwidth.FaultAbsurd, "it tells a negative number of bytes of " + l.String(),
			"update the device's software, or take the device out and say what the link carries",
		}
	case !okIn || !okOut:
		return bandwidth.Reading{}, &readFault{
			bandwidth.FaultSilent, "it does not know the counters ifHCInOctets and ifHCOutOctets of " + l.String(),
			"a device without counters of 64 bits cannot be used, nor one that hides them from these credentials",
		}
	case down(values[of(oidStatus, index)]): // or gone: some devices keep its last counters
		return bandwidth.Reading{}, &readFault{bandwidth.FaultVanished, l.String() + " is down", "connect it, or tell the interface that the link uses now"}
	case !okUp:
		return bandwidth.Reading{}, &readFault{bandwidth.FaultSilent, "it does not know sysUpTime", "let these credentials read 1.3.6.1.2.1.1"}
	}
	discontinuity, _ := number(values[of(oidDiscontinuity, index)])
	speed, _ := number(values[of(oidSpeed, index)])
	return bandwidth.Reading{
		At: at, Interface: index, In: in, Out: out, UpTime: ticks(upTime), Discontinuity: ticks(discontinuity),
		Speed: unit.Rate(min(speed, math.MaxUint32)) * (1e6 / 8),
	}, nil
}

func (l Link) vanished() *readFault {
	return &readFault{bandwidth.FaultVanished, "it has no " + l.String(), "correct the interface's name, alias or index"}
}

// down reports whether a value of ifOperStatus says that nothing passes.
func down(status any) bool {
	const statusDown, notPresent, lowerLayerDown = 2, 6, 7
	n, _ := number(status)
	return n == statusDown || n == notPresent || n == lowerLayerDown
}

// ticks are hundredths of a second of 32 bits.
func ticks(n uint64) time.Duration {
	return time.Duration(min(n, math.MaxUint32)) * 10 * time.Millisecond
}

// number returns a value that is not negative.
func number(v any) (uint64, bool) {
	switch n := v.(type) {
	case uint64:
		return n, true
	case uint:
		return uint64(n), true
	case uint32:
		return uint64(n), true
	case int:
		return uint64(max(n, 0)), n >= 0
	}
	return 0, false
}

// negative reports whether a value is a number below zero, which no counter is.
func negative(v any) bool {
	n, ok := v.(int)
	return ok && n < 0
}

func text(v any) (string, bool) {
	switch s := v.(type) {
	case []byte:
		return string(s), true
	case string:
		return s, true
	}
	return "", false
}

// indexes returns the indexes of the rows of a column that have the text want.
func indexes(column map[string]any, want string) []int {
	var found []int
	for rest, v := range column {
		if got, ok := text(v); ok && got == want {
			if index, err := strconv.Atoi(rest); err == nil {
				found = append(found, index)
			}
		}
	}
	return found
}

// below returns what follows root in an OID.
func below(root, oid string) (string, bool) { return strings.CutPrefix(oid, root+".") }

func trimDot(oid string) string { return strings.TrimPrefix(oid, ".") }
