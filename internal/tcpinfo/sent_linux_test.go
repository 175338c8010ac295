package tcpinfo

import (
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is acknowledged between the two questions must not be counted twice: a
// baseline too high would call a request unseen that was acknowledged.
func TestSentIsNeverMoreThanWasSent(t *testing.T) {
	ours, peer := connection(t)
	socket := Of(ours)
	require.NotNil(t, socket)
	go func() { _, _ = io.Copy(io.Discard, peer) }()
	var began atomic.Int64 // bytes handed to the kernel, or about to be
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 64<<10)
		for {
			select {
			case <-stop:
				return
			default:
			}
			began.Add(int64(len(buf)))
			if _, err := ours.Write(buf); err != nil {
				return
			}
		}
	}()
	for until := time.Now().Add(500 * time.Millisecond); time.Now().Before(until); {
		sent, ok := socket.Sent()
		require.True(t, ok)
		if most := began.Load(); !assert.LessOrEqual(t, sent, most) {
			break
		}
	}
	close(stop)
	<-ended
}
