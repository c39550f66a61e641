package storage

import (
	"container/list"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/agent/internal/pagecache"
)

// maxOpen bounds how many files of placements and sources a manager keeps open: a
// quarter of what the process may have, the rest being for connections. Files in
// use at the same moment may exceed it.
func maxOpen() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fewest
	}
	return int(max(min(limit.Cur/4, most), fewest))
}

const fewest, most = 16, 512

// fdCache keeps recently used files open.
type fdCache struct {
	max  int
	mu   sync.Mutex
	open map[fdKey]*handle // guarded by mu
	idle *list.List        // of *handle without users, most recently used first; guarded by mu
	// trail is what the files brought into the page cache.
	trail *trail
}

// fdKey names a file of one content, and whether it is open for writing: a file
// that is still being written is read for peers through a descriptor of its own.
type fdKey struct {
	owner uint64
	file  int
	write bool
}

// handle is an open file. Its fields but f are guarded by the cache's mu.
type handle struct {
	f       rawFile
	key     fdKey
	users   int
	elem    *list.Element // in idle; nil while there are users
	dropped bool          // not in open any more: closed by its last user
}

func newFDCache(limit int) *fdCache {
	return &fdCache{max: limit, open: map[fdKey]*handle{}, idle: list.New(), trail: pagecache.NewTrail[inCache](pagecache.Budget())}
}

// acquire returns the open file of key, opening it if need be. The caller must
// release it.
func (c *fdCache) acquire(key fdKey, open func() (rawFile, error)) (*handle, error) {
	if h := c.lookup(key); h != nil {
		return h, nil
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.use(key); h != nil { // somebody else was faster
		f.close()
		return h, nil
	}
	h := &handle{f: f, key: key, users: 1}
	c.open[key] = h
	c.evict()
	return h, nil
}

func (c *fdCache) lookup(key fdKey) *handle {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.use(key)
}

// use counts one more user of key's file, if it is open.
func (c *fdCache) use(key fdKey) *handle {
	h := c.open[key]
	if h == nil {
		return nil
	}
	if h.elem != nil {
		c.idle.Remove(h.elem)
		h.elem = nil
	}
	h.users++
	return h
}

// release gives back what acquire returned.
func (c *fdCache) release(h *handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.users--; h.users > 0 {
		return
	}
	if h.dropped {
		h.f.close()
		return
	}
	h.elem = c.idle.PushFront(h)
	c.evict()
}

// evict closes the least recently used idle files while too many are open.
func (c *fdCache) evict() {
	for len(c.open) > c.max && c.idle.Len() > 0 {
		c.remove(c.idle.Back().Value.(*handle))
	}
}

// remove forgets a file; it is closed now or by its last user.
func (c *fdCache) remove(h *handle) {
	delete(c.open, h.key)
	h.dropped = true
	if h.elem != nil {
		c.idle.Remove(h.elem)
		h.f.close()
	}
}

// drop forgets one file of an owner, so that the next user opens what stands
// there then.
func (c *fdCache) drop(owner uint64, file int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, write := range []bool{false, true} {
		if h := c.open[fdKey{owner, file, write}]; h != nil {
			c.remove(h)
		}
	}
}

// dropAll forgets all files of an owner.
func (c *fdCache) dropAll(owner uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, h := range c.open {
		if key.owner == owner {
			c.remove(h)
		}
	}
}
