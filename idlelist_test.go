package ttlpool

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIdleListKeepsTheOrderOfReturn(t *testing.T) {
	var l idleList
	a, b, c := new(Conn), new(Conn), new(Conn)
	for _, conn := range []*Conn{a, b, c} {
		l.push(conn)
	}
	assert.Same(t, a, l.oldest)
	assert.Same(t, c, l.newest)
	l.remove(b)
	assert.True(t, slices.Equal([]*Conn{a, c}, l.check(t)))
	l.push(b)
	assert.True(t, slices.Equal([]*Conn{a, c, b}, l.check(t)))
}

func TestIdleListAgreesWithASlice(t *testing.T) {
	var (
		l     idleList
		model []*Conn
		out   []*Conn
		rng   = rand.New(rand.NewPCG(1, 2))
	)
	for range 20 {
		out = append(out, new(Conn))
	}
	for range 2000 {
		if i := rng.IntN(len(model) + len(out)); i < len(model) {
			c := model[i]
			l.remove(c)
			model = slices.Delete(model, i, i+1)
			out = append(out, c)
			assert.Nil(t, c.older)
			assert.Nil(t, c.newer)
		} else {
			i -= len(model)
			c := out[i]
			l.push(c)
			out = slices.Delete(out, i, i+1)
			model = append(model, c)
		}
		require.True(t, slices.Equal(model, l.check(t))) // by identity
	}
}

// check proves the list's invariants and returns it, oldest first.
func (l *idleList) check(t *testing.T) (all []*Conn) {
	t.Helper()
	var last *Conn
	for c := l.oldest; c != nil; c = c.newer {
		require.Same(t, last, c.older, "links disagree")
		require.Less(t, len(all), l.len, "a loop, or a wrong length")
		all = append(all, c)
		last = c
	}
	require.Same(t, last, l.newest)
	require.Len(t, all, l.len)
	return all
}
