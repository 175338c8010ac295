package results

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatIsWrittenDownCanBeReadAgain(t *testing.T) {
	var file bytes.Buffer
	file.WriteString("cpu: fast\n")
	k := Key{Section: "Latency", Row: "HTTP/2 GET, 1,000 hosts", Client: "raw socket"}
	written := NewSet(&file)
	require.NoError(t, written.Add(k, 10, Value{1500, "ns/op"}, Value{7, "p99.9-µs"}))
	require.NoError(t, written.Add(k, 10, Value{2500, "ns/op"}, Value{9, "p99.9-µs"}))

	read := NewSet(nil)
	require.NoError(t, read.Read(&file, "file"))
	assert.Equal(t, written.series, read.series)
	assert.Equal(t, []string{k.Row}, read.Rows("Latency"))
	assert.Equal(t, []string{"raw socket"}, read.Clients("Latency"))
	assert.Equal(t, "fast", read.Config("cpu"))
	assert.InDelta(t, 9, read.Largest(k, "p99.9-µs"), 0)
}

func TestARatioIsOfWhatWasMeasuredInTheSameRound(t *testing.T) {
	ours, theirs := Key{"s", "r", "ours"}, Key{"s", "r", "theirs"}
	set := NewSet(nil)
	for _, busy := range []float64{1, 10, 100} { // what the machine does meanwhile
		require.NoError(t, set.Add(ours, 1, Value{2 * busy, "ns/op"}))
		require.NoError(t, set.Add(theirs, 1, Value{4 * busy, "ns/op"}))
	}
	ratio, ok := set.Ratio(ours, theirs, "ns/op")
	assert.True(t, ok)
	assert.InDelta(t, 0.5, ratio, 1e-9)
	_, ok = set.Ratio(ours, Key{"s", "r", "nobody"}, "ns/op")
	assert.False(t, ok)
}

func TestANameOfAnotherKindIsRefused(t *testing.T) {
	err := NewSet(nil).Read(bytes.NewBufferString("BenchmarkOther 1 1 ns/op\n"), "file")
	assert.ErrorContains(t, err, "Other")
}
