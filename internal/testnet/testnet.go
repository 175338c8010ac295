// Package testnet is a network with a round trip, for tests on real TCP.
//
// The loopback interface delivers a segment before the call that sent it
// returns, so what happens while a segment travels can hardly be seen there.
// A [Network] is two network namespaces, a client's and a server's, each with
// a TUN device, and a forwarder between the two that holds every packet for a
// set time. The sockets are ordinary sockets of the kernel: they stay in the
// namespace they were made in, and any goroutine may use them.
//
//	n, err := testnet.New(testnet.Config{RTT: 20 * time.Millisecond})
//	...
//	defer n.Close()
//	l, err := n.Server().Listen("tcp", ":0")
//	c, err := n.Client().DialContext(ctx, "tcp", l.Addr().String())
//
// Nothing leaves the machine: the two namespaces have no other interface, and
// the rest of the machine does not see their addresses, which are the same in
// every network.
//
// It works on Linux, as root, with /dev/net/tun. Everywhere else [New] returns
// an error that says what is missing; [Require] turns that into a failed or a
// skipped test.
package testnet

import (
	"errors"
	"fmt"
	"time"
)

// Config describes a network.
type Config struct {
	// RTT is the round trip, half of it each way. Zero adds no delay.
	RTT time.Duration

	// ToServer and ToClient are the delays each way, for a network that is
	// not symmetric. They exclude RTT.
	ToServer, ToClient time.Duration

	// Observe, if not nil, is called with each packet as it leaves its
	// sender, those that will be lost included, in the order of sending and
	// never concurrently. The network waits for it: it must be quick, and
	// must not call Close.
	Observe func(Packet)
}

// delays returns the delay in each direction.
func (c Config) delays() (delays [2]time.Duration, err error) {
	if c.RTT < 0 || c.ToServer < 0 || c.ToClient < 0 {
		return delays, errors.New("a delay is negative")
	}
	if c.RTT != 0 && (c.ToServer != 0 || c.ToClient != 0) {
		return delays, errors.New("RTT excludes ToServer and ToClient")
	}
	if c.RTT != 0 {
		return [2]time.Duration{ToServer: c.RTT / 2, ToClient: c.RTT - c.RTT/2}, nil
	}
	return [2]time.Duration{ToServer: c.ToServer, ToClient: c.ToClient}, nil
}

// Network is a client's and a server's namespace with a wire between them.
// Its methods may be called concurrently.
type Network struct {
	client, server *Host
	loss           *loss
	close          func() error
}

// New makes a network. Whoever calls it must call Close.
func New(c Config) (*Network, error) {
	delays, err := c.delays()
	if err != nil {
		return nil, fmt.Errorf("testnet: %w", err)
	}
	n, err := open(delays, c.Observe)
	if err != nil {
		return nil, fmt.Errorf("testnet: %w", err)
	}
	return n, nil
}

// Client returns the host that tests dial from.
func (n *Network) Client() *Host { return n.client }

// Server returns the host that tests listen on.
func (n *Network) Server() *Host { return n.server }

// Cut loses every packet that would arrive from now on, those on their way
// included, until Mend: a black hole, of which neither end is told.
func (n *Network) Cut() { n.Drop(func(Packet) bool { return true }) }

// Mend ends what Cut or Drop began.
func (n *Network) Mend() { n.Drop(nil) }

// Drop loses, from now on, the packets that lose reports: one connection's,
// as a NAT does that has forgotten it, or the first FIN. It replaces what an
// earlier Cut or Drop said. lose is asked once for each packet, when it would
// arrive, in the order of arrival and never concurrently; it must not call
// the network's methods.
func (n *Network) Drop(lose func(Packet) bool) { n.loss.set(lose) }

// Close ends the wire and gives the namespaces up. Sockets that are still open
// in them reach nobody any more; they, and processes started there, remain
// for their owners to close. A second call does nothing.
func (n *Network) Close() error { return n.close() }
