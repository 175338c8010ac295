package testnet

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace that threads can join for a moment.
type namespace struct {
	itself, home *os.File // home: where threads go when they leave
	tun          int      // the descriptor of its device, closed by close
}

// newNamespace makes a namespace in which the address is reached by a TUN
// device.
func newNamespace(addr netip.Addr) (*namespace, error) {
	home, err := ofThisThread()
	if err != nil {
		return nil, err
	}
	ns := &namespace{home: home}
	if err := ns.make(addr); err != nil {
		return nil, errors.Join(err, home.Close())
	}
	return ns, nil
}

func (ns *namespace) make(addr netip.Addr) (err error) {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("make a network namespace (root may, with CAP_SYS_ADMIN): %w", err)
	}
	defer goHome(ns.home)
	if ns.itself, err = ofThisThread(); err != nil {
		return err
	}
	if ns.tun, err = openTUN(addr); err != nil {
		return errors.Join(err, ns.itself.Close())
	}
	return nil
}

// ofThisThread opens the namespace that the calling thread is in.
func ofThisThread() (*os.File, error) {
	f, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("find the network namespace of this thread: %w", err)
	}
	return f, nil
}

// goHome takes the calling thread, which is locked, out of a namespace.
func goHome(home *os.File) {
	if err := setns(home); err != nil {
		panic(fmt.Sprintf("testnet: a thread cannot leave its network namespace: %v", err))
	}
	runtime.UnlockOSThread()
}

// join takes the calling goroutine into the namespace, on a thread of its own,
// until it calls leave. leave may be called again; it reports whether it was
// this call that left, and does nothing on any other thread.
func (ns *namespace) join() (leave func() bool, err error) {
	runtime.LockOSThread()
	if err := setns(ns.itself); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("join the network namespace: %w", err)
	}
	thread, inside := unix.Gettid(), true
	return func() bool {
		if unix.Gettid() != thread || !inside {
			return false
		}
		inside = false
		goHome(ns.home)
		return true
	}, nil
}

func (ns *namespace) close() error {
	err := unix.Close(ns.tun)
	return errors.Join(err, ns.itself.Close(), ns.home.Close())
}

func setns(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	// Control, not Fd: it fails if the file has been closed, instead of
	// joining whatever has its number now.
	var joined error
	if raw.Control(func(fd uintptr) { joined = unix.Setns(int(fd), unix.CLONE_NEWNET) }) != nil {
		return os.ErrClosed
	}
	return joined
}
