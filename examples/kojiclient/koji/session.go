package koji

import (
	"context"
	"net/http"
	"strconv"
)

// Session makes calls with a user's rights. It is safe for concurrent use, but makes one call at a time: the hub wants
// their numbers in order, and two connections keep no order.
type Session struct {
	API
	client *Client
	header http.Header // says whose session it is
	turn   chan int64  // of capacity 1; holds the number of the next call while nobody makes one
}

// Login begins a session by name and password. Logout ends it.
func (c *Client) Login(ctx context.Context, user, password string) (*Session, error) {
	result, err := c.call(ctx, "login", []any{user, password})
	if err != nil {
		return nil, err
	}
	f := fieldsOf("session", result)
	s := &Session{
		client: c,
		header: http.Header{
			"Koji-Session-Id":  {strconv.FormatInt(f.int("session-id"), 10)},
			"Koji-Session-Key": {f.text("session-key")},
		},
		turn: make(chan int64, 1),
	}
	s.API = API{s}
	s.turn <- 0
	return s, f.err
}

// Logout ends the session at the hub.
func (s *Session) Logout(ctx context.Context) error {
	_, err := s.call(ctx, "logout", nil)
	return err
}

// call makes a call under the next number. It keeps that number on its way: a proxy that sends it again sends the same.
func (s *Session) call(ctx context.Context, method string, args []any) (any, error) {
	select {
	case number := <-s.turn:
		defer func() { s.turn <- number + 1 }()
		header := s.header.Clone()
		header["Koji-Session-Callnum"] = []string{strconv.FormatInt(number, 10)}
		return s.client.post(ctx, header, method, args)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
