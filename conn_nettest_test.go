package ttlpool_test

import (
	"context"
	"net"
	"testing"

	"github.com/ttlpool/ttlpool"
	"golang.org/x/net/nettest"
)

// pipeOverLoopback makes one end from a pool, over TCP. If reused, that end has
// been in the pool before.
func pipeOverLoopback(reused bool) nettest.MakePipe {
	return func() (c1, c2 net.Conn, stop func(), err error) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, nil, err
		}
		defer ln.Close()
		p, err := ttlpool.NewPool(nil)
		if err != nil {
			return nil, nil, nil, err
		}
		client, err := p.Get(context.Background(), "tcp", ln.Addr().String())
		if err != nil {
			return nil, nil, nil, err
		}
		server, err := ln.Accept()
		if err != nil {
			return nil, nil, nil, err
		}
		if reused {
			client.Release()
			if client, err = p.Get(context.Background(), "tcp", ln.Addr().String()); err != nil {
				return nil, nil, nil, err
			}
		}
		return client, server, func() {
			_ = p.Close()
			_ = server.Close()
		}, nil
	}
}

func TestConnIsANetConnOverLoopback(t *testing.T) {
	t.Run("new", func(t *testing.T) { nettest.TestConn(t, pipeOverLoopback(false)) })
	t.Run("reused", func(t *testing.T) { nettest.TestConn(t, pipeOverLoopback(true)) })
}

func TestConnIsANetConnInMemory(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		var network peers
		p, err := ttlpool.NewPool(network.Dial)
		if err != nil {
			return nil, nil, nil, err
		}
		client, err := p.Get(context.Background(), "tcp", "hub:80")
		if err != nil {
			return nil, nil, nil, err
		}
		server := peerOf(client).server
		return client, server, func() {
			_ = p.Close()
			_ = server.Close()
		}, nil
	})
}

// The tests' own network must be a net.Conn, too.
func TestMemConnIsANetConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		network := newMemNet()
		ln := network.Listen("hub:80")
		client, err := network.Dial(context.Background(), "tcp", "hub:80")
		if err != nil {
			return nil, nil, nil, err
		}
		server, err := ln.Accept()
		if err != nil {
			return nil, nil, nil, err
		}
		return client, server, func() {
			_ = client.Close()
			_ = server.Close()
			_ = ln.Close()
		}, nil
	})
}
