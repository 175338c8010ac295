package realtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// Kind is a server that can be started, with its settings: [Apache], [Nginx],
// [HAProxy], [Lighttpd], [Varnish], [Squid], [Gunicorn], [Tomcat], [Node] and [Go].
//
// A setting that is zero leaves the server's own default, but for a limit of
// requests, which is then none. One that the server cannot honour is an error.
type Kind interface {
	// facts are true of every server of the kind.
	facts() facts
	// start starts it at the site's address, without waiting until it answers.
	start(*site) (running, error)
}

// facts describe a kind of server.
type facts struct {
	name     string   // as its people write it
	programs []string // by which of these it is run, the first that is found
	needs    []string // files without which it does not run
	packages string   // what to install, in Debian's names
	version  []string // arguments with which the program tells
	ready    string   // what it logs when it can be stopped with all its processes; "": as soon as it answers
	secure   bool     // it serves TLS
}

// running is a server that was started.
type running interface {
	exited() <-chan struct{}
	stop() error // in the orderly way, and waits for that
	kill() error // at once, and waits for that
	reload() error
}

// Server is a running server. It is not for concurrent use, but for Address,
// URL and Processed.
type Server struct {
	Address string // host and port
	Kind    Kind

	site    *site
	running running // nil once stopped
}

// ErrNotInstalled is what [Run] wraps if a server's program is not on this
// machine. The error says what to install.
var ErrNotInstalled = errors.New("not installed")

// ErrNoReload is returned by [Server.Reload] of a server that knows no such
// thing.
var ErrNoReload = errors.New("it cannot be reloaded")

const (
	startTimeout = time.Minute      // of a busy machine
	stopTimeout  = 30 * time.Second // httpd gives its processes nine, then kills them
	startTries   = 3                // another process may take the port that was found free
)

// Start runs a server until the end of the test at the latest. If the test has
// failed then, the server's files are kept and the end of its log is shown.
//
// Where it is not installed, the test is skipped, but fails where the
// environment variable CI is set: there it must not go unnoticed.
func Start(tb testing.TB, kind Kind) *Server {
	tb.Helper()
	return StartAt(tb, Loopback(), kind)
}

// StartAt is Start at another place. One that is a host of a network must outlive
// the server.
func StartAt(tb testing.TB, place Place, kind Kind) *Server {
	tb.Helper()
	s, err := run(place, kind)
	switch {
	case errors.Is(err, ErrNotInstalled):
		missing(tb, err)
		return nil // where the end of the test does not end its goroutine
	case err != nil:
		tb.Fatal(err)
		return nil
	}
	tb.Cleanup(func() { s.cleanUp(tb) })
	return s
}

// missing skips or fails a test that cannot run.
func missing(tb testing.TB, err error) {
	tb.Helper()
	message := "NOT TESTED: " + err.Error()
	if os.Getenv("CI") != "" {
		tb.Fatal(message)
		return
	}
	tb.Skip(message)
}

// Run starts a server and waits until it answers. Whoever called must Close it.
func Run(kind Kind) (*Server, error) { return run(Loopback(), kind) }

func run(place Place, kind Kind) (*Server, error) {
	facts := kind.facts()
	if err := facts.installed(); err != nil {
		return nil, err
	}
	var err error
	for range startTries {
		s := &Server{Kind: kind}
		if s.site, err = newSite(facts, place); err != nil {
			return nil, err
		}
		s.Address = s.site.Address
		if err = s.start(); err == nil {
			return s, nil
		}
		err = fmt.Errorf("%s does not start: %w\n%s", facts.name, err, s.Log())
		_ = s.Close() // it has not started
	}
	return nil, err
}

func (s *Server) start() (err error) {
	logged := s.site.logged()
	if s.running, err = s.Kind.start(s.site); err != nil {
		return err
	}
	return s.awaitReady(logged)
}

// awaitReady waits until the server answers and has logged, after so many bytes,
// that it is ready.
func (s *Server) awaitReady(logged int) error {
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	limit := time.NewTimer(startTimeout)
	defer limit.Stop()
	for !s.answers() || !strings.Contains(s.site.log(logged), s.site.facts.ready) {
		select {
		case <-retry.C:
		case <-s.running.exited():
			return errors.New("it has ended")
		case <-limit.C:
			return fmt.Errorf("no answer within %v", startTimeout)
		}
	}
	return nil
}

// Name is a kind's name, without a version.
func Name(kind Kind) string { return kind.facts().name }

// URL is the address as a URL without a path.
func (s *Server) URL() string { return s.site.url() }

// Name is the server's name and version.
func (s *Server) Name() string { return s.site.facts.nameAndVersion() }

// Log returns the end of the server's log.
func (s *Server) Log() string {
	const most = 4 << 10
	return s.site.log(s.site.logged() - most)
}

// WholeLog returns all of the server's log. Where Apache httpd complains of a
// request, the line ends in "id " and its X-Request-Id.
func (s *Server) WholeLog() string { return s.site.log(0) }

// Stop ends the server in an orderly way and waits for that. Stopping it twice is
// no error.
func (s *Server) Stop() error {
	if s.running == nil {
		return nil
	}
	err := s.running.stop()
	s.running = nil
	return err
}

// Kill ends the server with all its processes without giving it time for
// anything, and waits for that. What it had not logged yet it never counts.
func (s *Server) Kill() error {
	if s.running == nil {
		return nil
	}
	err := s.running.kill()
	s.running = nil
	return errors.Join(err, s.awaitRefusal())
}

// awaitRefusal waits until nobody listens any more: of a server's processes only
// the first is waited for.
func (s *Server) awaitRefusal() error {
	for begun := time.Now(); time.Since(begun) < stopTimeout; time.Sleep(time.Millisecond) {
		c, err := s.site.place.Dial(context.Background(), "tcp", s.Address)
		if err != nil {
			return nil
		}
		_ = c.Close() // it may have been queued by a process that is dying
	}
	return fmt.Errorf("%s is dead and still listens at %s", s.site.facts.name, s.Address)
}

// Restart stops the server, if it runs, and starts it again at the same address.
// It goes on counting.
func (s *Server) Restart() error {
	if err := s.Stop(); err != nil {
		return err
	}
	return s.start()
}

// Reload tells the server to take up its configuration anew, without ending
// what it is doing: nginx -s reload, apachectl graceful. It does not wait
// for that. Where there is no such thing it returns [ErrNoReload].
func (s *Server) Reload() error {
	if s.running == nil {
		return errors.New("it is stopped")
	}
	return s.running.reload()
}

// Processed returns how often the server has processed each request so far, by
// X-Request-Id. Requests without one are left out. What a running server has not
// logged yet is missing: stop it first to know all.
func (s *Server) Processed() (map[string]int, error) { return s.site.processed() }

// Close stops the server and removes its files.
func (s *Server) Close() error {
	return errors.Join(s.Stop(), os.RemoveAll(s.site.Dir))
}

func (s *Server) cleanUp(tb testing.TB) {
	if err := s.Stop(); err != nil {
		tb.Error(err)
	}
	if tb.Failed() {
		tb.Logf("%s: its files are kept in %s; the end of its log:\n%s", s.site.facts.name, s.site.Dir, s.Log())
		return
	}
	if err := s.Close(); err != nil {
		tb.Error(err)
	}
}
