package ttlpool_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
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

// The only place is held by a connection that is not trusted: it makes way.
func TestAStrictRequestFindsAPlaceBesideAPeerThatHasHungUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLeaving(t, ttlpool.WithMaxConnsPerHost(3))
		l.hangUpOn(3)
		open := make(chan string, 3)
		for range 3 {
			go func() { open <- l.post() }()
		}
		got := []string{<-open, <-open, <-open}
		assert.ElementsMatch(t, []string{"4.1", "5.1", "6.1"}, got)
		assert.EqualValues(t, 1, l.tr.Stats().Closed[ttlpool.ClosedMadeWay])
	})
}

// What a request has found closed counts as what the watch has seen, which not every
// system has.
func TestAStaleConnectionKeepsStrictRequestsOffItsSiblings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, hook := newMemNet(), &onCheckout{}
		server := startRaw(t, network.Listen("hub.test:80"), (*rawConn).answerAll)
		tr := newTransport(t, over(network), hook.trace())
		idleConns(t, tr, server.url(), 2)
		time.Sleep(time.Second)
		hook.set(func() { _ = server.all()[1].Close() })
		assert.Equal(t, "3.1", get(t, tr, server.url()), "sent again")
		assert.EqualValues(t, 1, tr.Stats().Stale)
		inUse, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", server.url(), nil))
		assert.NoError(t, err)
		assert.Equal(t, "4.1", send(t, tr, newRequest(t, t.Context(), "POST", server.url(), stream("x"))), "and not on the first")
		assert.Equal(t, "3.2", readBody(t, inUse))
	})
}
