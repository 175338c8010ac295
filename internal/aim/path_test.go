package aim

import (
	"context"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/ttlpool/ttlpool/internal/realtest"
	"github.com/ttlpool/ttlpool/internal/testnet"
)

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// path is a way from a client to a server.
type path struct {
	roundTrip time.Duration
	place     realtest.Place // where the server is
	dial      dialFunc
	hidden    bool // the sockets, from the client's transport
}

func loopback() path {
	return path{
		place: realtest.Loopback(),
		dial:  new(net.Dialer).DialContext,
	}
}

func (p path) listen() (net.Listener, error) {
	return p.place.Listen("tcp", net.JoinHostPort(p.place.Host, "0"))
}

// across is a path with a round trip.
func across(t *testing.T, roundTrip time.Duration) path {
	n := testnet.Require(t, testnet.Config{RTT: roundTrip})
	return path{
		roundTrip: roundTrip,
		place: realtest.Place{
			Listen: n.Server().Listen, Start: n.Server().Start, Dial: n.Client().DialContext,
			Host: n.Server().Addr().String(),
		},
		dial: n.Client().DialContext,
	}
}

// unhelped is the path for a transport that cannot ask the kernel.
func (p path) unhelped() path {
	p.hidden = true
	return p
}

// helped reports whether the kernel is asked, which only Linux's answers enough.
func (p path) helped() bool { return !p.hidden && runtime.GOOS == "linux" }

// hiding dials connections of which nothing is known but Read, Write and Close.
func hiding(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return struct{ net.Conn }{c}, nil
	}
}

const far = 20 * time.Millisecond

// way makes a path for one test.
type way struct {
	name string
	to   func(*testing.T) path
}

var (
	near         = way{"loopback", func(*testing.T) path { return loopback() }}
	distant      = way{"20 ms", func(t *testing.T) path { return across(t, far) }}
	nearAlone    = way{"loopback, no help", func(*testing.T) path { return loopback().unhelped() }}
	distantAlone = way{"20 ms, no help", func(t *testing.T) path { return across(t, far).unhelped() }}
)

func onBoth(t *testing.T, test func(*testing.T, path)) { onEach(t, test, near, distant) }

// onAll is onBoth, and again without the kernel's help.
func onAll(t *testing.T, test func(*testing.T, path)) {
	onEach(t, test, near, distant, nearAlone, distantAlone)
}

// onEach runs the test on each path.
func onEach(t *testing.T, test func(*testing.T, path), ways ...way) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			sideBySide(t)
			test(t, w.to(t))
		})
	}
}

// sideBySide lets tests run at once whose campaigns are so small that the
// machine stays as idle as one large one leaves it.
func sideBySide(t *testing.T) {
	const small = 600 // requests, for which there are a quarter of the workers
	if requests(t) <= small {
		t.Parallel()
	}
}

// lead is how long before the peer's act the aim begins: two round trips, which
// on loopback are those of the scheduler.
func (p path) lead() time.Duration { return 2 * max(p.roundTrip, time.Millisecond) }
