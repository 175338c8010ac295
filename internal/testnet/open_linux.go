package testnet

import (
	"errors"
	"net/netip"
	"sync"
	"time"
)

// The same in every network: no two networks see each other.
var (
	clientAddr = netip.MustParseAddr("10.77.0.1")
	serverAddr = netip.MustParseAddr("10.77.0.2")
)

func open(delays [2]time.Duration, observe func(Packet)) (*Network, error) {
	client, err := newNamespace(clientAddr)
	if err != nil {
		return nil, err
	}
	server, err := newNamespace(serverAddr)
	if err != nil {
		return nil, errors.Join(err, client.close())
	}
	lost := &loss{}
	way := func(d Direction, from, to *namespace) *link {
		line := newDelayLine(delays[d], linePackets)
		return &link{direction: d, from: from.tun, to: to.tun, line: line, loss: lost, observe: observe}
	}
	f, err := startForwarder([2]*link{
		ToServer: way(ToServer, client, server),
		ToClient: way(ToClient, server, client),
	})
	if err != nil {
		return nil, errors.Join(err, client.close(), server.close())
	}
	return &Network{
		client: &Host{ns: client, addr: clientAddr},
		server: &Host{ns: server, addr: serverAddr},
		loss:   lost,
		close: sync.OnceValue(func() error {
			f.close()
			return errors.Join(client.close(), server.close())
		}),
	}, nil
}
