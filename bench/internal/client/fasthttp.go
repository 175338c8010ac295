package client

import (
	"bytes"
	"fmt"
	"net"
	"strings"

	"github.com/ttlpool/ttlpool/bench/internal/server"
	"github.com/valyala/fasthttp"
)

func fastHTTPCan(j Job) bool {
	return j.Protocol != HTTP2 && !j.Cancellable && !j.Traced && !j.Fresh
}

type fastHTTPWorker struct {
	client  *fasthttp.Client
	hosts   []string // URLs
	next    int
	request *fasthttp.Request
	answer  *fasthttp.Response
	body    bytes.Reader
	content []byte
	want    int
	job     Job
}

func startFastHTTP(j Job, a server.Addresses) ([]Worker, func(), error) {
	address := j.Address(a)
	client := &fasthttp.Client{
		MaxConnsPerHost:          2 * j.Workers,
		NoDefaultUserAgentHeader: true,
		ReadBufferSize:           readSize,
		TLSConfig:                insecure(),
		Dial:                     func(string) (net.Conn, error) { return net.Dial("tcp", address) },
	}
	workers := make([]Worker, j.Workers)
	for i := range workers {
		workers[i] = newFastHTTPWorker(client, j, address, i)
	}
	return workers, client.CloseIdleConnections, nil
}

func newFastHTTPWorker(client *fasthttp.Client, j Job, address string, number int) *fastHTTPWorker {
	w := &fastHTTPWorker{
		client:  client,
		request: &fasthttp.Request{},
		answer:  &fasthttp.Response{},
		content: bytes.Repeat([]byte("x"), j.Body),
		want:    len(server.Find(j.Path).Body),
		job:     j,
	}
	for _, host := range hostNames(j, address, number) {
		w.hosts = append(w.hosts, j.Scheme()+host+j.Path)
	}
	w.request.Header.Set("User-Agent", "Go-http-client/1.1")
	w.request.Header.Set("Accept-Encoding", "gzip")
	if j.Body > 0 {
		w.request.Header.SetMethod(fasthttp.MethodPost)
	}
	w.request.SetRequestURI(w.hosts[0])
	return w
}

func (w *fastHTTPWorker) Exchange() error {
	if len(w.hosts) > 1 {
		w.request.SetRequestURI(w.hosts[w.next%len(w.hosts)])
		w.next++
	}
	switch {
	case w.job.Streamed:
		w.body.Reset(w.content)
		size := w.job.Body
		if w.job.Unsized {
			size = -1
		}
		w.request.SetBodyStream(&w.body, size)
	case w.job.Body > 0:
		w.request.SetBodyRaw(w.content)
	}
	if err := w.client.Do(w.request, w.answer); err != nil {
		return err
	}
	if code := w.answer.StatusCode(); code != fasthttp.StatusOK {
		return fmt.Errorf("status %d", code)
	}
	body := w.answer.Body()
	if strings.EqualFold(string(w.answer.Header.Peek("Content-Encoding")), "gzip") {
		var err error
		if body, err = w.answer.BodyGunzip(); err != nil {
			return err
		}
	}
	if len(body) != w.want {
		return shortAnswer(w.job.Path, len(body), w.want)
	}
	return nil
}
