package ttlpool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"strings"
	"time"

	"github.com/ttlpool/ttlpool"
)

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

// Who waits for a connection longer than is useful gets an error.
func ExampleWithAcquireTimeout() {
	address, stop := echoServer()
	defer stop()
	pool, err := ttlpool.NewPool(nil, ttlpool.WithMaxConnsPerHost(1), ttlpool.WithAcquireTimeout(300*time.Millisecond))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	conn, err := pool.Get(context.Background(), "tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Release()
	_, err = pool.Get(context.Background(), "tcp", address)
	fmt.Println(errors.Is(err, ttlpool.ErrAcquireTimeout))
	// Output: true
}

// A dial function of one's own makes the connections ready to use; the pool then hands them out as often as it may.
func ExampleNewPool_dial() {
	address, stop := echoServer()
	defer stop()
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	login := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if _, err := fmt.Fprintln(conn, "login"); err != nil {
			_ = conn.Close()
			return nil, err
		}
		if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return conn, nil
	}
	pool, err := ttlpool.NewPool(login, ttlpool.WithTTL(10*time.Second), ttlpool.WithMaxUses(2))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	for range 4 {
		conn, err := pool.Get(context.Background(), "tcp", address)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("used before:", conn.Info().Uses)
		conn.Release()
	}
	fmt.Println("closed after two uses:", pool.Stats().Closed[ttlpool.ClosedMaxUses])
	// Output:
	// used before: 0
	// used before: 1
	// used before: 0
	// used before: 1
	// closed after two uses: 2
}

// A pool that is shut down waits for the connections that are in use.
func ExamplePool_Shutdown() {
	address, stop := echoServer()
	defer stop()
	pool, err := ttlpool.NewPool(nil)
	if err != nil {
		log.Fatal(err)
	}
	conn, err := pool.Get(context.Background(), "tcp", address)
	if err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	fmt.Println(pool.Shutdown(ctx))
	conn.Release()
	fmt.Println(pool.Shutdown(context.Background()))
	// Output:
	// context deadline exceeded
	// <nil>
}
