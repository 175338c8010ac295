package clients

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// telemetry collects what otelhttp says of a transport.
type telemetry struct {
	client   *http.Client
	spans    *tracetest.InMemoryExporter
	metrics  *metric.ManualReader
	gotConns atomic.Int32
}

func observe(t *testing.T, under http.RoundTripper) *telemetry {
	o := &telemetry{spans: tracetest.NewInMemoryExporter(), metrics: metric.NewManualReader()}
	tracers := trace.NewTracerProvider(trace.WithSyncer(o.spans))
	meters := metric.NewMeterProvider(metric.WithReader(o.metrics))
	t.Cleanup(func() {
		assert.NoError(t, tracers.Shutdown(context.Background()))
		assert.NoError(t, meters.Shutdown(context.Background()))
	})
	o.client = &http.Client{Transport: otelhttp.NewTransport(under,
		otelhttp.WithTracerProvider(tracers),
		otelhttp.WithMeterProvider(meters),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithClientTrace(func(context.Context) *httptrace.ClientTrace {
			return &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { o.gotConns.Add(1) }}
		}),
	)}
	return o
}

// sizes returns how many requests had which size of body, as the metric has it.
func (o *telemetry) sizes(t *testing.T) (requests uint64, bytes int64) {
	var all metricdata.ResourceMetrics
	require.NoError(t, o.metrics.Collect(context.Background(), &all))
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != "http.client.request.body.size" {
				continue
			}
			for _, point := range m.Data.(metricdata.Histogram[int64]).DataPoints {
				requests += point.Count
				bytes += point.Sum
			}
		}
	}
	return requests, bytes
}

// TestASecondTryIsOneSpan: whoever traces sees one request, begun and ended once, whatever the transport did for it.
func TestASecondTryIsOneSpan(t *testing.T) {
	const text = "a body"
	bodies := map[string]func() io.Reader{
		"in memory": func() io.Reader { return strings.NewReader(text) }, // otelhttp wraps its GetBody
		"a stream":  func() io.Reader { return streaming(text) },
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			h := startHub(t)
			m := newMeter(t, candidate)
			require.NoError(t, plainClient(t, h, m)(t.Context(), "GET", "warm", nil))
			o := observe(t, m)

			h.deafOnce.Store(true)
			req, err := http.NewRequestWithContext(t.Context(), "PUT", h.URL+"/bucket/lost", body())
			require.NoError(t, err)
			resp, err := o.client.Do(req)
			require.NoError(t, err)
			assert.Empty(t, o.spans.GetSpans(), "it lasts until the response's end")
			require.NoError(t, drained(resp, nil))

			spans := o.spans.GetSpans()
			require.Len(t, spans, 1)
			assert.Equal(t, codes.Unset, spans[0].Status.Code)
			assert.Contains(t, spans[0].Attributes, attribute.Int("http.response.status_code", 200))
			assert.EqualValues(t, 2, o.gotConns.Load(), "both tries can be seen")
			arrivals := h.processed("lost")
			require.Len(t, arrivals, 2)
			for _, a := range arrivals {
				assert.Equal(t, text, a.body)
				assert.Contains(t, a.Header.Get("Traceparent"), spans[0].SpanContext.SpanID().String())
			}
			requests, bytes := o.sizes(t)
			assert.EqualValues(t, 1, requests, "its body must have been closed")
			assert.EqualValues(t, len(text), bytes, "and counted once")
		})
	}
}

// TestAFailureEndsItsSpan: the request's body is closed and the error recorded.
func TestAFailureEndsItsSpan(t *testing.T) {
	for _, c := range both {
		t.Run(c.name, func(t *testing.T) {
			h := startHub(t)
			o := observe(t, newMeter(t, c))
			h.deaf.Store(true)
			req, err := http.NewRequestWithContext(t.Context(), "POST", h.URL+"/bucket/lost", streaming("a body"))
			require.NoError(t, err)
			_, err = o.client.Do(req)
			require.Error(t, err)
			spans := o.spans.GetSpans()
			require.Len(t, spans, 1)
			assert.Equal(t, codes.Error, spans[0].Status.Code)
			assert.Contains(t, spans[0].Status.Description, "EOF")
			requests, _ := o.sizes(t)
			assert.EqualValues(t, 1, requests)
			assert.Len(t, h.processed("lost"), 1)
		})
	}
}

// TestAResponseThatIsGivenUpEndsItsSpan: closing its body is enough.
func TestAResponseThatIsGivenUpEndsItsSpan(t *testing.T) {
	for _, c := range both {
		t.Run(c.name, func(t *testing.T) {
			h := startHub(t)
			o := observe(t, newMeter(t, c))
			req, err := http.NewRequestWithContext(t.Context(), "PUT", h.URL+"/bucket/large", strings.NewReader(strings.Repeat("x", 1<<20)))
			require.NoError(t, err)
			resp, err := o.client.Do(req)
			require.NoError(t, err)
			assert.Empty(t, o.spans.GetSpans())
			require.NoError(t, resp.Body.Close())
			assert.Len(t, o.spans.GetSpans(), 1)
		})
	}
}
