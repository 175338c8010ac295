package realtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a server in a process of its own, with those that it has made.
type process struct {
	cmd     *exec.Cmd
	begin   func(*exec.Cmd) error
	ended   chan struct{}
	signals signals
}

// signals are how a server is told things.
type signals struct {
	stop   os.Signal // nil: SIGTERM
	reload os.Signal // nil: it cannot
}

// run starts a program whose output goes to the logs: what it prints to the
// log of requests, what it complains of to the error log.
func (s *site) run(signals signals, args ...string) (running, error) {
	program, err := s.facts.program()
	if err != nil {
		return nil, err
	}
	out, err := s.appendTo(requestLog)
	if err != nil {
		return nil, err
	}
	defer out.Close() // the process has its own
	complaints, err := s.appendTo(errorLog)
	if err != nil {
		return nil, err
	}
	defer complaints.Close()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Dir, out, complaints
	cmd.SysProcAttr = ownGroup()
	if signals.stop == nil {
		signals.stop = syscall.SIGTERM
	}
	p := &process{cmd: cmd, begin: s.place.Start, ended: make(chan struct{}), signals: signals}
	return p, p.start()
}

// appendTo opens a log and goes to its end, too: HAProxy makes what it is given
// non-blocking, and forgets that it was to append.
func (s *site) appendTo(name string) (*os.File, error) {
	f, err := os.OpenFile(s.File(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Seek(0, io.SeekEnd)
	return f, err
}

// start has a thread of the process's own, for the kernel ends the process along
// with the thread that has made it: see ownGroup.
func (p *process) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.begin(p.cmd)
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ends does not matter, only that it does
		}
		close(p.ended)
	}()
	return <-started
}

func (p *process) exited() <-chan struct{} { return p.ended }

// stop tells the server more than once: one that has just been started, or
// reloaded, may miss it.
func (p *process) stop() error {
	again := time.NewTicker(time.Second)
	defer again.Stop()
	limit := time.NewTimer(stopTimeout)
	defer limit.Stop()
	for {
		if err := p.cmd.Process.Signal(p.signals.stop); err != nil && !errors.Is(err, os.ErrProcessDone) {
			_ = p.cmd.Process.Kill() // there is no such signal on this system
		}
		select {
		case <-p.ended:
			return nil
		case <-again.C:
		case <-limit.C:
			return errors.Join(fmt.Errorf("%s did not stop within %v", p.cmd.Path, stopTimeout), p.kill())
		}
	}
}

func (p *process) kill() error {
	select {
	case <-p.ended: // the number of its group may be somebody else's by now
		return nil
	default:
	}
	err := killGroup(p.cmd.Process)
	<-p.ended
	return err
}

func (p *process) reload() error {
	if p.signals.reload == nil {
		return ErrNoReload
	}
	return p.cmd.Process.Signal(p.signals.reload)
}
