package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// progress shows that something is going on: on a terminal a bar that is drawn
// again and again, elsewhere a line for each close.
type progress struct {
	w    io.Writer
	max  time.Duration
	live bool

	mu      sync.Mutex // guards the rest, and writes to w
	begun   time.Time
	held    int
	done    int
	ticker  *time.Ticker
	stopped chan struct{}
	drawing sync.WaitGroup
}

func newProgress(w io.Writer, longest time.Duration) *progress {
	return &progress{w: w, max: longest, live: isTerminal(w), stopped: make(chan struct{})}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// begin says that connections to a server are being held.
func (p *progress) begin(u *url.URL, connections int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held += connections
	if !p.live {
		fmt.Fprintf(p.w, "%s: holding %d connections idle, for %v at most\n", u, connections, p.max)
		return
	}
	if p.ticker == nil {
		p.begun, p.ticker = time.Now(), time.NewTicker(200*time.Millisecond)
		p.drawing.Go(p.draw)
	}
}

func (p *progress) draw() {
	for {
		select {
		case <-p.ticker.C:
			p.mu.Lock()
			fmt.Fprint(p.w, "\r"+bar(time.Since(p.begun), p.max, p.done, p.held))
			p.mu.Unlock()
		case <-p.stopped:
			return
		}
	}
}

// bar is what is drawn after so much time.
func bar(after, longest time.Duration, done, held int) string {
	const width = 30
	filled := min(width, int(width*after/max(longest, 1)))
	return fmt.Sprintf("[%s%s] %5.1f s of %v, %d of %d closed ",
		strings.Repeat("#", filled), strings.Repeat(".", width-filled), after.Seconds(), longest, done, held)
}

// closed says that a connection has come to its end.
func (p *progress) closed(u *url.URL, o *observation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if !p.live {
		fmt.Fprintf(p.w, "%s: %s after %s idle\n", u, o.ending.how, seconds(o.idle()))
	}
}

// end takes the bar away.
func (p *progress) end() {
	close(p.stopped)
	p.drawing.Wait()
	if p.ticker != nil {
		p.ticker.Stop()
		fmt.Fprint(p.w, "\r"+strings.Repeat(" ", 78)+"\r")
	}
}
