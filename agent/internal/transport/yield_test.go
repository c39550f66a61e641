package transport

import "testing"

// The pacer samples each connection 50 times a second, and the congestion control does
// not change: what the kernel said of it stands, even when it would say no more.
func TestCongestionControlIsAskedForOnce(t *testing.T) {
	a, _ := loopback(t, false)
	setCongestion(t, a, "reno")
	if a.socket.pacesItself() {
		t.Error("reno is said to set a pace")
	}
	a.Close(nil)
	if a.socket.pacesItself() {
		t.Error("the kernel was asked again, of a connection that has ended")
	}
}

func TestWhoseCongestionControlSetsAPace(t *testing.T) {
	a, _ := loopback(t, false)
	setCongestion(t, a, "bbr")
	if !a.socket.pacesItself() {
		t.Error("bbr is said to set none")
	}
	b, _ := loopback(t, false)
	b.Close(nil)
	if !b.socket.pacesItself() {
		t.Error("a connection that the kernel tells nothing of is taken to wait for its turn")
	}
}
