package probe

import (
	"slices"
	"testing"
	"time"
)

func TestThrottledGroups(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []Throttled
	}{
		{"no groups", nil, nil},
		{"version 2", map[string]string{
			"proc/self/cgroup":                        "0::/site.slice/rackswarm\n",
			"sys/fs/cgroup/cpu.stat":                  "usage_usec 1\n",
			"sys/fs/cgroup/site.slice/cpu.stat":       "nr_periods 9\nnr_throttled 5\n",
			"sys/fs/cgroup/site.slice/cpu.max":        "max 50000\n",
			"sys/fs/cgroup/site.slice/rackswarm/note": "without the controller",
		}, []Throttled{{"sys/fs/cgroup/site.slice", 250 * time.Millisecond}, {"sys/fs/cgroup", 0}}},
		{"version 1", map[string]string{
			"proc/self/cgroup":                                   "3:cpuset:/x\n2:cpu,cpuacct:/rack/1\n0::/\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.stat":                 "nr_throttled 0\n",
			"sys/fs/cgroup/cpu,cpuacct/rack/1/cpu.stat":          "nr_periods 9\nnr_throttled 5\n",
			"sys/fs/cgroup/cpu,cpuacct/rack/1/cpu.cfs_period_us": "10000\n",
		}, []Throttled{{"sys/fs/cgroup/cpu,cpuacct/rack/1", 50 * time.Millisecond}, {"sys/fs/cgroup/cpu,cpuacct", 0}}},
		{"a container", map[string]string{
			"proc/self/cgroup":           "1:cpu:/docker/0123\n",
			"sys/fs/cgroup/cpu/cpu.stat": "nr_throttled 7\n",
		}, []Throttled{{"sys/fs/cgroup/cpu", 700 * time.Millisecond}}},
	} {
		h := &Host{config: HostConfig{Root: kernel(t, c.files)}}
		if got, err := h.Throttled(); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
	h := &Host{config: HostConfig{Root: kernel(t, map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.stat": "nr_throttled x\n"})}}
	if got, err := h.Throttled(); err == nil {
		t.Errorf("%v of no number", got)
	}
}
