package replay

import (
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const plenty = 64 << 10

// source is a request body that counts how often it is closed.
type source struct {
	io.Reader
	closes atomic.Int32
}

func (s *source) Close() error {
	s.closes.Add(1)
	return nil
}

func sourceOf(content string) *source { return &source{Reader: strings.NewReader(content)} }

// begin begins an attempt at the whole body.
func begin(b *Body) io.ReadCloser {
	a, whole := b.Attempt()
	if !whole {
		panic("the body cannot be read again")
	}
	return a
}

// readSome reads exactly n bytes.
func readSome(t *testing.T, r io.Reader, n int) string {
	t.Helper()
	p := make([]byte, n)
	_, err := io.ReadFull(r, p)
	require.NoError(t, err)
	return string(p)
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	all, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(all)
}

func TestEachAttemptReadsFromTheBeginning(t *testing.T) {
	b := New(sourceOf("abcdefgh"), plenty)
	assert.Equal(t, "abc", readSome(t, begin(b), 3))
	assert.Equal(t, "abcde", readSome(t, begin(b), 5))
	assert.Equal(t, "abcdefgh", readAll(t, begin(b)))
	assert.Equal(t, "abcdefgh", readAll(t, begin(b)), "after the end of the source")
}

func TestAnEmptySourceIsReplayable(t *testing.T) {
	b := New(sourceOf(""), 0)
	assert.Empty(t, readAll(t, begin(b)))
	assert.True(t, b.Replayable())
	assert.Empty(t, readAll(t, begin(b)))
}

func TestUpToTheLimitIsKept(t *testing.T) {
	for _, row := range []struct {
		limit      int64
		read       int
		replayable bool
	}{
		{limit: 0, read: 0, replayable: true}, // untouched
		{limit: 0, read: 1, replayable: false},
		{limit: 4, read: 3, replayable: true},
		{limit: 4, read: 4, replayable: true},
		{limit: 4, read: 5, replayable: false},
		{limit: 1 << 40, read: 8, replayable: true},
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader,
		} {
			b := New(&source{Reader: wrap(strings.NewReader("abcdefgh"))}, row.limit)
			first := begin(b)
			readSome(t, first, row.read)
			assert.Equal(t, row.replayable, b.Replayable(), "limit %d, %d read %s", row.limit, row.read, name)
			assert.Equal(t, "abcdefgh"[row.read:], readAll(t, first), "going on: limit %d, %d read %s", row.limit, row.read, name)
		}
	}
}

func TestNothingIsKeptBeyondTheLimit(t *testing.T) {
	b := New(sourceOf(strings.Repeat("x", 100)), 50)
	readAll(t, iotest.OneByteReader(begin(b)))
	assert.Zero(t, b.kept)
}

// What is recorded lies in several pieces, and reads end anywhere in them.
func TestALongBodyIsReplayed(t *testing.T) {
	content := make([]byte, 3*pieceSize+100)
	for i := range content {
		content[i] = byte(i * 7)
	}
	for _, step := range []int{1, 100, pieceSize - 1, pieceSize, pieceSize + 1, len(content)} {
		b := New(sourceOf(string(content)), int64(len(content)))
		first, again := begin(b), make([]byte, step)
		for range len(content) / step {
			readSome(t, first, step)
		}
		var got []byte
		for second := begin(b); ; {
			n, err := second.Read(again)
			got = append(got, again[:n]...)
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
		}
		assert.Equal(t, content, got, "in steps of %d", step)
	}
}

func TestWhatNobodyWillReadIsNotKept(t *testing.T) {
	b := New(sourceOf("abcdefgh"), plenty)
	readSome(t, begin(b), 5)
	last := begin(b)
	b.Settle()
	assert.Equal(t, 5, b.kept.len, "the last attempt has yet to read it")
	readSome(t, last, 5)
	assert.Zero(t, b.kept)
	assert.Equal(t, "fgh", readAll(t, last))
	assert.Zero(t, b.kept)
}

func TestAnEarlierAttemptFails(t *testing.T) {
	b := New(sourceOf("abcdefgh"), plenty)
	first := begin(b)
	readSome(t, first, 2)
	second := begin(b)
	_, err := first.Read(make([]byte, 1))
	assert.ErrorIs(t, err, ErrSuperseded)
	assert.Equal(t, "abcdefgh", readAll(t, second), "and takes nothing away")
}

