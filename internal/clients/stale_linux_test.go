package clients

import (
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestAStreamingPOSTSurvivesAStaleConnection closes the connection between the transport's last look at it and the
// first byte of the request. Nobody can have acted on that request, and ttlpool knows.
func TestAStreamingPOSTSurvivesAStaleConnection(t *testing.T) {
	forEach(t, func(t *testing.T, u user, c contestant) {
		h := startHub(t)
		m := newMeter(t, c)
		send := u.make(t, h, m)
		require.NoError(t, send(t.Context(), "GET", "first", nil))
		require.Len(t, m.dials(), 1)
		m.adjust = hangUpWhileWriting(t, h, m.dials()[0])

		err := send(t.Context(), "POST", "second", streaming("a stream"))
		if !c.ours {
			assert.True(t, err != nil || m.asked("second") > 1, "http.Transport shows no race: the test shows nothing")
			return
		}
		require.NoError(t, err)
		assert.Equal(t, 1, m.asked("second"), "the user must not notice")
		assert.Len(t, m.dials(), 2)
		arrivals := h.processed("second")
		require.Len(t, arrivals, 1)
		if u.name != "aws-sdk-go-v2" { // whose POST has no body
			assert.Equal(t, "a stream", arrivals[0].body)
		}
	})
}

// hangUpWhileWriting makes the hub hang up while the head of the next request is being written, which has not left yet,
// and waits until the client's kernel has heard of it.
func hangUpWhileWriting(t *testing.T, h *hub, conn *net.TCPConn) func(*http.Request) *http.Request {
	var once sync.Once
	trap := &httptrace.ClientTrace{WroteHeaderField: func(string, []string) {
		once.Do(func() {
			h.hangUp()
			awaitFIN(t, conn)
		})
	}}
	return func(req *http.Request) *http.Request {
		return req.WithContext(httptrace.WithClientTrace(req.Context(), trap))
	}
}

// closeWait is TCP_CLOSE_WAIT of Linux's net/tcp_states.h: the peer has closed, we have not.
const closeWait = 8

func awaitFIN(t *testing.T, conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		var info *unix.TCPInfo
		var infoErr error
		err := raw.Control(func(fd uintptr) { info, infoErr = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
		if err != nil || infoErr != nil || info.State == closeWait {
			return // an error: the transport itself has closed it already
		}
	}
	t.Error("no FIN came")
}
