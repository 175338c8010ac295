package ttlpool_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// leaving is a server with three idle connections that has just hung up on the second.
type leaving struct {
	*testing.T
	tr     *ttlpool.Transport
	server *rawServer
}

func startLeaving(t *testing.T, opts ...ttlpool.Option) *leaving {
	network := newMemNet()
	server := startRaw(t, network.Listen("hub.test:80"), (*rawConn).answerAll)
	tr := newTransport(t, append(opts, over(network))...)
	idleConns(t, tr, server.url(), 3)
	time.Sleep(time.Second)
	l := &leaving{T: t, tr: tr, server: server}
	l.hangUpOn(2)
	return l
}

func (l *leaving) hangUpOn(index int) {
	assert.NoError(l, l.server.all()[index-1].Close())
	synctest.Wait()
}

// get and post return which connection they were answered on, and at which use.
func (l *leaving) get() string { return get(l.T, l.tr, l.server.url()) }
func (l *leaving) post() string {
	return send(l.T, l.tr, newRequest(l.T, l.Context(), "POST", l.server.url(), stream("x")))
}

// A server that restarts hangs up on one connection after the other.
func TestAStrictRequestTakesNoConnectionOnWhichThePeerMayBeAboutToHangUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLeaving(t)
		assert.Equal(t, "4.1", l.post(), "a new connection")
		assert.Equal(t, "4.2", l.post(), "on which something has come since")
		l.hangUpOn(4)
		assert.Equal(t, "3.2", l.get(), "what can be sent again is not in danger")
		assert.Equal(t, "3.3", l.post(), "nor is a connection that has served since")
		assert.Zero(t, l.tr.Stats().Stale)
	})
}

func TestAPeerThatHasHungUpIsTrustedAgainSoon(t *testing.T) {
	for _, row := range []struct {
		after time.Duration
		want  string
	}{
		{999 * time.Millisecond, "4.1"},
		{time.Second, "3.2"},
	} {
		t.Run(fmt.Sprint(row.after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := startLeaving(t)
				time.Sleep(row.after)
				assert.Equal(t, row.want, l.post())
			})
		})
	}
}

func TestWithoutAStrictTTLAPeerThatHasHungUpIsTrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		assert.Equal(t, "3.2", startLeaving(t, ttlpool.WithStrictTTL(0)).post())
	})
}

// The only place left is held by a connection that is not trusted: it makes way.
func TestAStrictRequestFindsAPlaceBesideAPeerThatHasHungUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLeaving(t, ttlpool.WithMaxConnsPerHost(3))
		l.hangUpOn(3)
		var got []string
		var open []*http.Response
		for range 3 {
			resp, err := l.tr.RoundTrip(newRequest(t, t.Context(), "POST", l.server.url(), stream("x")))
			require.NoError(t, err)
			open = append(open, resp)
		}
		for _, resp := range open {
			got = append(got, readBody(t, resp))
		}
		assert.Equal(t, []string{"4.1", "5.1", "6.1"}, got)
		assertClosed(t, l.tr, ttlpool.ClosedMadeWay, 1)
	})
}

// One that is given back without having served meets a strict request that waits for its
// own connection: it is kept for others.
func TestAConnectionThatIsNotTrustedIsNeitherGrantedNorClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, hook, dialling := newMemNet(), &onCheckout{}, make(chan struct{}, 4)
		server := startRaw(t, network.Listen("hub.test:80"), (*rawConn).answerAll)
		tr := newTransport(t, hook.trace(), ttlpool.WithBase(&http.Transport{
			DialContext: func(ctx context.Context, kind, address string) (net.Conn, error) {
				<-dialling
				return network.Dial(ctx, kind, address)
			},
		}))
		dialling <- struct{}{}
		dialling <- struct{}{}
		idleConns(t, tr, server.url(), 2)
		time.Sleep(time.Second)
		answered := make(chan string)
		hook.set(func() { // a request that gives back what it has taken
			assert.NoError(t, server.all()[0].Close())
			synctest.Wait() // one of the two is in use, and the peer has hung up on the other
			go func() { answered <- send(t, tr, newRequest(t, t.Context(), "POST", server.url(), stream("x"))) }()
			synctest.Wait()
			panic(http.ErrAbortHandler)
		})
		assert.Panics(t, func() { get(t, tr, server.url()) })
		synctest.Wait()
		assert.Equal(t, 1, tr.Stats().Idle, "kept, and not granted")
		assert.Equal(t, "2.2", get(t, tr, server.url()))
		assert.Equal(t, "2.3", <-answered, "it has served since")
		dialling <- struct{}{}
	})
}

// What a request has found closed counts as what the watch has seen, which not every
// system has.
func TestAStaleConnectionKeepsStrictRequestsOffItsSiblings(t *testing.T) {
	const rest = 100 * time.Millisecond // after which a server may have a timer of its own
	for _, row := range []struct {
		name string
		idle time.Duration
		want string
	}{
		{"that had been idle", rest, "4.1"},
		{"that was busy just before", rest / 10, "1.2"}, // the request may have been at fault
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, hook := newMemNet(), &onCheckout{}
				server := startRaw(t, network.Listen("hub.test:80"), func(c *rawConn) {
					for use := 1; ; use++ {
						if req := c.next(); req == nil || c.index == 2 && use == 2 {
							return
						}
						c.answer(fmt.Sprintf("%d.%d", c.index, use))
					}
				})
				tr := newTransport(t, over(network), hook.trace())
				idleConns(t, tr, server.url(), 2)
				time.Sleep(row.idle)
				assert.Equal(t, "3.1", get(t, tr, server.url()), "sent again")
				assert.EqualValues(t, 1, tr.Stats().Stale)
				inUse, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", server.url(), nil))
				require.NoError(t, err)
				assert.Equal(t, row.want, send(t, tr, newRequest(t, t.Context(), "POST", server.url(), stream("x"))))
				assert.Equal(t, "3.2", readBody(t, inUse))
			})
		})
	}
}
