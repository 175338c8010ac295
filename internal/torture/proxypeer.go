package torture

import (
	"fmt"
	"net/http"
	"time"

	"github.com/ttlpool/ttlpool/internal/realtest"
)

// behindProxies are the peers that are proxies. Requests come to them on
// connections of their own, so that only the proxy's can be stale. Those that run
// come back also with an error.
func behindProxies(t target, lanes int) (peers []*Peer, err error) {
	kinds := []struct {
		name string
		safe bool
		kind realtest.Kind
	}{
		{"mod_proxy", false, realtest.Apache{Processes: 1, Backend: t.address, BackendPools: lanes}},
		{"mod_proxy, ttl=1", true, realtest.Apache{Processes: 1, Backend: t.address, BackendPools: lanes, BackendTTL: time.Second}},
		{"nginx upstream", false, realtest.Nginx{Backend: t.address, BackendPools: lanes, BackendIdle: 1}},
	}
	for _, k := range kinds {
		server, err := realtest.Run(k.kind)
		if err != nil {
			return peers, err
		}
		tr := &http.Transport{DisableKeepAlives: true}
		peers = append(peers, &Peer{
			Name: k.name, Safe: k.safe,
			transport: tr,
			url:       func(lane int) string { return fmt.Sprintf("%s/%d/", server.URL(), lane) },
			countless: true,
			stop:      func() { _ = server.Close() },
		})
	}
	return peers, nil
}

func stopAll(peers []*Peer) {
	for _, p := range peers {
		p.stop()
	}
}
