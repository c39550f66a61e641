package storetest

import (
	"strings"
	"testing"
)

// identity: all who connect agree, and stores that share a server differ.
func identity(t *testing.T, b Backend) {
	c := ctx(t)
	ids := map[string]bool{}
	for range 2 {
		id, err := b.open(t).Identity(c)
		must(t, err)
		ids[id] = true
	}
	equal(t, "names of one store", len(ids), 1)
	other, err := b.openPrefix(t, "rackswarm:"+strings.ReplaceAll(t.Name(), "/", "-")+":other").Identity(c)
	must(t, err)
	equal(t, "another store has the same name", ids[other], false)
}
