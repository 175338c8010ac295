package opentelemetry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	ttlotel "github.com/ttlpool/ttlpool/contrib/opentelemetry"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a transport with both sides of OpenTelemetry in memory.
type bench struct {
	transport *ttlpool.Transport
	telemetry *ttlotel.Telemetry
	reader    *sdkmetric.ManualReader
	spans     *tracetest.SpanRecorder
	tracer    *sdktrace.TracerProvider
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{reader: sdkmetric.NewManualReader(), spans: tracetest.NewSpanRecorder()}
	b.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(b.spans))
	telemetry, err := ttlotel.New(ttlotel.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(b.reader))))
	require.NoError(t, err)
	b.telemetry = telemetry
	b.transport, err = ttlpool.NewTransport(ttlpool.WithTTL(10*time.Second), ttlpool.WithTrace(telemetry.Trace()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.transport.Close() })
	registration, err := telemetry.Observe(b.transport)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, registration.Unregister()) })
	return b
}

// send sends a request within a span, and returns its error.
func (b *bench) send(t *testing.T, method, url string) error {
	t.Helper()
	ctx, span := b.tracer.Tracer("test").Start(t.Context(), method)
	defer span.End()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	require.NoError(t, err)
	resp, err := b.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	return resp.Body.Close()
}

// sums returns what each metric comes to over all attributes.
func (b *bench) sums(t *testing.T) map[string]float64 {
	t.Helper()
	sums := make(map[string]float64)
	for name, data := range b.collect(t) {
		switch data := data.(type) {
		case metricdata.Sum[int64]:
			for _, p := range data.DataPoints {
				sums[name] += float64(p.Value)
			}
		case metricdata.Sum[float64]:
			for _, p := range data.DataPoints {
				sums[name] += p.Value
			}
		case metricdata.Gauge[float64]:
			for _, p := range data.DataPoints {
				sums[name] += p.Value
			}
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				sums[name] += float64(p.Count)
			}
		default:
			t.Errorf("%s is a %T", name, data)
		}
	}
	return sums
}

func (b *bench) collect(t *testing.T) map[string]metricdata.Aggregation {
	t.Helper()
	var collected metricdata.ResourceMetrics
	require.NoError(t, b.reader.Collect(context.Background(), &collected))
	metrics := make(map[string]metricdata.Aggregation)
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			assert.NotEmpty(t, m.Description, m.Name)
			assert.NotEmpty(t, m.Unit, m.Name)
			metrics[m.Name] = m.Data
		}
	}
	return metrics
}

// staleServer hangs up on the second request, and on each POST.
func staleServer(t *testing.T) *httptest.Server {
	var requests atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Keep-Alive", "timeout=16")
		if requests.Add(1) == 2 || r.Method == "POST" {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = conn.Close()
			}
			return
		}
		_, _ = io.WriteString(w, "fine")
	}))
	t.Cleanup(s.Close)
	return s
}

func TestARetryIsAnEventOnTheSpanOfItsRequest(t *testing.T) {
	b := newBench(t)
	server := staleServer(t)
	require.NoError(t, b.send(t, "GET", server.URL))
	require.NoError(t, b.send(t, "GET", server.URL)) // sent again
	err := b.send(t, "POST", server.URL)             // not sent again
	var failed *ttlpool.ExchangeError
	require.ErrorAs(t, err, &failed)

	ended := b.spans.Ended()
	require.Len(t, ended, 3)
	assert.Empty(t, ended[0].Events())
	require.Len(t, ended[1].Events(), 1)
	again := attributesOf(ended[1].Events()[0])
	assert.Equal(t, ttlotel.StaleEvent, ended[1].Events()[0].Name)
	assert.True(t, again["ttlpool.retry"].AsBool())
	assert.Equal(t, "127.0.0.1", again["server.address"].AsString())
	assert.Positive(t, again["server.port"].AsInt64())
	assert.Equal(t, int64(1), again["ttlpool.conn.uses"].AsInt64())
	assert.Positive(t, again["ttlpool.bytes.written"].AsInt64())
	assert.NotContains(t, again, attribute.Key("ttlpool.not_retried"))

	require.Len(t, ended[2].Events(), 1)
	lost := attributesOf(ended[2].Events()[0])
	assert.False(t, lost["ttlpool.retry"].AsBool())
	assert.Equal(t, "POST is not idempotent", lost["ttlpool.not_retried"].AsString())
}

