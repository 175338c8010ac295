// Package koji is a client of a Koji hub's XML-RPC API, as the author of an SDK would write one on ttlpool.
//
// Every call is a POST, and a POST must not be sent twice unless somebody says that it may. This package knows which of
// the hub's methods only read, and says so: to its own transport by [ttlpool.Idempotent], and to the transports of the
// proxies on the way by an Idempotency-Key. Such a call survives a connection that its server closes at the wrong
// moment. A call that changes something is left alone: if it fails, only its caller can find out whether it was acted on.
package koji

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/examples/internal/xmlrpc"
)

// Client makes calls without logging in; these can only read. It is safe for concurrent use.
type Client struct {
	API
	hub   string
	http  *http.Client
	own   *ttlpool.Transport // nil: the transport is the caller's
	limit int64              // of an answer's bytes
}

// maxResponseBytes bounds what a hub can make a client keep in memory.
const maxResponseBytes = 64 << 20

// New returns a client of the hub at an address such as https://koji.fedoraproject.org/kojihub. If transport is nil, the
// client has a [ttlpool.Transport] of its own, which goes by what the hub shows of its keep-alive timeout.
func New(hub string, transport http.RoundTripper) (*Client, error) {
	u, err := url.Parse(hub)
	if err != nil {
		return nil, fmt.Errorf("koji: address of the hub: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("koji: address of the hub: %q is not of the form https://host/kojihub", hub)
	}
	c := &Client{hub: hub, limit: maxResponseBytes}
	if transport == nil {
		if c.own, err = ttlpool.NewTransport(); err != nil {
			return nil, err
		}
		transport = c.own
	}
	c.http = &http.Client{Transport: transport, CheckRedirect: stay}
	c.API = API{c}
	return c, nil
}

// stay makes a redirection an answer that is no good: a call and its session's key are for this hub only.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close closes the connections, those in use too, unless the transport is the caller's.
func (c *Client) Close() error {
	if c.own == nil {
		return nil
	}
	return c.own.Close()
}

func (c *Client) call(ctx context.Context, method string, args []any) (any, error) {
	return c.post(ctx, nil, method, args)
}

// post makes a call with header fields of its session.
func (c *Client) post(ctx context.Context, session http.Header, method string, args []any) (any, error) {
	result, err := c.exchange(ctx, session, method, args)
	if fault, ok := errors.AsType[*xmlrpc.Fault](err); ok {
		err = &Fault{Code: FaultCode(fault.Code), Message: fault.String}
	}
	if err != nil {
		return nil, fmt.Errorf("koji: %s: %w", method, err)
	}
	return result, nil
}

func (c *Client) exchange(ctx context.Context, session http.Header, method string, args []any) (any, error) {
	req, err := c.request(ctx, method, args)
	if err != nil {
		return nil, err
	}
	for name, values := range session {
		req.Header[name] = values
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body := http.MaxBytesReader(nil, resp.Body, c.limit)
	if resp.StatusCode != http.StatusOK {
		return nil, statusError(resp, body)
	}
	return xmlrpc.ReadResponse(body) // to its end, so that the connection can be used again
}

func (c *Client) request(ctx context.Context, method string, args []any) (*http.Request, error) {
	var body bytes.Buffer
	if err := xmlrpc.WriteCall(&body, method, args...); err != nil {
		return nil, err
	}
	repeatable := readsOnly(method, args)
	if repeatable {
		ctx = ttlpool.Idempotent(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.hub, &body) // with GetBody: it is a Buffer
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "text/xml")
	req.Header.Set("User-Agent", "ttlpool-kojiclient")
	if repeatable {
		req.Header.Set("Idempotency-Key", rand.Text()) // a context ends at this process
	}
	return req, nil
}
