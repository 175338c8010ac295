package ttlpool_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/ttlpool/ttlpool"
)

// impatient answers, and closes connections that have been idle for so long.
func impatient(idle time.Duration, fields string) func(c *rawConn) {
	return func(c *rawConn) {
		for req := c.next(); req != nil; req = c.next() {
			c.say("HTTP/1.1 200 OK\r\n" + fields + "Content-Length: 0\r\n\r\n")
			_ = c.SetReadDeadline(time.Now().Add(idle))
		}
	}
}

// A server closes idle connections after 16 s, while the TTL says otherwise.
func TestATTLThatProvesTooLongIsWarnedOf(t *testing.T) {
	const found = "is longer than what hub:80 tolerates (closed idle connections at 16 s, 3 times)"
	for _, row := range []struct {
		name   string
		opts   []ttlpool.Option
		fields string // of the response
		want   string // "": no warning
	}{
		{"WithTTL", []ttlpool.Option{ttlpool.WithTTL(time.Minute)}, "", "TTL 60s " + found},
		{"WithServerTimeout", []ttlpool.Option{ttlpool.WithServerTimeout(time.Minute)}, "",
			"TTL 59s (server timeout 60s, less the margin) " + found},
		{"the server's own hint", nil, "Keep-Alive: timeout=30\r\n", "TTL 29s (Keep-Alive: timeout=30, less the margin) " + found},
		{"the shortest", []ttlpool.Option{ttlpool.WithTTL(20 * time.Second)}, "Keep-Alive: timeout=30\r\n", "TTL 20s " + found},
		{"none", nil, "", ""},
		{"learning off", []ttlpool.Option{ttlpool.WithTTL(time.Minute), ttlpool.WithLearning(false)}, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, w := newMemNet(), newWarnings()
				startRaw(t, network.Listen("hub:80"), impatient(16*time.Second, row.fields))
				tr := newTransport(t, append(row.opts, over(network), w.logged(), w.traced())...)
				for range 6 {
					get(t, tr, "http://hub:80/")
					time.Sleep(17 * time.Second)
				}
				if row.want == "" {
					assert.Empty(t, w.said())
					return
				}
				assert.Equal(t, []string{row.want}, w.said(), "once")
				assert.Equal(t, []string{"hub:80"}, w.told)
				get(t, tr, "http://hub:80/") // so that the address is among those of now
				learned := tr.Stats().Hosts["hub:80"].Learned
				assert.Equal(t, 16*time.Second, learned.Timeout.Round(time.Second))
				assert.Equal(t, 3, learned.Closes)
			})
		})
	}
}

func TestWarningsOfManyAddressesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hosts, most = 20, 10
		network, w := newMemNet(), newWarnings()
		tr := newTransport(t, over(network), w.logged(), w.traced(), ttlpool.WithTTL(time.Minute))
		for i := range hosts {
			startRaw(t, network.Listen(fmt.Sprintf("host%d:80", i)), impatient(16*time.Second, ""))
		}
		for range 5 {
			for i := range hosts {
				get(t, tr, fmt.Sprintf("http://host%d:80/", i))
			}
			time.Sleep(17 * time.Second)
		}
		assert.Len(t, w.said(), most)
		assert.Len(t, w.told, most)
		slices.Sort(w.told)
		assert.Len(t, slices.Compact(w.told), most, "one for each address")
	})
}

// warnings are what was said, by the log and by the trace.
type warnings struct {
	mu   sync.Mutex // guards the rest
	log  bytes.Buffer
	told []string
}

func newWarnings() *warnings { return &warnings{} }

func (w *warnings) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *warnings) logged() ttlpool.Option {
	onlyMessage := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key != slog.MessageKey {
			return slog.Attr{}
		}
		return a
	}
	return ttlpool.WithLogger(slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: onlyMessage})))
}

func (w *warnings) traced() ttlpool.Option {
	return ttlpool.WithTrace(&ttlpool.Trace{TTLTooLong: func(address string, _ time.Duration, _ ttlpool.Evidence) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = append(w.told, address)
	}})
}

// said returns the messages.
func (w *warnings) said() (messages []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for line := range bytes.Lines(w.log.Bytes()) {
		var message string
		_, err := fmt.Sscanf(string(line), `{"msg":%q}`, &message)
		if err == nil {
			messages = append(messages, message)
		}
	}
	return messages
}
