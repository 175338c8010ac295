package replay

import (
	"io"
	"testing"
)

// FuzzBody runs a program of attempts, reads, closes and the settling against
// a model of what each must give.
func FuzzBody(f *testing.F) {
	f.Add([]byte("abcdefgh"), int64(8), []byte{0, 3, 0, 200, 0, 250})
	f.Add([]byte("abcdefgh"), int64(4), []byte{0, 5, 1, 3, 4, 2, 0, 9})
	f.Add([]byte(""), int64(0), []byte{0, 1, 0, 2, 4, 4})
	f.Add([]byte("abc"), int64(1), []byte{0, 100, 1, 2, 3, 5, 4, 0})
	f.Add([]byte("abcdefgh"), int64(2), []byte{20, 29, 20, 36, 44, 44})
	f.Fuzz(func(t *testing.T, content []byte, limit int64, program []byte) {
		if limit < 0 || len(program) > 200 {
			return
		}
		m := &model{t: t, content: content, limit: limit}
		m.body = New(m, limit)
		m.begin()
		for _, step := range program {
			m.step(step)
		}
		m.check()
	})
}

// model is the simplest thing that a Body should be indistinguishable from,
// and the source of the Body it watches.
type model struct {
	t       *testing.T
	content []byte
	limit   int64
	body    *Body

	pulled   int    // bytes read from the source
	pulls    int    // reads of the source
	during   func() // called during the next of them; or nil
	handed   int    // bytes known from it when a read outlived its attempt
	closes   int
	current  io.ReadCloser
	previous io.ReadCloser
	pos      int  // of the current attempt
	lost     bool // it cannot be read from the beginning any more
	released bool // the current attempt is closed
	settled  bool
	ended    bool // the source has said so
	finished bool // the source has ended, and an attempt was closed since
}

// Read and Close make it the source.
func (m *model) Read(p []byte) (int, error) {
	if m.closes > 0 {
		m.t.Fatal("the source is read after its Close")
	}
	if during := m.during; during != nil {
		m.during = nil
		during()
	}
	n := copy(p, m.content[m.pulled:])
	m.pulled += n
	m.pulls++
	if n == 0 && len(p) > 0 {
		m.ended = true
		return 0, io.EOF
	}
	return n, nil
}

func (m *model) Close() error {
	m.closes++
	return nil
}

func (m *model) step(step byte) {
	switch step % 8 {
	case 0:
		m.begin()
	case 1:
		m.readPrevious()
	case 2:
		m.release()
	case 3:
		m.settled = true
		m.body.Settle()
	case 4:
		m.during = m.begin // while the read hangs
		m.read(int(step) / 8)
		m.during = nil
	default:
		m.read(int(step) / 8)
	}
	m.check()
}

// begin makes a new attempt where that makes sense, and there is one.
func (m *model) begin() {
	if m.settled {
		return
	}
	next, whole := m.body.Attempt()
	if whole != m.replayable() {
		m.t.Fatalf("attempt at the whole body: %v, want %v", whole, !whole)
	}
	if whole {
		m.previous, m.current = m.current, next
		m.pos, m.released = 0, false
	}
}

func (m *model) replayable() bool { return !m.lost && (m.closes == 0 || m.ended) }

func (m *model) readPrevious() {
	if m.previous == nil {
		return
	}
	before := m.pulled
	if n, err := m.previous.Read(make([]byte, 1)); n != 0 || err != ErrSuperseded {
		m.t.Fatalf("an earlier attempt read %d bytes, %v", n, err)
	}
	if m.pulled != before {
		m.t.Fatal("an earlier attempt read from the source")
	}
}

// read reads from the current attempt.
func (m *model) read(n int) {
	if m.released {
		return // no caller does that
	}
	p := make([]byte, n)
	reader, from, pulls := m.current, m.pos, m.pulls
	got, err := reader.Read(p)
	switch {
	case string(p[:got]) != string(m.content[from:from+got]):
		m.t.Fatalf("read %q at %d of %q", p[:got], from, m.content)
	case err == io.EOF && from+got != len(m.content):
		m.t.Fatalf("ended at %d of %d", from+got, len(m.content))
	case err != nil && err != io.EOF:
		m.t.Fatal(err)
	case err == nil && got == 0 && n > 0:
		m.t.Fatal("read nothing, and no error")
	}
	if reader != m.current { // what came belongs to the new attempt
		m.handed = m.pulled
		return
	}
	m.pos += got
	m.lost = m.lost || !m.settled && m.pulls > pulls && int64(m.pulled) > m.limit
}

func (m *model) release() {
	if m.released {
		return
	}
	m.released = true
	m.finished = m.finished || m.ended
	if err := m.current.Close(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) check() {
	m.t.Helper()
	wantCloses := 0
	if m.settled && m.released || m.finished {
		wantCloses = 1
	}
	if m.closes != wantCloses {
		m.t.Fatalf("closed %d times, want %d", m.closes, wantCloses)
	}
	if want := m.replayable(); !m.settled && m.body.Replayable() != want {
		m.t.Fatalf("replayable: %v, want %v", !want, want)
	}
	if allowed := max(m.limit, int64(m.handed)); allowed < int64(m.body.kept.len) {
		m.t.Fatalf("%d bytes kept, limit %d", m.body.kept.len, allowed)
	}
	if m.settled && m.body.kept.len > 0 && m.pos >= m.body.kept.len {
		m.t.Fatalf("%d bytes kept for nobody", m.body.kept.len)
	}
}
