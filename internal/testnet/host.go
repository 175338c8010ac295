package testnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"syscall"
)

// Host is one end of a network.
type Host struct {
	ns   *namespace
	addr netip.Addr
}

// Addr returns the host's address.
func (h *Host) Addr() netip.Addr { return h.addr }

// Listen listens on the host, as [net.Listen] does. Without a host, as in
// ":0", the address is the host's own, so that the listener's Addr is what to
// dial.
func (h *Host) Listen(network, address string) (net.Listener, error) {
	ip, port, err := splitLiteral(address)
	if err != nil {
		return nil, fmt.Errorf("testnet: listen %s: %w", address, err)
	}
	if ip == "" {
		address = net.JoinHostPort(h.addr.String(), port)
	}
	leave, err := h.ns.join()
	if err != nil {
		return nil, fmt.Errorf("testnet: listen %s: %w", address, err)
	}
	defer leave()
	return net.Listen(network, address)
}

// errStray guards against a socket made outside the namespace: package net
// makes one socket, on the goroutine that dials, for an address that needs no
// look-up, except when it tries again on its own.
var errStray = errors.New("testnet: the socket would be made outside the network")

// DialContext dials from the host, as [net.Dialer.DialContext] does. The
// address must be an IP address and a port: a name would be looked up outside
// the network.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	ip, _, err := splitLiteral(address)
	if err == nil && ip == "" {
		err = errNoLiteral
	}
	if err != nil {
		return nil, fmt.Errorf("testnet: dial %s: %w", address, err)
	}
	leave, err := h.ns.join()
	if err != nil {
		return nil, fmt.Errorf("testnet: dial %s: %w", address, err)
	}
	defer leave()
	d := net.Dialer{Control: func(string, string, syscall.RawConn) error {
		// The socket is there; its thread need not wait for the handshake.
		if !leave() {
			return errStray
		}
		return nil
	}}
	return d.DialContext(ctx, network, address)
}

// Start starts a process on the host, as cmd.Start does: a real server to
// test against. The caller waits for it, and ends it before the network's
// Close.
func (h *Host) Start(cmd *exec.Cmd) error {
	leave, err := h.ns.join()
	if err != nil {
		return fmt.Errorf("testnet: start %s: %w", cmd.Path, err)
	}
	defer leave()
	return cmd.Start()
}

var errNoLiteral = errors.New("want an IP address and a port")

// splitLiteral splits an address whose host is an IP address or empty.
func splitLiteral(address string) (ip, port string, err error) {
	ip, port, err = net.SplitHostPort(address)
	if err != nil {
		return "", "", err
	}
	if _, err := netip.ParseAddr(ip); ip != "" && err != nil {
		return "", "", errNoLiteral
	}
	return ip, port, nil
}
