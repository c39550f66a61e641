package network

import "testing"

func TestProcessors(t *testing.T) {
	for count, want := range map[int]string{1: "1", 4: "f", 31: "7fffffff", 32: "0,ffffffff", 40: "ff,ffffffff", 96: "0,ffffffff,ffffffff,ffffffff"} {
		if got := processors(count); got != want {
			t.Errorf("the first %d processors are %s, not %s", count, got, want)
		}
	}
}
