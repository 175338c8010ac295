package ttlpool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestKeepAliveIsReadStrictly(t *testing.T) {
	const s = time.Second
	for _, row := range []struct {
		values []string
		want   hint
	}{
		{nil, hint{}},
		{[]string{""}, hint{}},
		{[]string{"timeout=5"}, hint{timeout: 5 * s}}, // seconds: one client read milliseconds (dusty#178)
		{[]string{"timeout=5, max=100"}, hint{timeout: 5 * s, max: 100, maxSaid: true}},
		{[]string{"max=0"}, hint{maxSaid: true}},
		{[]string{"  Timeout = 5 ,MAX=7 "}, hint{timeout: 5 * s, max: 7, maxSaid: true}},
		{[]string{`timeout="5"`}, hint{timeout: 5 * s}},
		{[]string{"timeout=9, timeout=5, timeout=7"}, hint{timeout: 5 * s}},
		{[]string{"timeout=9", "timeout=5"}, hint{timeout: 5 * s}},
		{[]string{"max=9, max=5"}, hint{max: 5, maxSaid: true}},
		{[]string{"timeout=0"}, hint{timeout: refusesReuse}},
		{[]string{"timeout"}, hint{unusable: 1}},
		{[]string{"timeout="}, hint{unusable: 1}},
		{[]string{"timeout=-5"}, hint{unusable: 1}},
		{[]string{"timeout=+5"}, hint{unusable: 1}},
		{[]string{"timeout=5.5"}, hint{unusable: 1}},
		{[]string{"timeout=5s"}, hint{unusable: 1}},
		{[]string{"timeout=0x10"}, hint{unusable: 1}},
		{[]string{"timeout=99999999999999999999"}, hint{unusable: 1}},
		{[]string{"timeout=2147483647"}, hint{unusable: 1}}, // 68 years are no timeout
		{[]string{"timeout=soon, max=3"}, hint{max: 3, maxSaid: true, unusable: 1}},
		{[]string{"fortune=5, closed"}, hint{}},
	} {
		assert.Equal(t, row.want, parseKeepAlive(row.values), "%q", row.values)
	}
}

func TestAHintIsATTLLessTheMargin(t *testing.T) {
	const s = time.Second
	for _, row := range []struct {
		name string
		p    policy
		l    lifetime
		want time.Duration
	}{
		{"by default a second less", policy{margin: s}, lifetime{hinted: 16 * s}, 15 * s},
		{"or a quarter, if that is less", policy{margin: s}, lifetime{hinted: 2 * s}, 1500 * time.Millisecond},
		{"a stated margin is not shortened", policy{margin: s, marginStated: true}, lifetime{hinted: 2 * s}, s},
		{"no headroom means no reuse", policy{margin: 5 * s, marginStated: true}, lifetime{hinted: 5 * s}, refusesReuse},
		{"nor does a server that says 0", policy{margin: s}, lifetime{hinted: refusesReuse}, refusesReuse},
		{"the round trip, if it is more", policy{margin: s}, lifetime{hinted: 16 * s, roundTrip: 3 * s}, 13 * s},
		{"a TTL is a ceiling", policy{ttl: 4 * s, margin: s}, lifetime{hinted: 16 * s}, 4 * s},
		{"which a hint may lower", policy{ttl: 40 * s, margin: s}, lifetime{hinted: 16 * s}, 15 * s},
		{"the shortest wins", policy{ttl: 40 * s, margin: s, serverTimeout: 30 * s}, lifetime{hinted: 16 * s, learned: 8 * s}, 7 * s},
		{"what was learned counts alone", policy{margin: s}, lifetime{learned: 8 * s}, 7 * s},
		{"nothing known", policy{margin: s}, lifetime{roundTrip: s}, 0},
	} {
		assert.Equal(t, row.want, row.p.effectiveTTL(row.l), row.name)
	}
}

func TestTheStrictTTLIsHalfTheEffectiveOneUnlessStated(t *testing.T) {
	const s = time.Second
	for _, row := range []struct {
		name string
		p    policy
		want time.Duration
	}{
		{"half", policy{ttl: 10 * s}, 5 * s},
		{"no TTL, no strict TTL", policy{}, 0},
		{"stated", policy{ttl: 10 * s, strictTTL: 2 * s, strictStated: true}, 2 * s},
		{"stated without a TTL", policy{strictTTL: 2 * s, strictStated: true}, 2 * s},
		{"stated longer than a TTL that came from elsewhere", policy{ttl: s, strictTTL: 2 * s, strictStated: true}, s},
		{"switched off", policy{ttl: 10 * s, strictStated: true}, 10 * s},
	} {
		assert.Equal(t, row.want, row.p.strictTTLOf(lifetime{}), row.name)
	}
}

func FuzzParseKeepAlive(f *testing.F) {
	for _, seed := range []string{"", "timeout=5, max=100", `timeout="5"`, "timeout=-1,,=,max", "timeout=99999999999999999999"} {
		f.Add(seed, "")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		h := parseKeepAlive([]string{first, second})
		if h.timeout < 0 || h.timeout > longestHint || h.max < 0 || !h.maxSaid && h.max != 0 {
			t.Fatalf("%q, %q gives %+v", first, second, h)
		}
		// Neither order nor repetition changes what it comes to.
		again := parseKeepAlive([]string{second, first, first})
		h.unusable, again.unusable = 0, 0
		if h != again {
			t.Fatalf("%q, %q gives %+v and, in another order, %+v", first, second, h, again)
		}
	})
}