// hanging is a source whose Reads tell that they have begun and wait until
// they are given something.
type hanging struct {
	begun chan struct{}
	bring chan string
	closeCount
}

type closeCount struct{ closes atomic.Int32 }

func (c *closeCount) Close() error { c.closes.Add(1); return nil }

func newHanging() *hanging {
	return &hanging{begun: make(chan struct{}, 10), bring: make(chan string)}
}

func (h *hanging) Read(p []byte) (int, error) {
	h.begun <- struct{}{}
	text, ok := <-h.bring
	if !ok {
		return 0, io.EOF
	}
	return copy(p, text), nil
}

// reading is the result of a Read in another goroutine.
type reading struct {
	text string
	err  error
}

func readLater(r io.Reader) <-chan reading {
	done := make(chan reading, 1)
	go func() {
		p := make([]byte, 100)
		n, err := r.Read(p)
		done <- reading{string(p[:n]), err}
	}()
	return done
}

func TestASupersededReadHandsItsBytesOn(t *testing.T) {
	h := newHanging()
	b := New(h, 3) // what a superseded read brings is kept whatever the limit: it exists nowhere else
	first := readLater(begin(b))
	<-h.begun
	require.True(t, b.Replayable(), "while a read hangs")
	again := begin(b)
	second := readLater(again)
	h.bring <- "of the first"
	<-first
	assert.Equal(t, reading{text: "of the first"}, <-second)

	third := readLater(again)
	<-h.begun
	h.bring <- ", and of the second"
	assert.Equal(t, reading{text: ", and of the second"}, <-third)
	close(h.bring)
	assert.Empty(t, readAll(t, again))
}

func TestASupersededReadHandsItsBytesOnAfterSettle(t *testing.T) {
	h := newHanging()
	b := New(h, plenty)
	first := readLater(begin(b))
	<-h.begun
	again := begin(b)
	b.Settle()
	h.bring <- "abc"
	<-first
	assert.Equal(t, "abc", readSome(t, again, 3))
	close(h.bring)
	assert.Empty(t, readAll(t, again))
}

func TestASupersededReadHandsItsErrorOn(t *testing.T) {
	h := newHanging()
	b := New(h, plenty)
	first := readLater(begin(b))
	<-h.begun
	second := readLater(begin(b))
	close(h.bring)
	<-first
	assert.Equal(t, reading{err: io.EOF}, <-second)
}

// Whether the body can be read again may have been asked while the read hung.
func TestAReadThatBringsTooMuchBeforeTheNextAttemptLeavesNone(t *testing.T) {
	h := newHanging()
	b := New(h, 3)
	a := begin(b)
	first := readLater(a)
	<-h.begun
	require.True(t, b.Replayable())
	h.bring <- "more than is kept"
	<-first
	_, whole := b.Attempt()
	assert.False(t, whole)
	close(h.bring)
	assert.Empty(t, readAll(t, a), "the attempt goes on")
	b.Settle()
	require.NoError(t, a.Close())
	assert.EqualValues(t, 1, h.closes.Load())
}

func TestTheSourceIsNeverReadTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHanging()
		b := New(h, plenty)
		first := readLater(begin(b))
		synctest.Wait()
		second := readLater(begin(b))
		synctest.Wait()
		assert.Len(t, h.begun, 1, "the second waits for its turn")
		close(h.bring)
		<-first
		<-second
	})
}

func TestAFailedSourceIsNotReplayable(t *testing.T) {
	broken := errors.New("broken")
	b := New(&source{Reader: io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken))}, plenty)
	first := begin(b)
	assert.Equal(t, "abc", readSome(t, first, 3))
	assert.True(t, b.Replayable(), "not failed yet")
	_, err := first.Read(make([]byte, 1))
	require.Equal(t, broken, err)
	assert.False(t, b.Replayable())
	_, whole := b.Attempt()
	assert.False(t, whole)
	_, err = first.Read(make([]byte, 1))
	assert.Equal(t, broken, err, "nothing has taken its place")
}

func TestBytesThatComeWithTheEndAreKept(t *testing.T) {
	b := New(&source{Reader: iotest.DataErrReader(strings.NewReader("abc"))}, plenty)
	assert.Equal(t, "abc", readAll(t, begin(b)))
	assert.True(t, b.Replayable())
	assert.Equal(t, "abc", readAll(t, begin(b)))
}

