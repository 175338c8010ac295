package main

import (
	"fmt"
	"io"
	"time"
)

// writeHops compares the two hops of a path through a proxy. What the proxy
// keeps its own connections to the backend for cannot be seen from outside; what
// it has to be below can.
func writeHops(w io.Writer, proxy, backend *finding) error {
	_, err := fmt.Fprintf(w, "hop by hop\n  you to the proxy        %s\n  the proxy to the backend %s\n\n%s\n",
		hop(proxy, "your client"), hop(backend, "the proxy"), verdict(proxy, backend))
	return err
}

// hop says what the client side of a hop has to stay below.
func hop(server *finding, client string) string {
	switch {
	case server.KeepsNone:
		return "each request has a connection of its own: no race"
	case server.TTL == 0:
		return "closed nothing within " + seconds(server.Waited)
	}
	return fmt.Sprintf("idle for %s at most: %s must give up after %v or sooner", seconds(limitOf(server)), client, server.TTL)
}

// limitOf is when the server closes, as far as is known.
func limitOf(f *finding) time.Duration {
	if f.Earliest > 0 {
		return f.Earliest
	}
	return f.Stated
}

// verdict says which hop is the likely culprit.
func verdict(proxy, backend *finding) string {
	front, back := limitOf(proxy), limitOf(backend)
	switch {
	case backend.KeepsNone:
		return "The race, if there is one, is between you and the proxy."
	case front == 0 || back == 0:
		return "One side closed nothing in time: look longer with -max."
	case back <= front:
		return fmt.Sprintf("The backend closes no later than the proxy (%s, %s): a proxy that keeps its connections as long as its\n"+
			"clients' races at the second hop. Set its idle timeout or TTL towards the backend to %v.", seconds(back), seconds(front), backend.TTL)
	case back-front < min(2*time.Second, back/4):
		return fmt.Sprintf("The timeouts are close to each other (%s, %s). They belong to different hops: that the backend's is the longer one\n"+
			"saves nothing. Each hop needs a client that gives up first: set the proxy's TTL towards the backend to %v.",
			seconds(front), seconds(back), backend.TTL)
	}
	return fmt.Sprintf("No hop is safe by itself: set your client's TTL to %v, and the proxy's towards the backend to %v.", proxy.TTL, backend.TTL)
}
