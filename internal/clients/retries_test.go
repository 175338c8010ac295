package clients

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTriesAreAddedAndNotMultiplied has a server that processes every request and answers none. What the user sends
// again is sent on a new connection, which the transport never tries twice: only the first, on a connection that had
// served before, may come to the server once more than the user knows, and that only if it is idempotent.
func TestTriesAreAddedAndNotMultiplied(t *testing.T) {
	const text = "a body"
	requests := []struct {
		method string
		body   func() io.Reader
		more   func(c contestant) int
	}{
		{"GET", func() io.Reader { return nil }, func(contestant) int { return 1 }},
		{"PUT", func() io.Reader { return strings.NewReader(text) }, func(c contestant) int {
			if c.ours { // http.Transport sends no PUT again
				return 1
			}
			return 0
		}},
		{"POST", func() io.Reader { return strings.NewReader(text) }, func(contestant) int { return 0 }},
	}
	forEach(t, func(t *testing.T, u user, c contestant) {
		h := startHub(t)
		m := newMeter(t, c)
		send := u.make(t, h, m)
		for _, r := range requests {
			h.deaf.Store(false)
			require.NoError(t, send(t.Context(), "GET", "warm", nil))
			h.deaf.Store(true)

			id := "deaf-" + r.method
			assert.Error(t, send(t.Context(), r.method, id, r.body()))
			assert.Equal(t, u.tries, m.asked(id), "what the user asked for")
			arrivals := h.processed(id)
			assert.Len(t, arrivals, u.tries+r.more(c), "what the server processed of %s", r.method)
			for i, a := range arrivals {
				if a.ContentLength != 0 {
					assert.Equal(t, text, a.body, "the body of %s, number %d", r.method, i)
				}
			}
		}
	})
}

// TestASecondTryIsTheTransportsAffair has a server that loses one request, on a connection that had served before.
func TestASecondTryIsTheTransportsAffair(t *testing.T) {
	forEach(t, func(t *testing.T, u user, c contestant) {
		h := startHub(t)
		m := newMeter(t, c)
		send := u.make(t, h, m)
		require.NoError(t, send(t.Context(), "GET", "warm", nil))
		h.deafOnce.Store(true)
		require.NoError(t, send(t.Context(), "GET", "lost", nil))
		assert.Equal(t, 1, m.asked("lost"), "the user must not notice")
		arrivals := h.processed("lost")
		require.Len(t, arrivals, 2)
		assert.Equal(t, arrivals[0].Header, arrivals[1].Header, "tokens and signatures too")
	})
}

// TestAFailureIsWordedForItsReader: what a user makes of an error must still let the cause be found.
func TestAFailureIsWordedForItsReader(t *testing.T) {
	for _, u := range users {
		if u.name == "httputil.ReverseProxy" {
			continue // its user gets a 502; what it logs is in examples/reverseproxy
		}
		t.Run(u.name, func(t *testing.T) {
			h := startHub(t)
			send := u.make(t, h, newMeter(t, candidate))
			h.deaf.Store(true)
			err := send(t.Context(), "POST", "lost", streaming("text"))
			assert.ErrorContains(t, err, "EOF")
			assert.ErrorContains(t, err, fmt.Sprintf("%s: ", h.Listener.Addr()))
			assert.ErrorContains(t, err, "not retried: the connection was fresh")
		})
	}
}
