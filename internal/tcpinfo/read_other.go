//go:build !linux

package tcpinfo

import "net"

// Socket is a TCP connection of which the kernel can be asked.
type Socket struct{}

// Of returns nil: only Linux tells enough.
func Of(net.Conn) *Socket { return nil }

// Info is never called, for want of a Socket.
func (*Socket) Info() (Info, bool) { return Info{}, false }

// End is never called, for want of a Socket.
func (*Socket) End() (ended, reset bool) { return false, false }

// Pending is never called, for want of a Socket.
func (*Socket) Pending() bool { return false }

// Unacked is never called, for want of a Socket.
func (*Socket) Unacked() (int64, bool) { return 0, false }

// Sent is never called, for want of a Socket.
func (*Socket) Sent() (int64, bool) { return 0, false }
