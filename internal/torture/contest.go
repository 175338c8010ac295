package torture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ttlpool/ttlpool/internal/realtest"
)

// Effort is how much is done.
type Effort struct {
	Requests int // aimed, of each method, by each peer, at each server
	Lanes    int // connections of each peer to each server, side by side
	// Limit is how long requests are aimed. Reports are of those that were made by
	// then. 0: no limit.
	Limit time.Duration
}

// startsAtOnce is how many servers are started side by side. A Java machine that
// starts disturbs everybody's aim.
const startsAtOnce = 2

// Run starts the servers of all rows, and then runs them side by side: they mostly
// wait. The reports are in the order of the rows. When ctx ends no more requests
// are aimed, and the reports are of what was done. A row that fails is in the
// error, and its report is missing; the others are none the worse.
func Run(ctx context.Context, rows []Row, effort Effort) ([]Report, error) {
	contests := make([]*contest, len(rows))
	defer func() {
		for _, c := range contests {
			c.close()
		}
	}()
	err := sideBySide(len(rows), startsAtOnce, func(i int) (err error) {
		contests[i], err = prepare(rows[i], effort)
		return err
	})
	if err != nil {
		return nil, err
	}
	if effort.Limit > 0 {
		limited, cancel := context.WithTimeout(ctx, effort.Limit)
		defer cancel()
		ctx = limited
	}
	reports := make([]Report, len(rows))
	err = sideBySide(len(rows), len(rows), func(i int) (err error) {
		reports[i], err = contests[i].run(ctx)
		return err
	})
	return slices.DeleteFunc(reports, func(r Report) bool { return len(r.Peers) == 0 }), err
}

// sideBySide calls n functions, so many at once, and joins their errors.
func sideBySide(n, atOnce int, f func(int) error) error {
	errs := make([]error, n)
	places := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i := range n {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			errs[i] = f(i)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// contest is one row with its servers and peers.
type contest struct {
	row              Row
	effort           Effort
	server, counting *realtest.Server
	target           target
	peers            []*Peer
}

// prepare starts what is needed. What it returns is to be closed, also with an
// error.
func prepare(row Row, effort Effort) (c *contest, err error) {
	if row.lanes != 0 {
		effort.Lanes = min(effort.Lanes, row.lanes)
	}
	c = &contest{row: row, effort: effort}
	if err := c.start(); err != nil {
		return c, err
	}
	c.target = target{address: c.server.Address, timeout: timeout}
	if row.cert != nil {
		c.target.secure = row.cert.ClientConfig()
		c.target.secure.ServerName = "localhost" // whatever the lane
	}
	if c.peers, err = direct(c.target, row.hints); err != nil || !row.proxies {
		return c, err
	}
	proxies, err := behindProxies(c.target, c.effort.Lanes)
	c.peers = append(c.peers, proxies...)
	return c, err
}

// start starts the server and the one that counts, which may be the same.
func (c *contest) start() (err error) {
	if c.row.proxy == nil {
		c.server, err = realtest.Run(c.row.Kind)
		c.counting = c.server
		return err
	}
	if c.counting, err = realtest.Run(realtest.Go{}); err != nil {
		return err
	}
	c.server, err = realtest.Run(c.row.proxy(c.counting.Address))
	return err
}

func (c *contest) close() {
	if c == nil {
		return
	}
	stopAll(c.peers)
	for _, s := range []*realtest.Server{c.server, c.counting} {
		if s != nil {
			_ = s.Close() // what it was for has been had
		}
	}
}

func (c *contest) run(ctx context.Context) (r Report, err error) {
	r = Report{Server: c.server.Name(), Note: c.row.Note, Exact: c.row.exact, Timeout: timeout, At: time.Now()}
	if r.Closes, err = c.target.watch(8); err != nil {
		return r, fmt.Errorf("%s: %w", r.Server, err)
	}
	campaigns := make([]*campaign, len(c.peers))
	var all sync.WaitGroup
	for i, p := range c.peers {
		campaigns[i] = &campaign{
			peer: p, name: fmt.Sprintf("p%d", i), timeout: timeout, closes: r.Closes, methods: Methods(), effort: c.effort,
		}
		all.Go(func() { campaigns[i].run(ctx) })
	}
	all.Wait()
	stopAll(c.peers)
	if err := errors.Join(c.server.Stop(), c.counting.Stop()); err != nil {
		return r, err
	}
	processed, err := c.counting.Processed()
	if err != nil {
		return r, err
	}
	for _, campaign := range campaigns {
		r.Peers = append(r.Peers, campaign.report(processed))
	}
	return r, nil
}
