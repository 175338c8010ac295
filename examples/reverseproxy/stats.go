package main

import (
	"expvar"
	"io"
	"net/http"
	"runtime"
	"strconv"

	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/debugpage"
)

// counters count the requests of clients.
type counters struct {
	inFlight       expvar.Int
	upstreamErrors expvar.Int
	responses      *expvar.Map // by status
}

func newCounters() *counters {
	return &counters{responses: new(expvar.Map).Init()}
}

func (c *counters) count(rec *record) {
	c.responses.Add(strconv.Itoa(rec.status), 1)
	if rec.upstream != nil {
		c.upstreamErrors.Add(1)
	}
}

// statsHandler serves /debug/vars in the form of package expvar, without the command line and memory statistics that
// the package itself publishes, and /debug/ttlpool, which shows the connections to the backend in a browser.
func statsHandler(transport *ttlpool.Transport, c *counters) http.Handler {
	vars := new(expvar.Map).Init()
	vars.Set("in_flight", &c.inFlight)
	vars.Set("responses", c.responses)
	vars.Set("upstream_errors", &c.upstreamErrors)
	vars.Set("goroutines", expvar.Func(func() any { return runtime.NumGoroutine() }))
	vars.Set("ttlpool", expvar.Func(func() any { return transport.Stats() }))
	mux := http.NewServeMux()
	mux.Handle("/debug/ttlpool", debugpage.Handler(transport))
	mux.HandleFunc("GET /debug/vars", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, vars.String())
	})
	return mux
}
