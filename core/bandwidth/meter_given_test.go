package bandwidth

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/unit"
)

func TestAUseThatIsGiven(t *testing.T) {
	m := NewMeter(MeterConfig{Link: "ams", Up: 100 * mbit})
	for i, c := range []struct {
		given Given
		want  unit.Rate
		at    unit.Time
		fault Fault
	}{
		{Given{Up: 5, Down: 6, UpCapacity: 200 * mbit, DownCapacity: 200 * mbit, At: 10}, 5, 10, ""},
		{Given{Up: 9, UpCapacity: 200 * mbit, DownCapacity: 200 * mbit, At: 10}, 5, 10, ""}, // the same again
		{Given{Up: 105 * mbit, UpCapacity: 200 * mbit, DownCapacity: 200 * mbit, At: 11}, 100 * mbit, 11, ""},
		{Given{Up: 120 * mbit, UpCapacity: 200 * mbit, DownCapacity: 200 * mbit, At: 12}, 100 * mbit, 11, FaultAbsurd},
		{Given{Up: 7, UpCapacity: 200 * mbit, At: 13}, 7, 13, FaultCapacity},
		{Given{Up: 8, UpCapacity: 50 * mbit, DownCapacity: mbit, At: 14}, 8, 14, ""}, // the contradiction is one fault with the last
		{Given{Up: -8, UpCapacity: 200 * mbit, DownCapacity: mbit, At: 15}, 0, 15, ""},
	} {
		news := m.Take(c.given)
		use, ok := m.Use()
		if !ok || use.Up != c.want || use.At != c.at || (len(news) > 0) != (c.fault != "") || len(news) > 0 && news[0].Fault != c.fault {
			t.Errorf("%d: %+v, %v, %v", i, use, ok, news)
		}
	}
	if standing := m.Faults(); len(standing) > 0 {
		t.Errorf("%v stands", standing)
	}
}
