package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/ttlpool/ttlpool"
)

// headerTimeout bounds how long a client may take to send a request's header. Bodies and responses have no limit: a
// watched log may stream for hours.
const headerTimeout = 10 * time.Second

// run listens, and serves until ctx ends.
func run(ctx context.Context, cfg config, logger *slog.Logger) error {
	transport, err := ttlpool.NewTransport(
		ttlpool.WithTTL(cfg.ttl),
		ttlpool.WithMaxAge(cfg.maxAge),
		ttlpool.WithLogger(logger),
	)
	if err != nil {
		return err
	}
	s := newServers(cfg, transport, logger)
	defer s.close()
	proxyAddr, err := s.start(s.front, cfg.listen)
	if err != nil {
		return err
	}
	logger.Info("proxy listens", "address", proxyAddr.String(), "backend", cfg.backend.String(), "ttl", cfg.ttl)
	if cfg.stats != "" {
		statsAddr, err := s.start(s.stats, cfg.stats)
		if err != nil {
			return err
		}
		logger.Info("stats listen", "url", fmt.Sprintf("http://%s/debug/vars", statsAddr),
			"page", fmt.Sprintf("http://%s/debug/ttlpool", statsAddr))
	}
	select {
	case <-ctx.Done():
	case err := <-s.failed:
		return err
	}
	logger.Info("shutting down", "grace", cfg.grace)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.grace)
	defer cancel()
	return s.shutdown(ctx)
}

// servers are the proxy's two servers and the transport to the backend.
type servers struct {
	front, stats *http.Server
	transport    *ttlpool.Transport
	failed       chan error // has room for both servers
	serving      sync.WaitGroup
}

func newServers(cfg config, transport *ttlpool.Transport, logger *slog.Logger) *servers {
	c := newCounters()
	errorLog := slog.NewLogLogger(logger.Handler(), slog.LevelWarn)
	return &servers{
		front: &http.Server{
			Handler:           accessLog(logger, c, newProxy(cfg, transport, errorLog)),
			ReadHeaderTimeout: headerTimeout,
			IdleTimeout:       cfg.idle,
			ErrorLog:          errorLog,
		},
		stats: &http.Server{
			Handler:           statsHandler(transport, c),
			ReadHeaderTimeout: headerTimeout,
			ErrorLog:          errorLog,
		},
		transport: transport,
		failed:    make(chan error, 2),
	}
}

func (s *servers) start(server *http.Server, address string) (net.Addr, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s.serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	})
	return listener.Addr(), nil
}

// shutdown ends gently: no new requests, and those in flight may end. First the server, which sends requests, then the
// transport, which knows of the upgraded connections that the server has handed over. Stats can be read until the end.
func (s *servers) shutdown(ctx context.Context) error {
	if err := s.front.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests cut off: %w", err)
	}
	if err := s.transport.Shutdown(ctx); err != nil {
		return fmt.Errorf("connections to the backend cut off: %w", err)
	}
	return nil
}

// close ends at once what is left.
func (s *servers) close() {
	_ = s.front.Close()
	_ = s.transport.Close()
	_ = s.stats.Close()
	s.serving.Wait()
}
