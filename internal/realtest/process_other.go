//go:build !linux

package realtest

import (
	"os"
	"syscall"
)

// No reloads, and only the first process of a server is killed.
var signalHangUp, signalUser1, signalUser2 os.Signal

func ownGroup() *syscall.SysProcAttr { return nil }

func killGroup(p *os.Process) error { return p.Kill() }
