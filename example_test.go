package ttlpool_test

import (
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/ttlpool/ttlpool"
)

// A reverse proxy reuses no connection to its backend that has been idle for
// ten seconds, because the backend closes it after fifteen.
func Example() {
	hub := newHub()
	defer hub.Close()
	backend, err := url.Parse(hub.URL)
	if err != nil {
		log.Fatal(err)
	}

	transport, err := ttlpool.NewTransport(ttlpool.WithTTL(10 * time.Second))
	if err != nil {
		log.Fatal(err)
	}
	defer transport.Close()
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(backend) },
		Transport: transport,
	})
	defer proxy.Close()

	resp, err := http.Post(proxy.URL, "text/xml", strings.NewReader("<methodCall/>"))
	if err != nil {
		log.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", resp.Status, body)
	// Output: 200 OK: POST <methodCall/>
}

// newHub starts a server that says what it was sent.
func newHub() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		fmt.Fprintf(w, "%s ", req.Method)
		_, _ = io.Copy(w, req.Body)
	}))
}

// A client keeps the settings that it had, and gains a TTL.
func ExampleNewTransport() {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxConnsPerHost = 20

	transport, err := ttlpool.NewTransport(
		ttlpool.WithBase(base),
		ttlpool.WithTTL(4*time.Second), // the server closes after five
	)
	if err != nil {
		log.Fatal(err)
	}
	defer transport.Close()
	client := &http.Client{Transport: transport, Timeout: time.Minute}

	hub := newHub()
	defer hub.Close()
	resp, err := client.Get(hub.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

// Each backend has the TTL that its own timeout asks for.
func ExampleWithHost() {
	transport, err := ttlpool.NewTransport(
		ttlpool.WithTTL(30*time.Second),
		ttlpool.WithHost("hub.example.com", ttlpool.WithServerTimeout(16*time.Second), ttlpool.WithTTL(10*time.Second)),
		ttlpool.WithHost("*.internal", ttlpool.WithTTL(2*time.Second), ttlpool.WithMaxConnsPerHost(50)),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer transport.Close()

	// A contradiction is an error.
	_, err = ttlpool.NewTransport(ttlpool.WithServerTimeout(16*time.Second), ttlpool.WithTTL(20*time.Second))
	fmt.Println(err)
	// Output: ttlpool: TTL 20s is longer than the server timeout 16s less the margin 1s
}

// The TTL follows from the server's own timeout, here that of Node.js.
func ExampleWithServerTimeout() {
	transport, err := ttlpool.NewTransport(ttlpool.WithServerTimeout(5 * time.Second))
	if err != nil {
		log.Fatal(err)
	}
	defer transport.Close()
	hub := newHub()
	defer hub.Close()
	resp, err := (&http.Client{Transport: transport}).Get(hub.URL)
	if err != nil {
		log.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()

	address := strings.TrimPrefix(hub.URL, "http://")
	fmt.Println(transport.Stats().Hosts[address].TTL)
	// Output: 4s
}

// What a base asks for is honoured, or is an error.
func ExampleWithBase() {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.HTTP2 = &http.HTTP2Config{StrictMaxConcurrentRequests: true}
	_, err := ttlpool.NewTransport(ttlpool.WithBase(base))
	fmt.Println(err)
	// Output: ttlpool: base Transport: HTTP2.StrictMaxConcurrentRequests is not supported; see WithMaxConnsPerHost
}

// Hooks tell of each connection's life.
func ExampleTrace() {
	transport, err := ttlpool.NewTransport(ttlpool.WithTrace(&ttlpool.Trace{
		GotConn:    func(c ttlpool.ConnInfo) { fmt.Println("got a connection used", c.Uses, "times") },
		ConnClosed: func(c ttlpool.ConnInfo) { fmt.Println("closed:", c.Closed) },
		Stale:      func(_ context.Context, err *ttlpool.ExchangeError) { log.Print(err) },
	}))
	if err != nil {
		log.Fatal(err)
	}
	defer transport.Close()
	client := &http.Client{Transport: transport}
	hub := newHub()
	defer hub.Close()
	for range 2 {
		resp, err := client.Get(hub.URL)
		if err != nil {
			log.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	client.CloseIdleConnections()
	// Output:
	// got a connection used 0 times
	// got a connection used 1 times
	// closed: close_idle
}

// Stats are plain numbers, fit for any system of metrics.
func ExampleTransport_Stats() {
	transport, err := ttlpool.NewTransport(ttlpool.WithTTL(10 * time.Second))
	if err != nil {
		log.Fatal(err)
	}
	defer transport.Close()
	hub := newHub()
	defer hub.Close()
	for range 3 {
		resp, err := (&http.Client{Transport: transport}).Get(hub.URL)
		if err != nil {
			log.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}

	stats := transport.Stats()
	fmt.Println("requests:", stats.Requests, "dials:", stats.Dials, "reuses:", stats.Reuses, "idle:", stats.Idle)
	fmt.Println("stale:", stats.Stale, "retries:", stats.Retries, "not retried:", stats.NotRetried)
	fmt.Println("closed for their TTL:", stats.Closed[ttlpool.ClosedTTL])
	// Output:
	// requests: 3 dials: 1 reuses: 2 idle: 1
	// stale: 0 retries: 0 not retried: 0
	// closed for their TTL: 0
}

// With package expvar the Stats are read when somebody asks for them. A program
// that serves /debug/vars writes expvar.Publish("ttlpool", expvar.Func(...)).
func ExampleTransport_Stats_expvar() {
	transport, err := ttlpool.NewTransport(ttlpool.WithTTL(10 * time.Second))
	if err != nil {
		log.Fatal(err)
	}
	defer transport.Close()
	vars := new(expvar.Map).Init()
	vars.Set("ttlpool", expvar.Func(func() any { return transport.Stats() }))

	var back struct {
		TTLPool struct {
			Dials  int64
			Closed map[string]int64
		}
	}
	if err := json.Unmarshal([]byte(vars.String()), &back); err != nil {
		log.Fatal(err)
	}
	fmt.Println("dials:", back.TTLPool.Dials, "closed for their TTL:", back.TTLPool.Closed["ttl"])
	// Output: dials: 0 closed for their TTL: 0
}

// A program ends when what is in flight has ended, or after half a minute.
func ExampleTransport_Shutdown() {
	transport, err := ttlpool.NewTransport()
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: transport}
	hub := newHub()
	defer hub.Close()
	inFlight, err := client.Post(hub.URL, "text/plain", strings.NewReader("the last words"))
	if err != nil {
		log.Fatal(err)
	}

	ended := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		err := transport.Shutdown(ctx)
		if err != nil { // requests are cut off
			_ = transport.Close()
		}
		ended <- err
	}()
	body, err := io.ReadAll(inFlight.Body) // is not disturbed
	if err != nil {
		log.Fatal(err)
	}
	_ = inFlight.Body.Close()
	fmt.Printf("%s\n", body)
	fmt.Println("shut down:", <-ended)

	_, err = client.Get(hub.URL)
	fmt.Println("refused:", errors.Is(err, ttlpool.ErrClosed))
	// Output:
	// POST the last words
	// shut down: <nil>
	// refused: true
}
