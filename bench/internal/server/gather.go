package server

import (
	"strconv"
	"strings"
	"sync"
)

// gatherPath asks for an answer that comes when so many requests wait for it.
const gatherPath = "/gather/"

// Gather is the path of an answer like that of Small, which comes to so many
// requests at once, when the last of them is there.
func Gather(requests int) string { return gatherPath + strconv.Itoa(requests) }

// gathering is where requests wait for each other.
type gathering struct {
	mu      sync.Mutex // guards the rest; nothing blocks under it
	waiting int
	begin   chan struct{} // closed when all are there, or the server is; nil: none wait
	closed  bool
}

// await waits for the others. It reports whether the path says so.
func (g *gathering) await(path string) bool {
	number, ok := strings.CutPrefix(path, gatherPath)
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return false
	}
	<-g.join(n)
	return true
}

func (g *gathering) join(n int) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.begin == nil {
		g.begin = make(chan struct{})
	}
	all := g.begin
	if g.waiting++; g.waiting >= n || g.closed {
		g.releaseLocked()
	}
	return all
}

// close lets all go who wait, and whoever comes.
func (g *gathering) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	if g.begin != nil {
		g.releaseLocked()
	}
}

func (g *gathering) releaseLocked() {
	close(g.begin)
	g.begin, g.waiting = nil, 0
}
