package behaviour

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
)

// socksProxy is a SOCKS 5 proxy (RFC 1928), with passwords (RFC 1929) if it wants some.
type socksProxy struct {
	addr     string
	asked    record // the targets
	users    record // user:password of each that said so
	user     string // user:password that it wants; empty: none
	to       string // where it leads, whatever was asked for
	refusing byte   // the code with which it refuses; 0: it does not
}

func serveSOCKS(t *testing.T, to string) *socksProxy {
	p := &socksProxy{to: to}
	p.addr = listen(t, p.serve)
	return p
}

// through makes all requests go through the proxy.
func (p *socksProxy) through(scheme string, user *url.Userinfo) func(*http.Transport) {
	return func(base *http.Transport) {
		base.Proxy = http.ProxyURL(&url.URL{Scheme: scheme, User: user, Host: p.addr})
	}
}

const (
	socksVersion   = 5
	noPassword     = 0
	byPassword     = 2
	nothingFits    = 0xff
	addressIPv4    = 1
	addressName    = 3
	addressIPv6    = 4
	passwordIsTrue = 0
)

func (p *socksProxy) serve(c net.Conn) {
	in := bufio.NewReader(c)
	if p.greet(c, in) != nil {
		return
	}
	target, err := readTarget(in)
	if err != nil {
		return
	}
	p.asked.add(target)
	if p.refusing != 0 {
		_, _ = c.Write([]byte{socksVersion, p.refusing, 0, addressIPv4, 0, 0, 0, 0, 0, 0})
		return
	}
	behind, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.to)
	if err != nil {
		return
	}
	_, _ = c.Write([]byte{socksVersion, 0, 0, addressIPv4, 127, 0, 0, 1, 0, 0})
	join(c, behind) // a client speaks only after this: in holds nothing
}

// greet agrees on a way of saying who one is.
func (p *socksProxy) greet(c net.Conn, in *bufio.Reader) error {
	head := make([]byte, 2)
	if _, err := io.ReadFull(in, head); err != nil {
		return err
	}
	methods := make([]byte, head[1])
	if _, err := io.ReadFull(in, methods); err != nil {
		return err
	}
	wanted := byte(noPassword)
	if p.user != "" {
		wanted = byPassword
	}
	for _, m := range methods {
		if m == wanted {
			_, err := c.Write([]byte{socksVersion, wanted})
			if err != nil || wanted == noPassword {
				return err
			}
			return p.checkPassword(c, in)
		}
	}
	_, _ = c.Write([]byte{socksVersion, nothingFits})
	return io.ErrUnexpectedEOF
}

func (p *socksProxy) checkPassword(c net.Conn, in *bufio.Reader) error {
	if _, err := in.Discard(1); err != nil { // the version
		return err
	}
	user, err := readShort(in)
	if err != nil {
		return err
	}
	password, err := readShort(in)
	if err != nil {
		return err
	}
	said := user + ":" + password
	p.users.add(said)
	if said != p.user {
		_, _ = c.Write([]byte{1, 1})
		return fmt.Errorf("%q is nobody", said)
	}
	_, err = c.Write([]byte{1, passwordIsTrue})
	return err
}

// readShort reads a text with its length before it.
func readShort(in *bufio.Reader) (string, error) {
	n, err := in.ReadByte()
	if err != nil {
		return "", err
	}
	text := make([]byte, n)
	_, err = io.ReadFull(in, text)
	return string(text), err
}

// readTarget reads what a CONNECT of SOCKS asks for.
func readTarget(in *bufio.Reader) (string, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(in, head); err != nil {
		return "", err
	}
	var host string
	switch head[3] {
	case addressName:
		name, err := readShort(in)
		if err != nil {
			return "", err
		}
		host = name
	case addressIPv4, addressIPv6:
		ip := make(net.IP, map[byte]int{addressIPv4: 4, addressIPv6: 16}[head[3]])
		if _, err := io.ReadFull(in, ip); err != nil {
			return "", err
		}
		host = ip.String()
	}
	port := make([]byte, 2)
	_, err := io.ReadFull(in, port)
	return net.JoinHostPort(host, fmt.Sprint(binary.BigEndian.Uint16(port))), err
}
