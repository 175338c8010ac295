package opentelemetry

import (
	"context"

	"github.com/ttlpool/ttlpool"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// instrument is one metric, and how it is read from a host.
type instrument struct {
	observable metric.Observable
	observe    func(metric.Observer, ttlpool.HostStats, []attribute.KeyValue)
}

// Observe makes the metrics of a source: one snapshot for each collection. It
// ends with the registration's Unregister. Several sources need a Telemetry
// each, with meter providers that tell them apart.
func (t *Telemetry) Observe(source Source) (metric.Registration, error) {
	instruments, err := t.instruments()
	if err != nil {
		return nil, err
	}
	observables := make([]metric.Observable, len(instruments))
	for i := range instruments {
		observables[i] = instruments[i].observable
	}
	return t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, h := range t.names.Split(source.Stats()) {
			address := addressOf(h.Name)
			for _, i := range instruments {
				i.observe(o, h.Stats, address)
			}
		}
		return nil
	}, observables...)
}

// instruments makes all metrics; the first error is returned.
func (t *Telemetry) instruments() ([]instrument, error) {
	m := maker{meter: t.meter}
	m.counter("ttlpool.exchanges", "{exchange}", "Exchanges begun, first tries and second.", func(h ttlpool.HostStats) int64 { return h.Requests })
	m.counter("ttlpool.dials", "{dial}", "Dials begun.", func(h ttlpool.HostStats) int64 { return h.Dials })
	m.counter("ttlpool.dial_errors", "{dial}", "Dials that failed.", func(h ttlpool.HostStats) int64 { return h.DialErrors })
	m.counter("ttlpool.reuses", "{checkout}", "Checkouts of a connection that had served before.", func(h ttlpool.HostStats) int64 { return h.Reuses })
	m.counter("ttlpool.waits", "{checkout}", "Checkouts that had to wait.", func(h ttlpool.HostStats) int64 { return h.Waits })
	m.counter("ttlpool.wait_timeouts", "{checkout}", "Checkouts that gave up after the acquire timeout.", func(h ttlpool.HostStats) int64 { return h.WaitTimeout })
	m.counter("ttlpool.stale", "{exchange}", "Exchanges that failed because the connection was stale.", func(h ttlpool.HostStats) int64 { return h.Stale })
	m.counter("ttlpool.stale.failed", "{exchange}", "Stale exchanges that could not be sent again.", func(h ttlpool.HostStats) int64 { return h.NotRetried })
	m.counter("ttlpool.unseen", "{exchange}", "Failed exchanges that the server had provably not seen.", func(h ttlpool.HostStats) int64 { return h.Unseen })
	m.counter("ttlpool.bad_hints", "{parameter}", "Parameters of Keep-Alive that could not be understood.", func(h ttlpool.HostStats) int64 { return h.BadHints })
	m.waitTime()
	m.connections()
	m.closed()
	m.retries()
	m.seconds("ttlpool.ttl", "Effective TTL; absent if there is none.", func(h ttlpool.HostStats) float64 { return h.TTL.Seconds() })
	m.seconds("ttlpool.timeout.hinted", "The server's keep-alive timeout as it said last; absent if it did not.",
		func(h ttlpool.HostStats) float64 { return h.Hinted.Seconds() })
	m.seconds("ttlpool.timeout.learned", "The server's keep-alive timeout as its closes have shown it; absent if not known.",
		func(h ttlpool.HostStats) float64 { return h.LearnedTimeout.Seconds() })
	return m.made, m.err
}

// maker makes instruments until one fails.
type maker struct {
	meter metric.Meter
	made  []instrument
	err   error
}

func (m *maker) add(o metric.Observable, err error, observe func(metric.Observer, ttlpool.HostStats, []attribute.KeyValue)) {
	if err != nil && m.err == nil {
		m.err = err
	}
	m.made = append(m.made, instrument{o, observe})
}

func (m *maker) counter(name, unit, description string, of func(ttlpool.HostStats) int64) {
	c, err := m.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
	m.add(c, err, func(o metric.Observer, h ttlpool.HostStats, address []attribute.KeyValue) {
		o.ObserveInt64(c, of(h), metric.WithAttributes(address...))
	})
}

func (m *maker) seconds(name, description string, of func(ttlpool.HostStats) float64) {
	g, err := m.meter.Float64ObservableGauge(name, metric.WithUnit("s"), metric.WithDescription(description))
	m.add(g, err, func(o metric.Observer, h ttlpool.HostStats, address []attribute.KeyValue) {
		if v := of(h); v > 0 {
			o.ObserveFloat64(g, v, metric.WithAttributes(address...))
		}
	})
}

func (m *maker) waitTime() {
	c, err := m.meter.Float64ObservableCounter("ttlpool.wait_time", metric.WithUnit("s"),
		metric.WithDescription("Time that requests have waited for a connection, for a dial or for a place."))
	m.add(c, err, func(o metric.Observer, h ttlpool.HostStats, address []attribute.KeyValue) {
		o.ObserveFloat64(c, h.WaitTime.Seconds(), metric.WithAttributes(address...))
	})
}

func (m *maker) connections() {
	c, err := m.meter.Int64ObservableUpDownCounter("ttlpool.connections", metric.WithUnit("{connection}"),
		metric.WithDescription("Established connections, idle or in use, and those being dialled."))
	m.add(c, err, func(o metric.Observer, h ttlpool.HostStats, address []attribute.KeyValue) {
		for state, n := range map[string]int{"idle": h.Idle, "in_use": h.InUse, "dialing": h.Dialing} {
			o.ObserveInt64(c, int64(n), metric.WithAttributes(with(address, attribute.String("ttlpool.state", state))...))
		}
	})
	w, err := m.meter.Int64ObservableUpDownCounter("ttlpool.waiting_requests", metric.WithUnit("{request}"),
		metric.WithDescription("Requests in the queue for a connection."))
	m.add(w, err, func(o metric.Observer, h ttlpool.HostStats, address []attribute.KeyValue) {
		o.ObserveInt64(w, int64(h.Waiting), metric.WithAttributes(address...))
	})
}

func (m *maker) closed() {
	c, err := m.meter.Int64ObservableCounter("ttlpool.connections.closed", metric.WithUnit("{connection}"),
		metric.WithDescription("Connections closed, by reason."))
	m.add(c, err, func(o metric.Observer, h ttlpool.HostStats, address []attribute.KeyValue) {
		for reason, n := range h.Closed {
			o.ObserveInt64(c, n, metric.WithAttributes(with(address, attribute.String("ttlpool.reason", reason.String()))...))
		}
	})
}

func (m *maker) retries() {
	c, err := m.meter.Int64ObservableCounter("ttlpool.retries", metric.WithUnit("{request}"),
		metric.WithDescription("Requests sent a second time, by what made it safe."))
	m.add(c, err, func(o metric.Observer, h ttlpool.HostStats, address []attribute.KeyValue) {
		for reason, n := range h.RetriesBy {
			o.ObserveInt64(c, n, metric.WithAttributes(with(address, attribute.String("ttlpool.reason", reason.String()))...))
		}
	})
}

// with returns a copy with one more: the others go on being used.
func with(attributes []attribute.KeyValue, more attribute.KeyValue) []attribute.KeyValue {
	return append(attributes[:len(attributes):len(attributes)], more)
}
