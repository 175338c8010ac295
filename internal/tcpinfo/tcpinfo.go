// Package tcpinfo tells what the kernel knows of a TCP connection.
package tcpinfo

import "time"

// Info is what the kernel knows of a connection.
type Info struct {
	// Acked is how many bytes of ours the peer's kernel has acknowledged, over the
	// life of the connection.
	Acked int64
	// InFlight says that segments of ours are on their way, not acknowledged.
	// What waits for room in the peer's window is not.
	InFlight bool
	// SinceAck is how long ago the last acknowledgement arrived, new or not.
	SinceAck time.Duration
	// SinceArrival is how long ago the last data arrived, to a few milliseconds.
	SinceArrival time.Duration
	// PeerClosed says that a FIN has come and none was sent.
	PeerClosed bool
	// RoundTrip is the smoothed round-trip time, Variation its mean deviation.
	RoundTrip, Variation time.Duration
}
