package main

import (
	"net/http"
	"time"

	"github.com/ttlpool/ttlpool"
)

func newTTLPool(base *http.Transport, ttl time.Duration) (upstream, error) {
	return ttlpool.NewTransport(ttlpool.WithBase(base), ttlpool.WithTTL(ttl))
}
