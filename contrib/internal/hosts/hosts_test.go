package hosts_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/contrib/internal/hosts"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func counts(n int64) ttlpool.Counts {
	return ttlpool.Counts{
		Open: int(n), Idle: int(n), Dials: n, Reuses: n, WaitTime: time.Duration(n), Stale: n, StaleIdle: time.Duration(n),
		Closed:      map[ttlpool.CloseReason]int64{ttlpool.ClosedTTL: n},
		StaleByIdle: []ttlpool.IdleBucket{{UpTo: time.Second, Count: n}, {}},
	}
}

func TestTheSumOverAllIsThatOfStats(t *testing.T) {
	sum := counts(1 + 2 + 4 + 8) // the last of an address that was forgotten
	sum.Closed[ttlpool.ClosedStale] = 0
	split := hosts.NewNames(2).Split(ttlpool.Stats{Counts: sum, Hosts: map[string]ttlpool.HostStats{
		"a:80": {Counts: counts(1)}, "b:80": {Counts: counts(2)}, "c:80": {Counts: counts(4)},
	}})
	require.Len(t, split, 3)
	assert.Equal(t, "c:80", split[0].Name)
	assert.Equal(t, "b:80", split[1].Name)
	assert.Equal(t, hosts.Other, split[2].Name)
	want := counts(9)
	want.Closed[ttlpool.ClosedStale] = 0
	want.RetriesBy = map[ttlpool.RetryReason]int64{}
	assert.Equal(t, want, split[2].Stats.Counts)
	assert.Contains(t, split[0].Stats.Closed, ttlpool.ClosedStale, "every reason is there")
	assert.EqualValues(t, 15, sum.Closed[ttlpool.ClosedTTL], "what was given is not changed")
}

func TestANameIsKeptAndNoneGivenLater(t *testing.T) {
	names := hosts.NewNames(2)
	assert.Equal(t, "a", names.Of("a"))
	assert.Equal(t, "b", names.Of("b"))
	assert.Equal(t, hosts.Other, names.Of("c"))
	assert.Equal(t, "a", names.Of("a"))
	assert.Equal(t, hosts.Other, hosts.NewNames(-1).Of("a"))
}

func TestAnAddressThatIsNotUTF8GetsNoNameAndTakesNone(t *testing.T) {
	names := hosts.NewNames(1)
	assert.Equal(t, hosts.Other, names.Of("a_\xff.invalid:80"))
	assert.Equal(t, "ä:80", names.Of("ä:80"))
}

func TestAQuietHostHasEveryBucket(t *testing.T) {
	split := hosts.NewNames(1).Split(ttlpool.Stats{Counts: counts(1), Hosts: map[string]ttlpool.HostStats{"a:80": {}}})
	assert.Equal(t, []ttlpool.IdleBucket{{UpTo: time.Second}, {}}, split[0].Stats.StaleByIdle)
}
