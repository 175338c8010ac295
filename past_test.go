package ttlpool

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func pastPool(t testing.TB) *Pool {
	p, err := NewPool(nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func numbered(i int) key { return key{network: "tcp", address: strconv.Itoa(i)} }

// inUse makes a bucket for a key.
func inUse(t testing.TB, p *Pool, k key) *bucket {
	b, err := p.bucket(k, false)
	require.NoError(t, err)
	return b
}

// What is known of addresses of long ago is given up when there are too many, and
// what is known of those in use is not.
func TestPastsAreBounded(t *testing.T) {
	p := pastPool(t)
	used := inUse(t, p, key{network: "tcp", address: "hub:80"})
	const all = 3 * maxPasts
	for i := range all {
		b := inUse(t, p, numbered(i))
		b.past.tally.count(eventDial, 1)
		p.drop(b)
		require.LessOrEqual(t, len(p.pasts), maxPasts)
	}
	assert.Same(t, used.past, p.pasts[used.key])
	assert.Contains(t, p.pasts, numbered(all-maxPasts+1), "the longest gone are forgotten")
	assert.NotContains(t, p.pasts, numbered(all-maxPasts))
	assert.EqualValues(t, all, p.Stats().Dials, "and what they have counted is not")
}

func TestAnAddressThatComesBackFindsItsPast(t *testing.T) {
	p := pastPool(t)
	known := inUse(t, p, numbered(0)).past
	for range 2 {
		p.drop(p.buckets[numbered(0)])
		assert.Same(t, known, inUse(t, p, numbered(0)).past)
	}
	for i := 1; i <= 2*maxPasts; i++ {
		p.drop(inUse(t, p, numbered(i)))
	}
	assert.Same(t, known, p.pasts[numbered(0)], "it is in use")
}

// With more addresses in use than are remembered there is nothing to be forgotten, and nothing is looked for.
func TestMoreAddressesInUseThanAreRemembered(t *testing.T) {
	p := pastPool(t)
	for i := range 2 * maxPasts {
		inUse(t, p, numbered(i))
	}
	assert.Len(t, p.pasts, 2*maxPasts)
	for i := range 2 * maxPasts {
		assert.Zero(t, p.dormant.Len()*max(0, len(p.pasts)-maxPasts), "one out of use is kept beyond the bound")
		p.drop(p.buckets[numbered(i)])
	}
	assert.Len(t, p.pasts, maxPasts)
	assert.Equal(t, maxPasts, p.dormant.Len())
}

// BenchmarkANewAddress is with few addresses in use, and with more than are remembered.
func BenchmarkANewAddress(b *testing.B) {
	for _, used := range []int{1, 4 * maxPasts} {
		b.Run(strconv.Itoa(used), func(b *testing.B) {
			p := pastPool(b)
			for i := range used {
				inUse(b, p, numbered(-1-i))
			}
			for i := 0; b.Loop(); i++ {
				p.drop(inUse(b, p, numbered(i)))
			}
		})
	}
}
