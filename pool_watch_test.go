//go:build linux || ((darwin || freebsd) && (amd64 || arm64))

package ttlpool_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// Where the system tells, nobody has to ask.
func TestAPeerThatHangsUpIsNoticedThoughNoRequestComes(t *testing.T) {
	closed := make(chan struct{})
	var info ttlpool.ConnInfo
	l := newLoopback(t, ttlpool.WithTrace(&ttlpool.Trace{ConnClosed: func(i ttlpool.ConnInfo) {
		info = i
		close(closed)
	}}))
	c, peer := l.dial(t)
	c.Release()
	require.NoError(t, peer.Close())
	await(t, closed)
	assert.Equal(t, ttlpool.ClosedHungUp, info.Closed)
	assert.Zero(t, l.pool.Stats().Open)
}

// Whatever a hook does, the watch sees on.
func TestAHookThatTakesLongHoldsUpNoNewsOfOtherPeers(t *testing.T) {
	told, goOn := make(chan struct{}), make(chan struct{})
	var order []ttlpool.ConnInfo
	done := make(chan struct{})
	l := newLoopback(t, ttlpool.WithTrace(&ttlpool.Trace{ConnClosed: func(i ttlpool.ConnInfo) {
		if order = append(order, i); len(order) == 1 {
			close(told)
			<-goOn
		} else {
			close(done)
		}
	}}))
	first, firstPeer := l.dial(t)
	second, secondPeer := l.dial(t)
	first.Release()
	second.Release()
	require.NoError(t, firstPeer.Close())
	await(t, told)
	require.NoError(t, secondPeer.Close())
	eventually(t, func() bool { return l.pool.Stats().Open == 0 }, "both are closed, though nobody has been told of the second")
	close(goOn)
	await(t, done)
	assert.Len(t, order, 2)
}

func TestAHookThatEndsItsGoroutineEndsNoNewsOfOtherPeers(t *testing.T) {
	var told atomic.Int32
	l := newLoopback(t, ttlpool.WithTrace(&ttlpool.Trace{ConnClosed: func(ttlpool.ConnInfo) {
		if told.Add(1) == 1 {
			runtime.Goexit()
		}
	}}))
	first, firstPeer := l.dial(t)
	second, secondPeer := l.dial(t)
	first.Release()
	second.Release()
	require.NoError(t, firstPeer.Close())
	eventually(t, func() bool { return told.Load() == 1 }, "nobody was told")
	require.NoError(t, secondPeer.Close())
	eventually(t, func() bool { return told.Load() == 2 }, "nobody was told of the second")
}

// A connection in use is its holder's: what the peer has sent before it hung up
// can still be read.
func TestAPeerThatHangsUpDoesNotCloseAConnectionInUse(t *testing.T) {
	closed := make(chan struct{}, 2)
	l := newLoopback(t, ttlpool.WithTrace(&ttlpool.Trace{ConnClosed: func(ttlpool.ConnInfo) { closed <- struct{}{} }}))
	used, usedPeer := l.dial(t)
	idle, idlePeer := l.dial(t)
	idle.Release()
	_, err := usedPeer.Write([]byte("bye"))
	require.NoError(t, err)
	require.NoError(t, usedPeer.Close())
	require.NoError(t, idlePeer.Close())
	await(t, closed) // when the second hang-up was noticed, so was the first
	assert.Equal(t, ttlpool.NotClosed, used.Info().Closed)
	var buf [3]byte
	_, err = used.Read(buf[:])
	require.NoError(t, err)
	assert.Equal(t, "bye", string(buf[:]))
	used.Release()
	assert.Equal(t, ttlpool.ClosedHungUp, used.Info().Closed)
}

func TestACloseIsNoticedThroughTwoLayersOfTLS(t *testing.T) {
	l, hangUp := listenTCP(t), make(chan struct{})
	startTunnelled(t, l, func(c *rawConn, _ *tunnelEnd) {
		c.next()
		c.answer("mine")
		<-hangUp
	})
	closed := make(chan struct{})
	tr := newTransport(t, ttlpool.WithBase(throughTunnel(l.Addr().String())),
		ttlpool.WithTrace(&ttlpool.Trace{ConnClosed: func(ttlpool.ConnInfo) { close(closed) }}))
	assert.Equal(t, "mine", get(t, tr, "https://server.test/"))
	close(hangUp)
	await(t, closed)
	assertClosed(t, tr, ttlpool.ClosedHungUp, 1)
}

// A hook that takes long is called between the lease of a connection and its
// hand-over.
func TestP1_WhatAHookTakesCountsAsIdleTime(t *testing.T) {
	const ttl = 500 * time.Millisecond
	var told atomic.Bool
	l := newLoopback(t, ttlpool.WithTTL(ttl), ttlpool.WithTrace(&ttlpool.Trace{ConnClosed: func(i ttlpool.ConnInfo) {
		if i.Closed == ttlpool.ClosedStrayBytes {
			told.Store(true)
			time.Sleep(2 * ttl)
		}
	}}))
	older, _ := l.dial(t)
	newer, peer := l.dial(t)
	_, err := peer.Write([]byte("nobody asked"))
	require.NoError(t, err)
	awaitReadable(t, newer)
	older.Release()
	newer.Release()
	c := mustGet(t, l.pool, l.address)
	assert.True(t, told.Load(), "the one used last is looked at first")
	assert.NotSame(t, older, c)
	assert.Equal(t, ttlpool.ClosedTTL, older.Info().Closed)
	c.Release()
}
