package control

import (
	"errors"
	"net/http"
	"testing"
)

func TestAccess(t *testing.T) {
	const self, group = 500, 600
	user := func(uid, gid uint32, more ...uint32) caller { return socketCaller(peer{uid, gid, more}, self, group) }
	for _, c := range []struct {
		name        string
		caller      caller
		read, write bool
	}{
		{"root", user(0, 0), true, true},
		{"the agent's user", user(self, 1), true, true},
		{"primary group", user(1000, group), true, true},
		{"further group", user(1000, 1000, 4, group), true, true},
		{"stranger", user(1000, 1000, 4), false, false},
		{"operator", caller{role: roleOperator}, true, true},
		{"reader", caller{role: roleReader}, true, false},
		{"node", caller{role: roleNode}, true, false},
		{"unknown role", caller{role: "janitor"}, false, false},
		{"no role", caller{}, false, false},
		{"not identified", caller{role: roleOperator, err: errors.New("no certificate")}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.caller.authorize(http.MethodGet); (err == nil) != c.read {
				t.Errorf("read: %v", err)
			}
			for _, method := range []string{http.MethodPut, http.MethodPost, http.MethodDelete, "ANY"} {
				if err := c.caller.authorize(method); (err == nil) != c.write {
					t.Errorf("%s: %v", method, err)
				}
			}
		})
	}
}
