package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func startTestHub(t *testing.T, client *http.Client) *hub {
	t.Helper()
	h, err := startHub(1, time.Minute)
	require.NoError(t, err)
	t.Cleanup(func() {
		client.CloseIdleConnections()
		h.close()
	})
	return h
}

func do(t *testing.T, client *http.Client, h *hub, c call) (*http.Response, []byte) {
	t.Helper()
	req, err := c.request(t.Context(), "http://"+h.addrs[0], hubTarget(h))
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, body
}

func TestHubAnswersEveryCall(t *testing.T) {
	client := &http.Client{Transport: &http.Transport{}}
	h := startTestHub(t, client)
	rng := rand.New(rand.NewPCG(1, 2))
	kinds := make(map[callKind]bool)
	for range 100 {
		c := randomCall(rng, "leg.0.1")
		kinds[c.kind] = true
		resp, body := do(t, client, h, c)
		assert.NoError(t, c.check(resp, body), c.method)
		other := c
		other.id = "leg.0.2"
		assert.ErrorIs(t, other.check(resp, body), errWrongAnswer, "the answer to another call")
	}
	assert.Len(t, kinds, callKinds)
}

func TestHubKnowsWhatItProcessedTwice(t *testing.T) {
	client := &http.Client{Transport: &http.Transport{}}
	h := startTestHub(t, client)
	for _, c := range []call{
		{kind: getLog, id: "a.0.1"}, {kind: getLog, id: "a.0.1"},
		{kind: postKeyed, id: "a.0.2", method: "getAPIVersion"}, {kind: postKeyed, id: "a.0.2", method: "getAPIVersion"},
		{kind: postLength, id: "a.0.3", method: "getAPIVersion"}, {kind: postStream, id: "a.0.3", method: "getAPIVersion"},
		{kind: postLength, id: "a.0.4", method: "getAPIVersion"},
		{kind: postLength, id: "ab.0.4", method: "getAPIVersion"}, {kind: postLength, id: "ab.0.4", method: "getAPIVersion"},
	} {
		do(t, client, h, c)
	}
	all, unsafe := h.processedTwice("a")
	assert.Equal(t, 3, all)
	assert.Equal(t, 1, unsafe)
}

func TestHubRefusesByFault(t *testing.T) {
	for _, c := range []call{
		{method: "explode"},
		{method: "getTaskInfo"},
		{method: "getTaskResult", args: []any{"seven"}},
	} {
		_, err := invoke(c.method, c.args)
		assert.ErrorContains(t, err, "fault 1000", c.method)
	}
}

func TestHubDoesNotCountWhatItCannotRead(t *testing.T) {
	client := &http.Client{Transport: &http.Transport{}}
	h := startTestHub(t, client)
	resp, err := client.Post("http://"+h.addrs[0]+rpcPath, "text/xml", bytes.NewBufferString("<methodCall>"))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
	assert.Empty(t, h.processed)
}

func TestRestartClosesIdleConnections(t *testing.T) {
	client := &http.Client{Transport: &http.Transport{}}
	h := startTestHub(t, client)
	conn, err := net.Dial("tcp", h.addrs[0])
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, "GET "+logPath+" HTTP/1.1\r\nHost: hub\r\n\r\n")
	require.NoError(t, err)
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	restarted := make(chan struct{})
	go func() {
		defer close(restarted)
		h.keepRestarting(ctx, schedule{start: time.Now(), period: 10 * time.Millisecond, nodes: 1})
	}()
	_, err = reader.ReadByte()
	assert.ErrorIs(t, err, io.EOF)
	cancel()
	<-restarted
}
