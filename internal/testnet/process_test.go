package testnet

import (
	"fmt"
	"io"
	"net"
	"os"
)

// serveVariable, if set, makes the test binary a server on that address.
const serveVariable = "TESTNET_SERVE"

// serve prints the address it listens on, then echoes one connection.
func serve(address string) (exit int) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(l.Addr())
	c, err := l.Accept()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if _, err := io.Copy(c, c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c.Close()
	return 0
}
