// Package hangup finds out whether the peer of an idle connection has closed
// it, or has sent bytes that nobody asked for.
package hangup

// State is what a look at an idle connection shows.
type State int

// The states of an idle connection.
const (
	Quiet   State = iota // open, and nothing to read
	Pending              // there are bytes to read
	HungUp               // closed by the peer, or broken
	Unknown              // it could not be looked at
)
