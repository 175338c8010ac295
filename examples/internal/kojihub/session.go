package kojihub

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"

	"github.com/ttlpool/ttlpool/examples/internal/xmlrpc"
)

// The codes of the faults that this hub returns.
const (
	genericError     = 1000
	authError        = 1002
	actionNotAllowed = 1004
	buildError       = 1005
	sequenceError    = 1008
	retryError       = 1009
	parameterError   = 1019
)

// Password is that of every user.
const Password = "mirabel"

func fault(code int64, format string, args ...any) error {
	return &xmlrpc.Fault{Code: code, String: fmt.Sprintf(format, args...)}
}

// session is a user's session. Its calls have numbers that grow.
type session struct {
	id       int64
	key      string
	user     string
	lastCall int64 // the number of the last call that changed something; -1: none
}

func (s *session) callName(number int64) string {
	return fmt.Sprintf("session %d, call %d", s.id, number)
}

// openSessionLocked finds the session that a call's header names, if it does.
//
// A number that is noted already belongs to a call that has changed something, so it must not be run again. Numbers of
// calls that only read are not noted: they may be.
func (c *call) openSessionLocked(header http.Header) error {
	c.number = -1
	if header.Get("Koji-Session-Id") == "" {
		return nil
	}
	id, err := strconv.ParseInt(header.Get("Koji-Session-Id"), 10, 64)
	s := c.hub.sessions[id]
	if err != nil || s == nil || s.key != header.Get("Koji-Session-Key") {
		return fault(authError, "Invalid session or bad credentials")
	}
	c.session = s
	text := header.Get("Koji-Session-Callnum")
	if text == "" {
		return nil
	}
	if c.number, err = strconv.ParseInt(text, 10, 64); err != nil || c.number < 0 {
		return fault(authError, "Invalid callnum: %q", text)
	}
	switch {
	case s.lastCall > c.number:
		return fault(sequenceError, "%d > %d (session %d)", s.lastCall, c.number, s.id)
	case s.lastCall == c.number:
		return fault(retryError, "unable to retry call %d for session %d", c.number, s.id)
	}
	return nil
}

// commitLocked notes the number of a call that has changed something.
func (c *call) commitLocked() {
	if c.session != nil && c.wrote && c.number >= 0 {
		c.session.lastCall = c.number
	}
}

func (c *call) login(args []any) (any, error) {
	user, err := argument[string](args, 0, "user")
	if err != nil {
		return nil, err
	}
	password, err := argument[string](args, 1, "password")
	if err != nil {
		return nil, err
	}
	if c.session != nil {
		return nil, fault(authError, "Already logged in")
	}
	if user == "" || password != Password {
		return nil, fault(authError, "invalid username or password")
	}
	c.hub.lastSession++
	s := &session{id: c.hub.lastSession, key: rand.Text(), user: user, lastCall: -1}
	c.hub.sessions[s.id] = s
	return map[string]any{"session-id": s.id, "session-key": s.key, "header-auth": true}, nil
}

func (c *call) logout([]any) (any, error) {
	delete(c.hub.sessions, c.session.id)
	return nil, nil
}
