//go:build !unix

package hangup

import "net"

// Probe looks at one socket without reading from it.
type Probe struct{}

// NewProbe returns nil: this system offers no look that is sure not to block.
// A reused connection's death is then found by the request that uses it.
func NewProbe(net.Conn) *Probe { return nil }

// State is never called, for want of a Probe.
func (*Probe) State() State { return Unknown }
