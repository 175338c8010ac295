package realtest

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestARestartedServerHasItsAddressAndItsCounts(t *testing.T) {
	forEach(t, each(2*time.Second), func(t *testing.T, kind Kind) {
		s := Start(t, kind)
		require.NotNil(t, s)
		tr := clientOf(t, nil, false)
		send(t, tr, s, "GET", "before", "")
		address := s.Address
		require.NoError(t, s.Restart())
		tr.CloseIdleConnections()
		send(t, tr, s, "GET", "after", "")
		require.NoError(t, s.Kill())
		require.NoError(t, s.Kill(), "twice is no error")
		_, err := net.Dial("tcp", address)
		assert.Error(t, err, "it is killed, with all its processes")
		require.NoError(t, s.Restart())
		assert.Equal(t, address, s.Address)
		tr.CloseIdleConnections()
		send(t, tr, s, "GET", "after", "")
		require.NoError(t, s.Stop())
		times, err := s.Processed()
		require.NoError(t, err)
		assert.Equal(t, 1, times["before"])
		assert.Contains(t, []int{1, 2}, times["after"], "what was killed may not have logged all")
	})
}

func TestAReloadKeepsTheServer(t *testing.T) {
	reloadable := []Kind{Apache{}, Apache{Prefork: true}, Nginx{}, HAProxy{}, Lighttpd{}, Gunicorn{}, Squid{}}
	forEach(t, reloadable, func(t *testing.T, kind Kind) {
		s := Start(t, kind)
		require.NotNil(t, s)
		for range 3 {
			require.NoError(t, s.Reload())
			require.Eventually(t, s.answers, startTimeout, 10*time.Millisecond)
		}
		select {
		case <-s.running.exited():
			assert.Fail(t, "it has ended")
		default:
		}
		require.NoError(t, s.Stop())
		assert.Error(t, s.Reload())
	})
}

func TestSomeServersCannotBeReloaded(t *testing.T) {
	s := Start(t, Go{})
	assert.ErrorIs(t, s.Reload(), ErrNoReload)
}

func TestForwardProxies(t *testing.T) {
	for _, kind := range []Kind{
		Apache{Forward: true}, Squid{}, Squid{User: "koji", Password: "secret"},
	} {
		t.Run(fmt.Sprintf("%+v", kind), func(t *testing.T) {
			t.Parallel()
			c, err := NewCertificate()
			require.NoError(t, err)
			plain, secure := Start(t, Go{}), Start(t, Go{Certificate: c})
			proxy := Start(t, kind)
			require.NotNil(t, proxy)
			at, err := url.Parse(proxy.URL())
			require.NoError(t, err)
			if k, ok := kind.(Squid); ok && k.User != "" {
				tr := &http.Transport{Proxy: http.ProxyURL(at), DisableKeepAlives: true}
				resp, err := tr.RoundTrip(newRequest(t, "GET", plain.URL()))
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, http.StatusProxyAuthRequired, resp.StatusCode)
				at.User = url.UserPassword(k.User, k.Password)
			}
			tr := &http.Transport{Proxy: http.ProxyURL(at), TLSClientConfig: c.ClientConfig()}
			t.Cleanup(tr.CloseIdleConnections)
			for _, s := range []*Server{plain, secure} {
				send(t, tr, s, "POST", "a", "with a body")
				times, err := s.Processed()
				require.NoError(t, err)
				assert.Equal(t, map[string]int{"a": 1}, times)
			}
		})
	}
}

func newRequest(t *testing.T, method, url string) *http.Request {
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	return req
}

