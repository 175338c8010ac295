package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool/bench/internal/child"
	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/server"
)

func TestAClientInAProcessOfItsOwnSaysWhatItUsed(t *testing.T) {
	s, addresses, err := startServer()
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Stop()) }()
	job := client.Job{Path: server.Small, Workers: 2, Hosts: 1}
	values, err := runClient(clientArg{client.TTLPool.Name, job, addresses})
	require.NoError(t, err)
	for _, v := range values {
		assert.Positive(t, v.Value, v.Unit)
	}
	assert.Len(t, values, 5)
}

func TestIdleConnectionsAreAllThereWhenTheyAreMeasured(t *testing.T) {
	s, addresses, err := startServer()
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Stop()) }()
	for _, c := range []*client.Client{client.Raw, client.Transport, client.TTLPool} {
		release, err := heldBy(c, addresses)
		require.NoError(t, err, c.Name)
		var open int
		require.NoError(t, s.Call("connections", &open))
		assert.GreaterOrEqual(t, open, 50, c.Name)
		release()
	}
}

func heldBy(c *client.Client, a server.Addresses) (release func(), err error) {
	hold, err := holder(idleArg{Client: c.Name, Protocol: client.HTTP1, Connections: 50, Addresses: a})
	if err != nil {
		return nil, err
	}
	return hold()
}

func TestAChildSaysWhatFailedInIt(t *testing.T) {
	_, err := child.Start(clientRole, clientArg{Client: "nobody"})
	assert.ErrorContains(t, err, `client: there is no client "nobody"`)
}
