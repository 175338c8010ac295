package contract

import (
	"io"
	"net/http"
	"time"
)

// A script is what the server does on one connection, step by step. A connection whose script has ended without
// closing it goes on like an ordinary server: it answers every further request, the probe among them.
type script []step

type step func(*peer) error

// answer reads a whole request and sends raw bytes.
func answer(raw string) script { return script{readRequest, send(raw)} }

// answerAndFinish also ends the server's side of the connection.
func answerAndFinish(raw string) script { return script{readRequest, send(raw), finishes} }

func (s script) then(more ...step) script { return append(append(script{}, s...), more...) }

func readHead(p *peer) (err error) {
	p.request, err = http.ReadRequest(p.in)
	return err
}

func readBody(p *peer) error {
	_, err := io.Copy(io.Discard, p.request.Body)
	return err
}

func readRequest(p *peer) error {
	if err := readHead(p); err != nil {
		return err
	}
	return readBody(p)
}

// hear reads exactly this text, past anything that HTTP would make of it.
func hear(text string) step {
	return func(p *peer) error {
		got := make([]byte, len(text))
		if _, err := io.ReadFull(p.in, got); err != nil {
			return err
		}
		if string(got) != text {
			return &mismatch{want: text, got: string(got)}
		}
		return nil
	}
}

// hearEnd reads until the client ends its side.
func hearEnd(p *peer) error {
	_, err := io.Copy(io.Discard, p.in)
	return err
}

// readRaw takes what comes first beneath TLS.
func readRaw(p *peer) error {
	_, err := p.tcp.Read(make([]byte, 16<<10))
	return err
}

// echoes sends back all that comes until the client ends its side, then ends the server's.
func echoes(p *peer) error {
	if _, err := io.Copy(p.Conn, p.in); err != nil {
		return err
	}
	return finishes(p)
}

// said is all that scripts send, for the fuzz tests to begin with.
var said []string

func send(raw string) step {
	said = append(said, raw)
	return func(p *peer) error {
		_, err := io.WriteString(p.Conn, raw)
		return err
	}
}

// sendEndlessly repeats raw until the client hangs up.
func sendEndlessly(raw string) step {
	return func(p *peer) error {
		for {
			if _, err := io.WriteString(p.Conn, raw); err != nil {
				return err
			}
		}
	}
}

func await(m moment) step { return func(p *peer) error { return p.stage.await(m) } }

func tell(m moment) step { return func(p *peer) error { p.stage.tell(m); return nil } }

// cancels cancels the caller's context; a nil cause is the ordinary context.Canceled.
func cancels(cause error) step { return func(p *peer) error { p.stage.cancel(cause); return nil } }

// finishes ends the server's side only: the client sees EOF, and what it still writes is read.
func finishes(p *peer) error {
	defer close(p.ended)
	return p.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

func closes(p *peer) error { return p.Conn.Close() }

// resets makes the client see a connection reset.
func resets(p *peer) error {
	if err := p.tcp.SetLinger(0); err != nil {
		return err
	}
	return p.tcp.Close()
}

// drops closes TCP under TLS without TLS's own goodbye.
func drops(p *peer) error { return p.tcp.Close() }

type mismatch struct{ want, got string }

func (e *mismatch) Error() string { return "script expected " + e.want + ", got " + e.got }

// sendByteByByte sends every byte in a write of its own.
func sendByteByByte(raw string) step {
	return func(p *peer) error {
		for i := range len(raw) {
			if _, err := io.WriteString(p.Conn, raw[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	}
}

// pauses lets time pass: not for something to happen meanwhile, but because a timeout must not count it.
func pauses(d time.Duration) step {
	return func(*peer) error { time.Sleep(d); return nil }
}