func attributesOf(e sdktrace.Event) map[attribute.Key]attribute.Value {
	all := make(map[attribute.Key]attribute.Value)
	for _, a := range e.Attributes {
		all[a.Key] = a.Value
	}
	return all
}

func TestTheMetricsOfATransport(t *testing.T) {
	b := newBench(t)
	server := staleServer(t)
	require.NoError(t, b.send(t, "GET", server.URL))
	require.NoError(t, b.send(t, "GET", server.URL))
	sums := b.sums(t)
	for name, want := range map[string]float64{
		"ttlpool.exchanges": 3, "ttlpool.dials": 2, "ttlpool.dial_errors": 0, "ttlpool.reuses": 1, "ttlpool.waits": 2,
		"ttlpool.wait_timeouts": 0, "ttlpool.stale": 1, "ttlpool.stale.failed": 0, "ttlpool.stale.idle_time": 1,
		"ttlpool.unseen": sums["ttlpool.unseen"], "ttlpool.bad_hints": 0, "ttlpool.connections": 1, "ttlpool.waiting_requests": 0,
		"ttlpool.connections.closed": 1, "ttlpool.retries": 1, "ttlpool.ttl": 10, "ttlpool.timeout.hinted": 16,
	} {
		require.Contains(t, sums, name)
		assert.Equal(t, want, sums[name], name)
	}
	assert.Positive(t, sums["ttlpool.wait_time"])
	assert.NotContains(t, sums, "ttlpool.timeout.learned", "nothing has been learned")
}

// TestEachAddressHasItsOwnNumbers also shows that attributes are not mixed up.
func TestEachAddressHasItsOwnNumbers(t *testing.T) {
	b := newBench(t)
	one, two := staleServer(t), staleServer(t)
	require.NoError(t, b.send(t, "GET", one.URL))
	require.NoError(t, b.send(t, "GET", two.URL))
	connections := b.collect(t)["ttlpool.connections"].(metricdata.Sum[int64])
	states := make(map[string]int64)
	for _, p := range connections.DataPoints {
		address, _ := p.Attributes.Value("server.address")
		state, ok := p.Attributes.Value("ttlpool.state")
		require.True(t, ok)
		states[address.AsString()+" "+state.AsString()] += p.Value
	}
	assert.Len(t, connections.DataPoints, 9, "three states of two addresses, and of the others")
	assert.Equal(t, map[string]int64{
		"127.0.0.1 idle": 2, "127.0.0.1 in_use": 0, "127.0.0.1 dialing": 0, "other idle": 0, "other in_use": 0, "other dialing": 0,
	}, states)
}

// URLs allow a host that is not UTF-8, and the protocol of exporters does not.
func TestAHostThatIsNotUTF8MakesNoInvalidValue(t *testing.T) {
	b := newBench(t)
	ctx, span := b.tracer.Tracer("test").Start(t.Context(), "GET")
	b.telemetry.Trace().Stale(ctx, &ttlpool.ExchangeError{Err: io.EOF, Conn: ttlpool.ConnInfo{Address: "a_\xff.invalid:80"}})
	span.End()
	require.Len(t, b.spans.Ended()[0].Events(), 1)
	assert.Equal(t, "a_\uFFFD.invalid", attributesOf(b.spans.Ended()[0].Events()[0])["server.address"].AsString())
	idle := b.collect(t)["ttlpool.stale.idle_time"].(metricdata.Histogram[float64])
	require.Len(t, idle.DataPoints, 1)
	address, _ := idle.DataPoints[0].Attributes.Value("server.address")
	assert.Equal(t, "other", address.AsString())
}

func TestWithoutASpanNothingFails(t *testing.T) {
	telemetry, err := ttlotel.New()
	require.NoError(t, err)
	telemetry.Trace().Stale(context.Background(), &ttlpool.ExchangeError{Err: errors.New("gone"), Written: -1, Acknowledged: -1})
}
