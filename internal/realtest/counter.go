package realtest

import (
	"maps"
	"sync"
)

// counter counts what a server in this process has processed.
type counter struct {
	mu sync.Mutex // guards by, and nothing else happens under it
	by map[string]int
}

func (c *counter) add(id string) {
	if id == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[string]int)
	}
	c.by[id]++
}

// times returns a copy, never nil.
func (c *counter) times() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		return make(map[string]int)
	}
	return maps.Clone(c.by)
}
