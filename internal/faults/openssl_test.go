package faults

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool/internal/realtest"
)

// openssl is a run of s_server, of TLS 1.3: it shows what a client sends, and sends
// what it is told. It serves one connection after the other.
type openssl struct {
	address string
	orders  io.WriteCloser
	shown   *bufio.Scanner
}

// startOpenSSL runs one until the end of the test. Where it is not installed, the
// test is skipped, but fails where the environment variable CI is set.
func startOpenSSL(t *testing.T, certificate *realtest.Certificate) *openssl {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		message := "NOT TESTED: no openssl found. Install it: apt-get install openssl"
		if os.Getenv("CI") != "" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	chain, key := writePair(t, certificate)
	cmd := exec.Command(program, "s_server", "-tls1_3", "-accept", "127.0.0.1:0", "-cert", chain, "-key", key)
	orders, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	o := &openssl{orders: orders, shown: bufio.NewScanner(out)}
	o.address = strings.TrimPrefix(o.await(t, "ACCEPT "), "ACCEPT ")
	return o
}

// writePair writes the certificate and its key to files.
func writePair(t *testing.T, certificate *realtest.Certificate) (chain, key string) {
	t.Helper()
	pair, err := certificate.Pair()
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	dir := t.TempDir()
	chain, key = filepath.Join(dir, "chain.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{
		chain: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: private},
	} {
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	}
	return chain, key
}

// await returns the next line that begins so.
func (o *openssl) await(t *testing.T, start string) string {
	t.Helper()
	for o.shown.Scan() {
		if line := o.shown.Text(); strings.HasPrefix(line, start) {
			return line
		}
	}
	require.NoError(t, o.shown.Err())
	require.FailNow(t, "it has ended and not said "+start)
	return ""
}

// order gives one of its orders.
func (o *openssl) order(t *testing.T, order string) {
	t.Helper()
	_, err := io.WriteString(o.orders, order+"\n")
	require.NoError(t, err)
}

// say answers the request that was sent with the id.
func (o *openssl) say(t *testing.T, id string) {
	t.Helper()
	_, err := fmt.Fprintf(o.orders, "HTTP/1.1 200 OK\r\n%s: %s\r\nContent-Length: 0\r\n\r\n", idField, id)
	require.NoError(t, err)
}