func TestSettingsThatCannotBe(t *testing.T) {
	for _, kind := range []Kind{
		Apache{HTTP2: true}, Apache{Prefork: true, HTTP2: true, Certificate: &Certificate{}},
		Apache{Backend: "127.0.0.1:1", Forward: true}, Apache{BackendTTL: time.Millisecond},
		Nginx{HTTP2: true}, HAProxy{HTTP2: true}, Go{HTTP2: true},
		Lighttpd{KeepAliveTimeout: 1500 * time.Millisecond}, Gunicorn{KeepAliveTimeout: time.Millisecond},
		Squid{KeepAliveTimeout: time.Millisecond}, Squid{Backend: "127.0.0.1:1", User: "a"}, Varnish{},
	} {
		t.Run(fmt.Sprintf("%T%+v", kind, kind), func(t *testing.T) {
			dir := t.TempDir()
			_, err := kind.start(&site{Dir: dir, Address: "127.0.0.1:1", place: Loopback()})
			require.Error(t, err)
			assert.NotErrorIs(t, err, os.ErrNotExist, "it was not even tried")
		})
	}
}

// outcomeOf is a testing.TB that notes how the test would end.
type outcomeOf struct {
	testing.TB
	failed, skipped, log string
	cleanUps             []func()
}

func (o *outcomeOf) Helper()          {}
func (o *outcomeOf) Fatal(a ...any)   { o.failed = fmt.Sprint(a...) }
func (o *outcomeOf) Skip(a ...any)    { o.skipped = fmt.Sprint(a...) }
func (o *outcomeOf) Failed() bool     { return o.failed != "" }
func (o *outcomeOf) Cleanup(f func()) { o.cleanUps = append(o.cleanUps, f) }
func (o *outcomeOf) Logf(format string, a ...any) {
	o.log += fmt.Sprintf(format, a...)
}

// notInstalled is a server that nobody has.
type notInstalled struct{ Go }

func (notInstalled) facts() facts {
	return facts{name: "Nothing", programs: []string{"no-such-program"}, packages: "no-such-package"}
}

func TestAMissingServerIsLoud(t *testing.T) {
	t.Setenv("CI", "")
	var alone outcomeOf
	assert.Nil(t, Start(&alone, notInstalled{}))
	assert.Empty(t, alone.failed)
	assert.Equal(t, "NOT TESTED: no Nothing found. not installed. Install it: apt-get install no-such-package", alone.skipped)

	t.Setenv("CI", "true")
	var inCI outcomeOf
	assert.Nil(t, Start(&inCI, notInstalled{}))
	assert.Empty(t, inCI.skipped)
	assert.Contains(t, inCI.failed, "apt-get install no-such-package")
}

func TestLogsAreKeptOfAFailedTest(t *testing.T) {
	test := &outcomeOf{TB: t}
	s := Start(test, Nginx{})
	if s == nil {
		t.Skip(test.skipped)
	}
	test.failed = "for some reason"
	for _, cleanUp := range test.cleanUps {
		cleanUp()
	}
	defer os.RemoveAll(s.site.Dir)
	assert.FileExists(t, s.site.File("nginx.conf"))
	assert.Contains(t, test.log, s.site.Dir)
	assert.Contains(t, test.log, "start worker processes")
}

func TestNothingIsKeptOfOneThatPassed(t *testing.T) {
	test := &outcomeOf{TB: t}
	s := Start(test, Go{})
	for _, cleanUp := range test.cleanUps {
		cleanUp()
	}
	assert.NoDirExists(t, s.site.Dir)
}

// wrong is a server whose program understands none of its flags.
type wrong struct{ Go }

func (wrong) facts() facts {
	program, _ := os.Executable()
	return facts{name: "Wrong", programs: []string{program}}
}

func (wrong) start(s *site) (running, error) { return s.run(signals{}, "-no-such-flag") }

func TestAServerThatDoesNotStart(t *testing.T) {
	before, err := filepath.Glob(filepath.Join(os.TempDir(), "realtest-Wrong-*"))
	require.NoError(t, err)
	_, err = Run(wrong{})
	require.ErrorContains(t, err, "Wrong does not start: it has ended")
	assert.ErrorContains(t, err, "-no-such-flag", "it says what it has logged")
	after, err := filepath.Glob(filepath.Join(os.TempDir(), "realtest-Wrong-*"))
	require.NoError(t, err)
	assert.Equal(t, before, after, "nothing is left")
}
