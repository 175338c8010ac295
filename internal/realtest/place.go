package realtest

import (
	"context"
	"net"
	"os/exec"
)

// Place is where a server runs, and how it is reached from where its clients are.
// The functions are those of package net and of [exec.Cmd], or of a host of a
// network with a round trip.
type Place struct {
	Listen func(network, address string) (net.Listener, error)
	Start  func(*exec.Cmd) error
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)

	Host string // where Listen listens: an IP address
}

// Loopback is this machine's own interface.
func Loopback() Place {
	return Place{
		Listen: net.Listen,
		Start:  (*exec.Cmd).Start,
		Dial:   new(net.Dialer).DialContext,
		Host:   "127.0.0.1",
	}
}
