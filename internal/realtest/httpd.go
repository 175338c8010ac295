package realtest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// HTTPD is a running Apache httpd. It answers every request that it has read in
// full with 204, and notes its X-Request-Id.
type HTTPD struct {
	Address string // host and port

	tb     testing.TB
	dir    string // of its configuration and logs
	cmd    *exec.Cmd
	exited chan struct{}
}

const (
	startTimeout = 10 * time.Second
	stopTimeout  = 10 * time.Second
	startTries   = 3 // another process may take the port that was found free
)

// StartHTTPD starts httpd on a free port of the loopback interface and waits
// until it answers. It is stopped at the end of the test at the latest; if the
// test has failed, its logs are kept.
//
// Where httpd is not installed, the test is skipped, but fails where the
// environment variable CI is set: there it must not go unnoticed.
func StartHTTPD(tb testing.TB, keepAliveTimeout time.Duration) *HTTPD {
	tb.Helper()
	program, ok := findHTTPD()
	if !ok {
		missing(tb)
		return nil // where the end of the test does not end its goroutine
	}
	var err error
	for range startTries {
		h := &HTTPD{tb: tb, exited: make(chan struct{})}
		if err = h.start(program, keepAliveTimeout); err == nil {
			tb.Cleanup(h.cleanUp)
			return h
		}
		err = fmt.Errorf("%w\n%s", err, h.errorLog())
		h.cleanUp()
	}
	tb.Fatalf("httpd does not start: %v", err)
	return nil
}

// missing skips or fails a test that cannot run.
func missing(tb testing.TB) {
	tb.Helper()
	const message = "NOT TESTED: no Apache httpd found. Install it: apt-get install apache2"
	if os.Getenv("CI") != "" {
		tb.Fatal(message)
		return
	}
	tb.Skip(message)
}

// findHTTPD returns the program, which is often not on the PATH of a user.
func findHTTPD() (program string, ok bool) {
	for _, name := range []string{"apache2", "httpd", "/usr/sbin/apache2", "/usr/sbin/httpd"} {
		if program, err := exec.LookPath(name); err == nil {
			return program, true
		}
	}
	return "", false
}

func (h *HTTPD) start(program string, keepAliveTimeout time.Duration) (err error) {
	if h.dir, err = os.MkdirTemp("", "httpd-"); err != nil {
		return err
	}
	if h.Address, err = freeAddress(); err != nil {
		return err
	}
	settings, err := configuration(h.dir, h.Address, keepAliveTimeout)
	if err != nil {
		return err
	}
	if err := os.WriteFile(h.file("httpd.conf"), settings, 0o600); err != nil {
		return err
	}
	h.cmd = exec.Command(program, "-D", "FOREGROUND", "-f", h.file("httpd.conf"), "-E", h.file("error.log"))
	if err := h.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = h.cmd.Wait() // how it ends does not matter, only that it does
		close(h.exited)
	}()
	return h.awaitReady()
}

func (h *HTTPD) file(name string) string { return filepath.Join(h.dir, name) }

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// awaitReady waits until the server answers, and has set itself up to be
// stopped with all its processes.
func (h *HTTPD) awaitReady() error {
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	limit := time.NewTimer(startTimeout)
	defer limit.Stop()
	for !h.answers() || !strings.Contains(h.errorLog(), "resuming normal operations") {
		select {
		case <-retry.C:
		case <-h.exited:
			return errors.New("it has ended")
		case <-limit.C:
			return fmt.Errorf("no answer within %v", startTimeout)
		}
	}
	return nil
}

// answers reports whether a request is answered.
func (h *HTTPD) answers() bool {
	tr := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: tr, Timeout: startTimeout}
	resp, err := client.Get("http://" + h.Address)
	return err == nil && resp.Body.Close() == nil
}

// Stop ends the server and waits for that. Stopping it twice is no error.
func (h *HTTPD) Stop() error {
	if h.cmd == nil || h.cmd.Process == nil {
		return nil
	}
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		_ = h.cmd.Process.Kill() // there is no such signal on this system
	}
	select {
	case <-h.exited:
		return nil
	case <-time.After(stopTimeout):
		_ = h.cmd.Process.Kill()
		<-h.exited
		return fmt.Errorf("httpd did not stop within %v", stopTimeout)
	}
}

// Processed stops the server and returns how often it has processed each
// request, by X-Request-Id. Requests without one are left out.
func (h *HTTPD) Processed() (map[string]int, error) {
	if err := h.Stop(); err != nil {
		return nil, err
	}
	log, err := os.Open(h.file("requests.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	times := make(map[string]int)
	for lines := bufio.NewScanner(log); ; {
		if !lines.Scan() {
			return times, lines.Err()
		}
		if id := lines.Text(); id != "-" {
			times[id]++
		}
	}
}

func (h *HTTPD) cleanUp() {
	if err := h.Stop(); err != nil {
		h.tb.Error(err)
	}
	if h.tb.Failed() {
		h.tb.Logf("httpd's files are kept in %s; the end of its error log:\n%s", h.dir, h.errorLog())
		return
	}
	if err := os.RemoveAll(h.dir); err != nil {
		h.tb.Error(err)
	}
}

// errorLog returns the end of the error log.
func (h *HTTPD) errorLog() string {
	const most = 4 << 10
	text, err := os.ReadFile(h.file("error.log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

// account returns the first user of those that systems run httpd as. It
// refuses to serve as root.
func account() (*user.User, *user.Group, error) {
	for _, name := range []string{"www-data", "apache", "_www", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		g, err := user.LookupGroupId(u.Gid)
		return u, g, err
	}
	return nil, nil, errors.New("root has no other user to run httpd as")
}

// modulePath returns where a module is, or nothing if it must be built in.
func modulePath(name string) string {
	for _, dir := range []string{
		"/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib/httpd/modules",
		"/usr/libexec/apache2", "/usr/local/libexec/apache24",
	} {
		path := filepath.Join(dir, "mod_"+strings.TrimSuffix(name, "_module")+".so")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}
