package ttlpool

import (
	"strconv"
	"strings"
	"time"
)

// hint is what a server says in Keep-Alive (RFC 2068, 19.7.1): how long it
// keeps this connection idle, and how many more exchanges it serves on it.
type hint struct {
	timeout  time.Duration // 0: not said
	max      int
	maxSaid  bool
	unusable int // parameters that could not be understood
}

// refusesReuse is a timeout that leaves nothing after any margin.
const refusesReuse = time.Nanosecond

// longestHint is as good as no limit; a larger number is no hint at all.
const longestHint = 365 * 24 * time.Hour

// parseKeepAlive reads the values of the Keep-Alive fields: parameters with
// commas in between, in any case, with spaces and quotes where people put them.
// The timeout is in seconds. Of parameters that are repeated the smallest
// counts. What is no number is ignored; other parameters are skipped.
func parseKeepAlive(values []string) (h hint) {
	for _, value := range values {
		for parameter := range strings.SplitSeq(value, ",") {
			name, text, _ := strings.Cut(parameter, "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "timeout":
				h.readTimeout(text)
			case "max":
				h.readMax(text)
			}
		}
	}
	return h
}

func (h *hint) readTimeout(text string) {
	seconds, ok := parseCount(text)
	if !ok || seconds > int64(longestHint/time.Second) {
		h.unusable++
		return
	}
	timeout := max(time.Duration(seconds)*time.Second, refusesReuse)
	if h.timeout == 0 || timeout < h.timeout {
		h.timeout = timeout
	}
}

func (h *hint) readMax(text string) {
	count, ok := parseCount(text)
	if !ok {
		h.unusable++
		return
	}
	if !h.maxSaid || int(count) < h.max {
		h.max, h.maxSaid = int(count), true
	}
}

// parseCount reads digits and nothing else but spaces and quotes around them.
func parseCount(text string) (int64, bool) {
	text = strings.Trim(strings.TrimSpace(text), `"`)
	n, err := strconv.ParseUint(text, 10, 31)
	return int64(n), err == nil
}

// applyHint takes in what the server says of a connection. The holder of the
// only lease calls it, before the exchange ends.
func (c *Conn) applyHint(h hint) {
	c.bucket.mu.Lock()
	defer c.bucket.mu.Unlock()
	if h.unusable > 0 {
		c.bucket.past.tally.count(eventBadHint, int64(h.unusable))
	}
	if h.timeout > 0 {
		c.bucket.past.noteHint(h.timeout)
		c.hinted = h.timeout
		c.bucket.hinted = true
	}
	if h.maxSaid {
		c.maxUses = c.uses + 1 + h.max // with the exchange that is running
	}
}
