package main

import (
	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/server"
)

// row is a line of the table of latencies.
type row struct {
	name string
	job  client.Job
}

// rows are what is measured with the server in the same process. A job has one
// worker and one host unless it says otherwise.
var rows = []row{
	{"GET small", client.Job{Path: server.Small}},
	{"GET small, 16 workers", client.Job{Path: server.Small, Workers: 16}},
	{"GET small, 256 workers", client.Job{Path: server.Small, Workers: 256}},
	{"GET small, 1,000 hosts", client.Job{Path: server.Small, Hosts: 1000}},
	{"GET small, 1,000 hosts, 16 workers", client.Job{Path: server.Small, Hosts: 1000, Workers: 16}},
	{"GET small, new request each time", client.Job{Path: server.Small, Fresh: true}},
	{"GET small, cancellable context", client.Job{Path: server.Small, Cancellable: true}},
	{"GET small, with httptrace", client.Job{Path: server.Small, Traced: true}},
	{"GET 64 KiB", client.Job{Path: server.KiB64}},
	{"GET 10 MiB", client.Job{Path: server.MiB10}},
	{"GET chunked", client.Job{Path: server.Chunked}},
	{"GET gzip", client.Job{Path: server.Gzip}},
	{"POST 1 KiB, GetBody", client.Job{Path: server.Small, Body: 1 << 10}},
	{"POST streaming 64 KiB", client.Job{Path: server.Small, Body: 64 << 10, Streamed: true}},
	{"POST streaming 64 KiB, unknown length", client.Job{Path: server.Small, Body: 64 << 10, Streamed: true, Unsized: true}},
	{"TLS 1.3 GET small", client.Job{Path: server.Small, Protocol: client.HTTPS}},
	{"TLS 1.3 GET small, 16 workers", client.Job{Path: server.Small, Protocol: client.HTTPS, Workers: 16}},
	{"HTTP/2 GET small", client.Job{Path: server.Small, Protocol: client.HTTP2}},
	{"HTTP/2 GET small, 16 workers", client.Job{Path: server.Small, Protocol: client.HTTP2, Workers: 16}},
	{"HTTP/2 GET 64 KiB", client.Job{Path: server.KiB64, Protocol: client.HTTP2}},
}

func init() {
	for i := range rows {
		j := &rows[i].job
		j.Workers, j.Hosts = max(j.Workers, 1), max(j.Hosts, 1)
	}
}