func TestAReadOfNothing(t *testing.T) {
	h := newHanging() // would hang
	n, err := begin(New(h, plenty)).Read(nil)
	assert.Zero(t, n)
	assert.NoError(t, err)
}

func TestTheSourceIsClosedOnce(t *testing.T) {
	for _, row := range []struct {
		name  string
		steps func(b *Body)
		want  int32
	}{
		{"an attempt alone", func(b *Body) { _ = begin(b).Close() }, 0},
		{"settled alone", func(b *Body) { begin(b); b.Settle() }, 0},
		{"closed, then settled", func(b *Body) { _ = begin(b).Close(); b.Settle() }, 1},
		{"settled, then closed", func(b *Body) { a := begin(b); b.Settle(); _ = a.Close() }, 1},
		{"closed twice", func(b *Body) { a := begin(b); b.Settle(); _ = a.Close(); _ = a.Close(); b.Settle() }, 1},
		{"an earlier attempt", func(b *Body) { a := begin(b); begin(b); b.Settle(); _ = a.Close() }, 0},
		{"an earlier attempt, closed before", func(b *Body) { _ = begin(b).Close(); begin(b); b.Settle() }, 0},
		{"a later attempt", func(b *Body) { _ = begin(b).Close(); a := begin(b); _ = a.Close(); b.Settle() }, 1},
		{"read in part, then closed", func(b *Body) { a := begin(b); _, _ = a.Read(make([]byte, 3)); _ = a.Close() }, 0},
		{"read to its end, then closed", func(b *Body) { a := begin(b); _, _ = io.ReadAll(a); _ = a.Close(); b.Settle() }, 1},
		{"by itself", func(b *Body) { _ = b.Close(); _ = b.Close() }, 1},
		{"by itself and by an attempt", func(b *Body) { a := begin(b); b.Settle(); _ = b.Close(); _ = a.Close() }, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := sourceOf("abc")
			row.steps(New(s, plenty))
			assert.Equal(t, row.want, s.closes.Load())
		})
	}
}

func TestAClosedBodyIsNotReplayable(t *testing.T) {
	b := New(sourceOf("abc"), plenty)
	require.NoError(t, b.Close())
	assert.False(t, b.Replayable())
	_, whole := b.Attempt()
	assert.False(t, whole)
}

// What has been read to its end is not read again, but from what was kept.
func TestAnEndedBodyIsReplayableThoughItsSourceIsClosed(t *testing.T) {
	s := sourceOf("abc")
	b := New(s, plenty)
	first := begin(b)
	assert.Equal(t, "abc", readAll(t, first))
	require.NoError(t, first.Close())
	assert.EqualValues(t, 1, s.closes.Load())
	assert.True(t, b.Replayable())
	assert.Equal(t, "abc", readAll(t, begin(b)))
}

func TestCloseReturnsWhatTheSourceSays(t *testing.T) {
	broken := errors.New("broken")
	b := New(closeFails{strings.NewReader(""), broken}, plenty)
	a := begin(b)
	b.Settle()
	assert.Equal(t, broken, a.Close())
	assert.NoError(t, a.Close(), "it was closed before")
}

type closeFails struct {
	io.Reader
	err error
}

func (c closeFails) Close() error { return c.err }

// The transport closes an attempt while a Read of it hangs in the source, as
// it would the body itself.
func TestAnAttemptMayBeClosedWhileItReads(t *testing.T) {
	h := newHanging()
	b := New(h, plenty)
	a := begin(b)
	read := readLater(a)
	<-h.begun
	b.Settle()
	require.NoError(t, a.Close())
	assert.EqualValues(t, 1, h.closes.Load())
	close(h.bring)
	<-read
}

func TestConcurrentUse(t *testing.T) {
	content := strings.Repeat("0123456789", 1000)
	for range 50 {
		s := sourceOf(content)
		b := New(s, plenty)
		var all sync.WaitGroup
		for range 3 {
			attempt := begin(b)
			all.Go(func() { _, _ = io.Copy(io.Discard, iotest.HalfReader(attempt)) })
			all.Go(func() { b.Replayable() })
		}
		last := begin(b)
		all.Go(b.Settle)
		assert.Equal(t, content, readAll(t, last))
		assert.NoError(t, last.Close())
		all.Wait()
		assert.EqualValues(t, 1, s.closes.Load())
	}
}
