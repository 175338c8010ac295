package connect

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/proxy"
)

// connectTimeout bounds a proxy's answer to CONNECT.
const connectTimeout = time.Minute

// tunnel returns a connection to the target through its proxy.
func (d *Dialer) tunnel(ctx context.Context, t Target) (net.Conn, error) {
	switch t.Proxy.Scheme {
	case "socks5", "socks5h": // in both the proxy resolves the name, as in net/http
		return d.socks(ctx, t)
	case "http", "https":
	default:
		return nil, proxyError(fmt.Errorf("unknown proxy scheme %q", t.Proxy.Scheme))
	}
	conn, err := d.direct(ctx, t.Network, Address(t.Proxy), t.Proxy.Scheme == "https", onlyHTTP1)
	if err != nil {
		return nil, proxyError(err)
	}
	if err := d.askFor(ctx, conn, t); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// socks connects through a SOCKS 5 proxy.
func (d *Dialer) socks(ctx context.Context, t Target) (net.Conn, error) {
	var auth *proxy.Auth
	if user := t.Proxy.User; user != nil {
		auth = &proxy.Auth{User: user.Username()}
		auth.Password, _ = user.Password()
	}
	var (
		conn     net.Conn // what is dialled; the proxy package returns it in a wrapper
		dialling error    // and its error in one of its own
	)
	through, err := proxy.SOCKS5(t.Network, Address(t.Proxy), auth, toProxy(
		func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, dialling = d.dial(ctx, network, address)
			return conn, dialling
		}))
	if err != nil {
		return nil, proxyError(err)
	}
	_, err = through.(proxy.ContextDialer).DialContext(ctx, t.Network, t.Address)
	switch {
	case dialling != nil:
		return nil, proxyError(dialling)
	case err != nil:
		return nil, err
	}
	return conn, nil
}

// toProxy makes a dial function the proxy package's kind of dialer.
type toProxy DialFunc

func (f toProxy) Dial(network, address string) (net.Conn, error) {
	return f(context.Background(), network, address)
}

func (f toProxy) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}

// askFor asks the proxy for a tunnel, by CONNECT (RFC 9110, 9.3.6).
func (d *Dialer) askFor(ctx context.Context, conn net.Conn, t Target) error {
	header, err := d.connectHeader(ctx, t)
	if err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	stop := context.AfterFunc(asking, func() { _ = conn.Close() })
	defer stop()

	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: t.Address}, Host: t.Address, Header: header}
	resp, err := exchangeConnect(conn, req, d.MaxHeaderBytes)
	switch {
	case asking.Err() != nil:
		return context.Cause(asking)
	case err != nil:
		return err
	}
	if d.OnProxyConnectResponse != nil {
		if err := d.OnProxyConnectResponse(ctx, t.Proxy, req, resp); err != nil {
			return err
		}
	}
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	if _, text, ok := strings.Cut(resp.Status, " "); ok {
		return errors.New(text)
	}
	return errors.New("unknown status code")
}

// exchangeConnect sends the request and reads the head of the response. What
// may have been read beyond it is lost; but a server does not speak before its
// client has begun TLS.
func exchangeConnect(conn net.Conn, req *http.Request, maxHeaderBytes int64) (*http.Response, error) {
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	return http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxHeaderBytes)), req)
}

// connectHeader returns the header of the CONNECT request. What the caller
// gave is not changed.
func (d *Dialer) connectHeader(ctx context.Context, t Target) (header http.Header, err error) {
	header = d.ProxyConnectHeader
	if d.GetProxyConnectHeader != nil {
		if header, err = d.GetProxyConnectHeader(ctx, t.Proxy, t.Address); err != nil {
			return nil, err
		}
	}
	header = header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	if auth := ProxyAuthorization(t.Proxy); auth != "" {
		header.Set("Proxy-Authorization", auth)
	}
	return header, nil
}

// ProxyAuthorization returns the credentials of a proxy's URL as the value of a
// Proxy-Authorization header, or nothing.
func ProxyAuthorization(u *url.URL) string {
	if u == nil || u.User == nil {
		return ""
	}
	password, _ := u.User.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
}

// proxyError marks the failure to reach a proxy, as net/http does.
func proxyError(err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: "proxyconnect", Net: "tcp", Err: err}
}
