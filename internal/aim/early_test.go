package aim

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/ttlpool/ttlpool"
)

// TestEarlyAnswer has a server send what nobody asked for on connections that
// are idle, so that it crosses requests on the wire.
func TestEarlyAnswer(t *testing.T) {
	timedOut := response("408 Request Timeout", "nobody", "Connection: close\r\n", 0)
	unsolicited := response("200 OK", "nobody", "", 2)
	tests := []struct {
		name   string
		script script
		on     func(*testing.T, func(*testing.T, path))
	}{
		{"408 and close", script{early: timedOut}, onAll},
		{"an answer and close", script{early: unsolicited}, onAll},
		{"an answer", script{early: unsolicited, stays: true}, onAll},
		{"408 and close, without a look", script{early: timedOut, blind: true}, onBoth},
		{"an answer and close, without a look", script{early: unsolicited, blind: true}, onBoth},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.script.idle = idleTimeout
			test.on(t, func(t *testing.T, p path) { crossRequests(t, p, test.script) })
		})
	}
}

func crossRequests(t *testing.T, p path, s script) {
	srv := serve(t, p, s)
	n := requests(t)
	c := &campaign{server: srv, calls: n, workers: p.calmLanesFor(n), methods: both, next: p.aimedAt(idleTimeout)}
	us, them := ours(t, p, srv, ttlpool.WithLearning(false)), theirs(t, p, srv)
	result := c.contest(t, us, them)
	get, post := result[0][http.MethodGet], result[0][http.MethodPost]
	assertSafe(t, post)
	assert.Zero(t, get.p4)
	assert.Zero(t, get.outcomes[timedOut], "it is sent again, whatever the kernel proves")
	assert.Equal(t, get.outcomes[foreign], get.failed(), "for one: %v", get.example)
	if p.helped() { // without the kernel's figures a wrong answer cannot be told from the right one
		if !s.blind { // else it is sent again as well, unless the server stalled for longer than servers wait
			assert.LessOrEqual(t, post.outcomes[timedOut], max(post.calls/200, 2), "it is sent again")
		}
		for _, got := range []*tally{get, post} {
			assert.LessOrEqual(t, got.outcomes[foreign], got.slipped+unnoticed(s, got.calls))
			if !s.blind {
				assert.LessOrEqual(t, got.slipped, max(got.calls/200, 2), "there is hardly time for it after the server's look")
			}
		}
	}
	control := result[1][http.MethodPost]
	assert.Positive(t, control.outcomes[foreign]+control.outcomes[timedOut], "the aim is not good enough to prove anything")
}

// unnoticed is how many of so many wrong answers may go unnoticed that were on
// their way when the request was: where the server goes on, it acknowledges the
// request a little later, and what is read after that looks like an answer.
func unnoticed(s script, calls int) int {
	if s.stays {
		return calls / 50
	}
	return max(calls/500, 2)
}
