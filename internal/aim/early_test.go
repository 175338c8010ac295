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
	unsolicited := response("200 OK", "nobody", "", 2)
	tests := []struct {
		name   string
		script script
	}{
		{"408 and close", script{idle: idleTimeout, early: response("408 Request Timeout", "nobody", "Connection: close\r\n", 0)}},
		{"an answer and close", script{idle: idleTimeout, early: unsolicited}},
		{"an answer", script{idle: idleTimeout, early: unsolicited, stays: true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			onAll(t, func(t *testing.T, p path) { crossRequests(t, p, test.script) })
		})
	}
}

func crossRequests(t *testing.T, p path, s script) {
	srv := serve(t, p, s)
	n := requests(t)
	c := &campaign{server: srv, calls: n, workers: lanesFor(n), methods: both, next: p.aimedAt(idleTimeout)}
	us, them := ours(t, p, srv, ttlpool.WithLearning(false)), theirs(t, p, srv)
	result := c.contest(t, us, them)
	for _, m := range both {
		got := result[0][m]
		assert.Zero(t, got.p4)
		unnoticed := got.outcomes[foreign] + got.outcomes[timedOut] - got.slipped
		switch {
		case !p.helped(): // without the kernel's figures there is no telling
		case s.stays: // only in time: the server acknowledges the request a little later
			assert.LessOrEqual(t, unnoticed, got.calls/50)
		default: // all, but for what slipped in between the server's last look and its close
			assert.LessOrEqual(t, unnoticed, got.calls/500)
		}
	}
	get, post := result[0][http.MethodGet], result[0][http.MethodPost]
	assert.Equal(t, get.outcomes[foreign]+get.outcomes[timedOut], get.failed(), "for one: %v", get.example)
	assertSafe(t, post)
	control := result[1][http.MethodPost]
	assert.Positive(t, control.outcomes[foreign]+control.outcomes[timedOut], "the aim is not good enough to prove anything")
}
