// Package opentelemetry tells OpenTelemetry of a ttlpool Transport: metrics
// from its Stats, and on the span of each request that met a stale connection
// an event that says so.
//
//	telemetry, err := ttlotel.New()
//	...
//	transport, err := ttlpool.NewTransport(ttlpool.WithTrace(telemetry.Trace()))
//	...
//	registration, err := telemetry.Observe(transport)
//
// The addresses are bounded: the first that are seen, at most as many as
// [WithMaxHosts] says, are values of server.address if they are UTF-8; what all
// others come to has the address "other".
package opentelemetry

import (
	"context"
	"net"
	"strconv"
	"strings"

	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/contrib/internal/hosts"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

const scope = "github.com/ttlpool/ttlpool/contrib/opentelemetry"

// Source is what is observed: a [ttlpool.Transport] or a [ttlpool.Pool].
type Source interface{ Stats() ttlpool.Stats }

// Telemetry makes metrics and span events. It is safe for concurrent use.
type Telemetry struct {
	meter     metric.Meter
	names     *hosts.Names
	staleIdle metric.Float64Histogram
}

// Option changes a Telemetry.
type Option func(*settings)

type settings struct {
	provider metric.MeterProvider // nil: the global one
	maxHosts int
}

// DefaultMaxHosts is how many addresses are told apart unless WithMaxHosts says
// otherwise.
const DefaultMaxHosts = 100

// WithMeterProvider sets where metrics go. Without it, or with nil, it is the
// global provider.
func WithMeterProvider(p metric.MeterProvider) Option { return func(s *settings) { s.provider = p } }

// WithMaxHosts sets how many addresses are told apart. With 0 or less all count
// as "other".
func WithMaxHosts(n int) Option { return func(s *settings) { s.maxHosts = n } }

// New returns a Telemetry. The error is the meter's.
func New(opts ...Option) (*Telemetry, error) {
	s := settings{maxHosts: DefaultMaxHosts}
	for _, opt := range opts {
		opt(&s)
	}
	if s.provider == nil {
		s.provider = otel.GetMeterProvider()
	}
	t := &Telemetry{meter: s.provider.Meter(scope), names: hosts.NewNames(s.maxHosts)}
	var err error
	t.staleIdle, err = t.meter.Float64Histogram("ttlpool.stale.idle_time", metric.WithUnit("s"),
		metric.WithDescription("How long the connections of stale exchanges had been idle."),
		metric.WithExplicitBucketBoundaries(1, 2, 4, 6, 10, 20, 45, 90, 180, 360))
	return t, err
}

// StaleEvent is the name of the event on the span of a request that met a stale
// connection.
const StaleEvent = "ttlpool.stale"

// Trace returns the hook that records how long stale connections had been idle,
// and adds the event [StaleEvent] to the span in the request's context. Its
// attribute ttlpool.retry says whether the request is sent again; if not,
// ttlpool.not_retried says why.
func (t *Telemetry) Trace() *ttlpool.Trace {
	return &ttlpool.Trace{Stale: func(ctx context.Context, err *ttlpool.ExchangeError) {
		t.staleIdle.Record(ctx, err.Conn.Idle.Seconds(), metric.WithAttributes(addressOf(t.names.Of(err.Conn.Address))...))
		if span := trace.SpanFromContext(ctx); span.IsRecording() {
			span.AddEvent(StaleEvent, trace.WithAttributes(eventAttributes(err)...))
		}
	}}
}

func eventAttributes(err *ttlpool.ExchangeError) []attribute.KeyValue {
	again := err.NotRetried == "" && !err.Retried
	attributes := append(addressOf(err.Conn.Address),
		attribute.Bool("ttlpool.retry", again),
		attribute.String("error.message", err.Err.Error()),
		attribute.Float64("ttlpool.conn.idle_time", err.Conn.Idle.Seconds()),
		attribute.Float64("ttlpool.conn.age", err.Conn.Age.Seconds()),
		attribute.Int("ttlpool.conn.uses", err.Conn.Uses))
	if err.Written >= 0 {
		attributes = append(attributes, attribute.Int64("ttlpool.bytes.written", err.Written))
	}
	if err.Acknowledged >= 0 {
		attributes = append(attributes, attribute.Int64("ttlpool.bytes.acknowledged", err.Acknowledged))
	}
	if err.NotRetried != "" {
		attributes = append(attributes, attribute.String("ttlpool.not_retried", err.NotRetried))
	}
	return attributes
}

// addressOf returns an address as the semantic conventions have it. They want
// UTF-8: of one value that is not, exporters lose the whole batch.
func addressOf(address string) []attribute.KeyValue {
	address = strings.ToValidUTF8(address, "\uFFFD")
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return []attribute.KeyValue{attribute.String("server.address", address)}
	}
	attributes := []attribute.KeyValue{attribute.String("server.address", host)}
	if number, err := strconv.Atoi(port); err == nil {
		attributes = append(attributes, attribute.Int("server.port", number))
	}
	return attributes
}
