package testnet

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// forwarder carries packets between two TUN devices, on one goroutine.
//
// It waits in ppoll and not by the runtime's timers and poller: those round
// what is left of a delay up to a millisecond when nothing else runs, which
// would double a round trip of 2 ms.
type forwarder struct {
	links [2]*link
	wake  int // an eventfd, readable when it is time to stop
	done  chan struct{}
}

// startForwarder carries packets until close.
func startForwarder(links [2]*link) (*forwarder, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	f := &forwarder{links: links, wake: wake, done: make(chan struct{})}
	go f.run()
	return f, nil
}

// close stops the forwarder; the packets it holds are lost. It is called once.
func (f *forwarder) close() {
	one := binary.NativeEndian.AppendUint64(nil, 1)
	if _, err := unix.Write(f.wake, one); err != nil {
		panic(fmt.Sprintf("testnet: the forwarder cannot be stopped: %v", err))
	}
	<-f.done
	unix.Close(f.wake)
}

func (f *forwarder) run() {
	defer close(f.done)
	restore := sharpenTimers()
	defer restore()
	fds := []unix.PollFd{
		{Fd: int32(f.wake), Events: unix.POLLIN},
		{Fd: int32(f.links[0].from)},
		{Fd: int32(f.links[1].from)},
	}
	for {
		timeout := f.deliver()
		for i, l := range f.links {
			fds[i+1].Events = l.wants()
		}
		_, err := unix.Ppoll(fds, timeout, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			panic(fmt.Sprintf("testnet: ppoll: %v", err))
		}
		if fds[0].Revents != 0 {
			return
		}
		for i, l := range f.links {
			if fds[i+1].Revents != 0 {
				l.receive()
			}
		}
	}
}

// deliver delivers what is due and returns the time until more is, nil if
// there is none on its way.
func (f *forwarder) deliver() *unix.Timespec {
	var next *unix.Timespec
	for _, l := range f.links {
		wait, ok := l.deliver()
		if !ok {
			continue
		}
		if t := unix.NsecToTimespec(wait.Nanoseconds()); next == nil || t.Nano() < next.Nano() {
			next = &t
		}
	}
	return next
}

// sharpenTimers has the kernel wake the calling goroutine's thread when it is
// asked to, and not up to 50 µs later, until restore.
func sharpenTimers() (restore func()) {
	runtime.LockOSThread()
	// Where it is refused the round trip is a little long, nothing worse.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	return func() {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0)
		runtime.UnlockOSThread()
	}
}

// link is one direction.
type link struct {
	direction Direction
	from, to  int // descriptors of TUN devices
	line      *delayLine
	loss      *loss
	observe   func(Packet) // may be nil
}

// The most packets that one direction holds: 6 MB, which is 120 MB/s at a
// delay of 50 ms. Further ones wait in the device's queue.
const linePackets = 4096

// burst is how many packets are taken in before others are delivered.
const burst = 64

// wants returns the events to poll the sender's device for.
func (l *link) wants() int16 {
	if l.line.full() {
		return 0
	}
	return unix.POLLIN
}

// receive takes in what the sender's device has.
func (l *link) receive() {
	for range burst {
		if l.line.full() {
			return
		}
		b := l.line.buffer()
		n, err := unix.Read(l.from, b)
		if err == unix.EAGAIN || err == unix.EINTR {
			return
		}
		if err != nil {
			panic(fmt.Sprintf("testnet: read from the TUN device, %s: %v", l.direction, err))
		}
		if n == 0 || b[0]>>4 != ipv4 {
			continue // IPv6 looks for neighbours and routers, whom nobody needs here
		}
		sent := time.Now()
		data := l.line.push(n, sent)
		if l.observe != nil {
			l.observe(Packet{Direction: l.direction, Sent: sent, Data: data})
		}
	}
}

// deliver hands over the packets that are due and returns the time until the
// next is; ok is false if there is none.
func (l *link) deliver() (wait time.Duration, ok bool) {
	for {
		data, sent, ok := l.line.head()
		if !ok {
			return 0, false
		}
		if wait := l.line.delay - time.Since(sent); wait > 0 {
			return wait, true
		}
		l.loss.pass(Packet{Direction: l.direction, Sent: sent, Data: data}, l.arrive)
		l.line.pop()
	}
}

func (l *link) arrive(data []byte) {
	// A packet that the device refuses is lost, as on any wire.
	_, _ = unix.Write(l.to, data)
}
