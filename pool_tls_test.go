//go:build unix

package ttlpool_test

import (
	"crypto/tls"
	"io"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// With TLS the bytes may have been decrypted already: the socket shows nothing.
func TestP6_UnreadBytesThatTLSHasDecryptedCountToo(t *testing.T) {
	config := serverTLS(t)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", config)
	require.NoError(t, err)
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			_, _ = c.Write([]byte("answer and more")) // one record
		}
	}()
	p := newTestPool(t, (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext)
	c := mustGet(t, p, ln.Addr().String())
	_, err = io.ReadFull(c, make([]byte, len("answer")))
	require.NoError(t, err)
	c.Release()
	assert.NotSame(t, c, mustGet(t, p, ln.Addr().String()))
	assert.Equal(t, ttlpool.ClosedStrayBytes, c.Info().Closed)
}

// Pending TLS records may be a session ticket or, as here, an alert: that they
// are not usable is the safe reading.
func TestP6_ATLSConnectionWithAPendingRecordIsNotUsedAgain(t *testing.T) {
	ln, err := tls.Listen("tcp", "127.0.0.1:0", serverTLS(t))
	require.NoError(t, err)
	defer ln.Close()
	accepted := make(chan *tls.Conn, 2)
	go func() {
		defer close(accepted)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).Handshake()
			accepted <- c.(*tls.Conn)
		}
	}()
	p := newTestPool(t, (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext)
	c := mustGet(t, p, ln.Addr().String())
	c.Release()
	peer := <-accepted
	require.NoError(t, peer.CloseWrite()) // sends close_notify, and no FIN
	awaitReadable(t, c)
	assert.NotSame(t, c, mustGet(t, p, ln.Addr().String()))
	assert.Equal(t, ttlpool.ClosedStrayBytes, c.Info().Closed)
	require.NoError(t, p.Close())
	require.NoError(t, ln.Close())
	_ = peer.Close()
	for peer := range accepted {
		_ = peer.Close()
	}
}

func TestATLSConnectionIsUsedAgain(t *testing.T) {
	ln, err := tls.Listen("tcp", "127.0.0.1:0", serverTLS(t))
	require.NoError(t, err)
	defer ln.Close()
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	}()
	p := newTestPool(t, (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext)
	var first *ttlpool.Conn
	for range 5 {
		c := mustGet(t, p, ln.Addr().String())
		if first == nil {
			first = c
		}
		require.Same(t, first, c)
		_, err := c.Write([]byte("ping"))
		require.NoError(t, err)
		_, err = io.ReadFull(c, make([]byte, 4))
		require.NoError(t, err)
		c.Release()
	}
}

// serverTLS returns a configuration with a certificate.
func serverTLS(t *testing.T) *tls.Config {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates}
}
