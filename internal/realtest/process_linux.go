package realtest

import (
	"os"
	"syscall"
)

var (
	signalHangUp = syscall.SIGHUP
	signalUser1  = syscall.SIGUSR1
	signalUser2  = syscall.SIGUSR2
)

// ownGroup gives a process a group of its own, so that it can be killed with its
// children, and has the kernel stop it if this process ends before.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

func killGroup(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGKILL) }
