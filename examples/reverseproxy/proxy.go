package main

import (
	"log"
	"net/http"
	"net/http/httputil"
)

func newProxy(cfg config, transport http.RoundTripper, errorLog *log.Logger) http.Handler {
	return &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1, // whoever watches a log sees each line when it is written
		ErrorLog:      errorLog,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(cfg.backend)
			r.SetXForwarded()
			if cfg.preserveHost {
				r.Out.Host = r.In.Host
			}
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			noteUpstreamError(r.Context(), err)
			w.WriteHeader(http.StatusBadGateway)
		},
	}
}
