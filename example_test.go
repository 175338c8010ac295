package ttlpool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
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

// A client of a protocol of one's own needs no HTTP.
func ExampleNewPool() {
	address, stop := echoServer()
	defer stop()
	pool, err := ttlpool.NewPool(nil, ttlpool.WithTTL(10*time.Second), ttlpool.WithMaxConnsPerHost(4))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	ask := func(question string) (string, error) {
		conn, err := pool.Get(context.Background(), "tcp", address)
		if err != nil {
			return "", err
		}
		if _, err := fmt.Fprintln(conn, question); err != nil {
			_ = conn.Close() // of no use to anybody
			return "", err
		}
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			_ = conn.Close()
			return "", err
		}
		conn.Release()
		return strings.TrimSpace(answer), nil
	}
	for _, question := range []string{"one", "two"} {
		answer, err := ask(question)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(answer)
	}
	stats := pool.Stats()
	fmt.Println("dials:", stats.Dials, "reuses:", stats.Reuses)
	// Output:
	// echo one
	// echo two
	// dials: 1 reuses: 1
}

// echoServer answers each line with the same.
func echoServer() (address string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					fmt.Fprintln(conn, "echo", lines.Text())
				}
			}()
		}
	}()
	return l.Addr().String(), func() { _ = l.Close() }
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

// A query by POST may be sent again, although POST alone says that it may not.
func ExampleIdempotent() {
	transport, err := ttlpool.NewTransport(
		ttlpool.WithTTL(10*time.Second),
		// All of this kind:
		ttlpool.WithIdempotent(func(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, "/search") }),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer transport.Close()
	hub := newHub()
	defer hub.Close()

	// This one:
	ctx := ttlpool.Idempotent(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hub.URL, strings.NewReader("getTaskInfo"))
	if err != nil {
		log.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

// The error of a request that met a stale connection tells of it.
func ExampleExchangeError() {
	err := error(&ttlpool.ExchangeError{
		Conn: ttlpool.ConnInfo{
			Address: "hub:80", Idle: 15980 * time.Millisecond, Age: 250 * time.Second, Uses: 31,
		},
		Stale: true, Written: 412, Acknowledged: 412, NotRetried: "POST is not idempotent", Err: io.EOF,
	})

	fmt.Println(err)
	var failed *ttlpool.ExchangeError
	fmt.Println(errors.Is(err, io.EOF), errors.As(err, &failed) && failed.Stale)
	// Output:
	// hub:80: stale connection: EOF after 15.98s idle (age 4m10s, 31 uses; 412 bytes written, 412 acknowledged, 0 read); not retried: POST is not idempotent
	// true true
}

// Hooks tell of each connection's life.
func ExampleTrace() {
	transport, err := ttlpool.NewTransport(ttlpool.WithTrace(&ttlpool.Trace{
		GotConn:    func(c ttlpool.ConnInfo) { fmt.Println("got a connection used", c.Uses, "times") },
		ConnClosed: func(c ttlpool.ConnInfo) { fmt.Println("closed:", c.Closed) },
		Stale:      func(err *ttlpool.ExchangeError) { log.Print(err) },
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

// A program ends when what is in flight has ended, or after half a minute.
func ExampleTransport_Shutdown() {
	transport, err := ttlpool.NewTransport()
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := transport.Shutdown(ctx); err != nil {
		log.Print("requests are cut off: ", err)
		_ = transport.Close()
	}

	_, err = (&http.Client{Transport: transport}).Get("http://hub.example.com/")
	fmt.Println(errors.Is(err, ttlpool.ErrClosed))
	// Output: true
}
