package main

import (
	"context"
	"crypto/tls"
	"net/url"
	"sync"
	"time"
)

// observation is what one connection has shown.
type observation struct {
	requests   int // answered
	answered   time.Time
	opened     time.Time
	ending     ending
	closeAsked bool // the last response said Connection: close
	facts      facts
}

// facts are what responses say.
type facts struct {
	protocol, tls, server, via string
	keepAlive                  string // the Keep-Alive field
}

func (o *observation) idle() time.Duration { return o.ending.at.Sub(o.answered) }
func (o *observation) age() time.Duration  { return o.ending.at.Sub(o.opened) }

// probe finds out about one server. It returns when all its connections have
// ended, or have been held for the longest time.
func probe(ctx context.Context, c *config, u *url.URL, shown *progress) *finding {
	if o, err := first(ctx, c, u); err != nil {
		return &finding{URL: u.String(), err: err}
	} else if o.closeAsked {
		return analyse(u.String(), []*observation{o}, 0)
	}
	observed := make([]*observation, c.connections)
	var served int
	var all sync.WaitGroup
	if c.requests > 0 {
		all.Go(func() { served = countRequests(ctx, c, u) })
	}
	for i := range observed {
		all.Go(func() {
			o, err := observe(ctx, c, u, i)
			if err == nil {
				observed[i] = o
				shown.closed(u, o)
			}
		})
	}
	shown.begin(u, c.connections)
	all.Wait()
	return analyse(u.String(), observed, served)
}

// first makes one request on a connection of its own, so that what is wrong
// with the server is said once.
func first(ctx context.Context, c *config, u *url.URL) (*observation, error) {
	l, err := open(ctx, c, u)
	if err != nil {
		return nil, err
	}
	defer l.close()
	o := &observation{opened: l.opened}
	return o, o.exchange(ctx, c, l, false)
}

// observe makes requests on the connection of this number, one more than on
// that before, and holds it idle: a timer that begins anew with each request
// runs out after the same idle time on all, a limit of age after the same age.
// The second one asks for the hint.
func observe(ctx context.Context, c *config, u *url.URL, number int) (*observation, error) {
	l, err := open(ctx, c, u)
	if err != nil {
		return nil, err
	}
	defer l.close()
	ctx, cancel := context.WithTimeout(ctx, c.max)
	defer cancel()
	o := &observation{opened: l.opened}
	for i := range max(1, number) {
		if i > 0 {
			pause, stop := context.WithTimeout(ctx, c.stagger)
			e := l.hold(pause)
			stop()
			if e.how != stillOpen {
				o.ending = e
				return o, nil
			}
			_ = l.ear.SetDeadline(time.Time{})
		}
		if err := o.exchange(ctx, c, l, number == 1); err != nil {
			if o.requests > 0 {
				o.ending = ending{at: time.Now(), how: stillOpen, err: err}
				return o, nil
			}
			return nil, err
		}
	}
	o.ending = l.hold(ctx)
	return o, nil
}

// exchange makes one request and notes what its answer says.
func (o *observation) exchange(ctx context.Context, c *config, l *link, asks bool) error {
	header := c.header.Clone()
	if asks && l.http2 == nil {
		header.Set("Connection", "keep-alive") // Apache httpd states its timeout only then
	}
	resp, err := l.exchange(ctx, header)
	if err != nil {
		return err
	}
	o.answered = time.Now()
	o.requests++
	o.closeAsked = resp.Close
	o.facts.protocol = resp.Proto
	o.facts.server = resp.Header.Get("Server")
	o.facts.via = resp.Header.Get("Via")
	if hint := resp.Header.Get("Keep-Alive"); hint != "" {
		o.facts.keepAlive = hint
	}
	if secure, ok := l.conn.(*tls.Conn); ok {
		o.facts.tls = tls.VersionName(secure.ConnectionState().Version)
	}
	return nil
}

// countRequests returns after how many requests the server closed a connection,
// 0 if it served as many as were asked for.
func countRequests(ctx context.Context, c *config, u *url.URL) int {
	l, err := open(ctx, c, u)
	if err != nil {
		return 0
	}
	defer l.close()
	o := &observation{opened: l.opened}
	for range c.requests {
		if err := o.exchange(ctx, c, l, false); err != nil {
			if ctx.Err() != nil {
				return 0
			}
			return o.requests
		}
		if o.closeAsked {
			return o.requests
		}
	}
	return 0
}
