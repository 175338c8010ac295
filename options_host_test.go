package ttlpool_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/ttlpool/ttlpool"
)

// What is inherited is no contradiction: the shortest TTL applies.
func TestAnOptionForOneHostComesOnTopOfThoseForAll(t *testing.T) {
	forAll, forHost := ttlpool.WithTTL(time.Hour), ttlpool.WithHost("hub", ttlpool.WithServerTimeout(10*time.Second))
	assert.Equal(t, 9*time.Second, ttlFor(t, "hub:80", forAll, forHost))
	assert.Equal(t, time.Hour, ttlFor(t, "other:80", forAll, forHost))
	assert.Equal(t, 5*time.Second, ttlFor(t, "hub:80", ttlpool.WithTTL(5*time.Second), forHost))

	_, err := ttlpool.NewPool(nil, ttlpool.WithMaxAge(time.Hour), ttlpool.WithMaxAgeJitter(time.Minute),
		ttlpool.WithHost("hub", ttlpool.WithMaxAge(time.Second)))
	assert.ErrorContains(t, err, `"hub"`, "but a jitter longer than the age is")
}

func TestAHostPatternMatches(t *testing.T) {
	const matched, other = 7 * time.Second, 5 * time.Second
	tests := []struct {
		pattern, address string
		want             bool
	}{
		{"hub:80", "hub:80", true},
		{"hub:80", "hub:8080", false},
		{"hub:80", "hub:443", false},
		{"hub:80", "xhub:80", false},
		{"hub", "hub:80", true},
		{"hub", "hub:443", true},
		{"hub", "hub", true},
		{"hub", "hub.example:80", false},
		{"hub", "x.hub:80", false},
		{"Hub.Example", "hub.example:80", true},
		{"hub.example:80", "HUB.Example:80", true},
		{"*", "anything:1", true},
		{"*", "[::1]:80", true},
		{"*.example", "a.example:80", true},
		{"*.example", "a.b.example:443", true},
		{"*.example", "a.example", true},
		{"*.example", "example:80", false},
		{"*.example", "counterexample:80", false},
		{"*.example", "a.example.org:80", false},
		{"*.example:80", "a.example:80", true},
		{"*.example:80", "a.example:8080", false},
		{"*.example:80", "a.example:180", false},
		{"*.EXAMPLE", "A.example:80", true},
		{"127.0.0.1", "127.0.0.1:80", true},
		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"[::1]:80", "[::1]:80", true},
		{"[::1]:80", "[::1]:81", false},
		{"[::1]", "[::1]:80", true},
		{"::1", "[::1]:80", true},
		{"::1", "[::2]:80", false},
		{"/run/hub.sock", "/run/hub.sock", true},
		{"/run/hüb.sock", "/run/hüb.sock", true}, // no name
		{"bücher.example", "xn--bcher-kva.example:80", true},
		{"BÜCHER.example:80", "xn--bcher-kva.example:80", true},
		{"BÜCHER.example:80", "xn--bcher-kva.example:81", false},
		{"*.bücher.example", "a.xn--bcher-kva.example:80", true},
		{"*.bücher.example", "xn--bcher-kva.example:80", false},
		{"*.bücher.example:80", "a.xn--bcher-kva.example:80", true},
		{"bücher.example", "Bücher.example:80", true},
		{"xn--bcher-kva.example", "bücher.example", true},
	}
	for _, tt := range tests {
		t.Run(tt.pattern+" "+tt.address, func(t *testing.T) {
			want := other
			if tt.want {
				want = matched
			}
			assert.Equal(t, want, ttlFor(t, tt.address, ttlpool.WithTTL(other), ttlpool.WithHost(tt.pattern, ttlpool.WithTTL(matched))))
		})
	}
}

func TestTheFirstPatternThatMatchesApplies(t *testing.T) {
	opts := []ttlpool.PoolOption{
		ttlpool.WithHost("hub:80", ttlpool.WithTTL(1*time.Second)),
		ttlpool.WithHost("hub", ttlpool.WithTTL(2*time.Second)),
		ttlpool.WithHost("*.example", ttlpool.WithMaxUses(3)), // and no TTL of its own
		ttlpool.WithHost("*", ttlpool.WithTTL(4*time.Second)),
		ttlpool.WithHost("late", ttlpool.WithTTL(5*time.Second)),
		ttlpool.WithTTL(6 * time.Second), // for all, wherever it stands
	}
	for address, want := range map[string]time.Duration{
		"hub:80":       1 * time.Second,
		"hub:81":       2 * time.Second,
		"a.example:80": 6 * time.Second,
		"other:80":     4 * time.Second,
		"late:80":      4 * time.Second,
	} {
		assert.Equal(t, want, ttlFor(t, address, opts...), address)
	}
}

// ttlFor returns the effective TTL of a connection to an address.
func ttlFor(t *testing.T, address string, opts ...ttlpool.PoolOption) time.Duration {
	t.Helper()
	var net peers
	p := newTestPool(t, net.Dial, opts...)
	defer mustGet(t, p, address).Release()
	return p.Stats().Hosts[address].TTL
}
