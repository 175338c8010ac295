//go:build !linux

package testnet

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

var errUnsupported = fmt.Errorf("network namespaces and TUN devices on %s: %w", runtime.GOOS, errors.ErrUnsupported)

func open([2]time.Duration, func(Packet)) (*Network, error) { return nil, errUnsupported }

// namespace stands in for that of Linux: there is never one.
type namespace struct{}

func (*namespace) join() (leave func() bool, err error) { return nil, errUnsupported }
