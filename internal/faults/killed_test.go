package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/realtest"
)

var servers = []realtest.Kind{realtest.Nginx{}, realtest.Apache{}, realtest.Node{}, realtest.Go{}}

func forEachServer(t *testing.T, test func(*testing.T, *realtest.Server)) {
	for _, kind := range servers {
		t.Run(realtest.Name(kind), func(t *testing.T) {
			t.Parallel()
			s := realtest.Start(t, kind)
			require.NotNil(t, s)
			test(t, s)
		})
	}
}

// load is what workers do to a server until they are stopped.
type load struct {
	transport *ttlpool.Transport
	url       string
	stop      context.CancelFunc
	all       sync.WaitGroup
	next      atomic.Int64

	mu      sync.Mutex // guards the rest
	sent    map[string]string
	done    map[string]bool
	refused int // the server was not there
	broken  int // it went away meanwhile
	wrong   []error
}

func startLoad(t *testing.T, tr *ttlpool.Transport, url string, workers int) *load {
	ctx, stop := context.WithCancel(t.Context())
	l := &load{transport: tr, url: url, stop: stop, sent: make(map[string]string), done: make(map[string]bool)}
	for range workers {
		l.all.Go(func() { l.work(ctx) })
	}
	return l
}

func (l *load) work(ctx context.Context) {
	methods := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}
	for ctx.Err() == nil {
		n := l.next.Add(1)
		id, method := fmt.Sprintf("load-%d", n), methods[n%4]
		l.mu.Lock()
		l.sent[id] = method
		l.mu.Unlock()
		// A request that is cut off by the end of the load would look like a fault.
		l.note(id, call(context.WithoutCancel(ctx), l.transport, method, l.url, id))
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (l *load) note(id string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var exchange *ttlpool.ExchangeError
	switch {
	case err == nil:
		l.done[id] = true
	case errors.Is(err, syscall.ECONNREFUSED), isDialReset(err):
		l.refused++
	case errors.As(err, &exchange):
		l.broken++
	default:
		l.wrong = append(l.wrong, fmt.Errorf("%s: %w", id, err))
	}
}

// isDialReset is for a connection that was waiting in the queue of a server that
// was killed.
func isDialReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// A server is killed and started again, five times, while requests go on.
func TestAServerKilledUnderLoad(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *realtest.Server) {
		tr := newTransport(t)
		l := startLoad(t, tr, s.URL(), 20)
		for range 5 {
			time.Sleep(200 * time.Millisecond) // of load
			require.NoError(t, s.Kill())
			require.NoError(t, s.Restart())
		}
		l.stop()
		l.all.Wait()
		requireHealthy(t, tr, s.URL())
		require.NoError(t, s.Stop())
		processed, err := s.Processed()
		require.NoError(t, err)

		stats := tr.Stats()
		t.Logf("%d requests, %d refused, %d broken; %d dials, %d stale, %d sent again",
			len(l.sent), l.refused, l.broken, stats.Dials, stats.Stale, stats.Retries)
		assert.Empty(t, l.wrong)
		assert.NotEmpty(t, l.done)
		assert.Positive(t, l.refused+l.broken+int(stats.Retries), "or it was not killed under load")
		for id, method := range l.sent {
			limit := 2
			if method == http.MethodPost {
				limit = 1
			}
			assert.LessOrEqual(t, processed[id], limit, "%s %s", method, id)
		}
	})
}

// A port refuses for a while. That is a clear error at once, for a request whose
// connection had to be dialled and for one that was on a stale one, and all is well
// when the server is back.
func TestAPortThatRefusesForAWhile(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *realtest.Server) {
		tr := newTransport(t)
		requireHealthy(t, tr, s.URL())
		require.NoError(t, s.Kill())
		for i := range 20 {
			err := call(t.Context(), tr, http.MethodGet, s.URL(), fmt.Sprintf("refused-%d", i))
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
			require.ErrorContains(t, err, s.Address)
		}
		assert.Zero(t, tr.Stats().Open)
		require.NoError(t, s.Restart())
		requireHealthy(t, tr, s.URL())
	})
}
