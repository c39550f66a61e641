package links

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// BenchmarkStoreLoad reports what agents ask of the store for the links, in each
// second: 64 links are declared and measured, some nodes of one location are busy on
// two of them, and others are idle. An iteration lasts for a second.
func BenchmarkStoreLoad(b *testing.B) {
	for _, nodes := range []struct{ busy, idle int }{{0, 16}, {2, 14}, {8, 8}, {16, 0}} {
		b.Run(fmt.Sprintf("busy=%d/idle=%d", nodes.busy, nodes.idle), func(b *testing.B) { storeLoad(b, nodes.busy, nodes.idle) })
	}
}

func storeLoad(b *testing.B, busy, idle int) {
	r, open := openStore(b)
	s := open()
	declareMany(b, s)
	for i := range busy + idle {
		m := &mover{}
		if i < busy {
			m.wants(1000 * mbit)
		}
		start(b, open(), unit.NodeID(fmt.Sprintf("ams-r1-%02d", i)), m, nil)
	}
	raw := redis.NewClient(&redis.Options{Addr: r.Addr})
	defer raw.Close()
	time.Sleep(3 * time.Second) // all have their shares
	before, began := info(b, raw), time.Now()
	b.ResetTimer()
	for b.Loop() {
		time.Sleep(time.Second)
	}
	after, took := info(b, raw), time.Since(began).Seconds()
	for name, unit := range map[string]string{
		"total_commands_processed": "commands/s", "total_net_input_bytes": "in-B/s", "total_net_output_bytes": "out-B/s",
		"cmdstat_evalsha": "scripts/s", "used_cpu_user": "cpu-s/s",
	} {
		b.ReportMetric((after[name]-before[name])/took, unit)
	}
	b.ReportMetric(0, "ns/op")
}

// declareMany declares 64 links, and says of each that it was measured.
func declareMany(b *testing.B, s *store.Store) {
	b.Helper()
	rate := int64(10000 * mbit)
	for i := range 64 {
		l := unit.Location("ams")
		if i > 0 {
			l = unit.Location(fmt.Sprintf("ams/r%d", i))
		}
		if err := s.PutLink(b.Context(), link(string(l), rate, rate)); err != nil {
			b.Fatal(err)
		}
		if err := s.PutReadings(b.Context(), store.LinkReading{
			Location: l, Source: fmt.Sprintf("device 10.0.%d.1:161", i), Node: "ams-r1-01", Measured: true,
			UpCapacity: 10000 * mbit, DownCapacity: 10000 * mbit, UpOthers: 1234567, DownOthers: 7654321,
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// info is what the server counts, the calls of a command by cmdstat_ and its name.
func info(b *testing.B, raw *redis.Client) map[string]float64 {
	b.Helper()
	text, err := raw.Info(b.Context(), "stats", "cpu", "commandstats").Result()
	if err != nil {
		b.Fatal(err)
	}
	all := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value, _, _ = strings.Cut(strings.TrimPrefix(value, "calls="), ",")
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			all[name] = n
		}
	}
	return all
}
