// Package prometheus exports the Stats of a ttlpool Transport or Pool to
// Prometheus.
//
//	prometheus.MustRegister(ttlprom.NewCollector(transport))
//
// Labels are bounded: reasons are a fixed set, and the first addresses that are
// seen, at most as many as [WithMaxHosts] says, are the values of host if they
// are UTF-8; what all others come to has the host "other". When the pool forgets
// an address, which it does beyond 4096, what was counted for it moves to
// "other" too.
// dashboard.json is a dashboard for Grafana.
package prometheus

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/contrib/internal/hosts"
)

// Source is what is exported: a [ttlpool.Transport] or a [ttlpool.Pool].
type Source interface{ Stats() ttlpool.Stats }

// Collector is a [prometheus.Collector]. Each collection takes one snapshot; in
// between it costs nothing. It is safe for concurrent use.
type Collector struct {
	source   Source
	maxHosts int
	labels   prometheus.Labels
	names    *hosts.Names
	descs    descs
}

// Option changes a Collector.
type Option func(*Collector)

// DefaultMaxHosts is how many addresses have labels of their own unless
// WithMaxHosts says otherwise.
const DefaultMaxHosts = 100

// WithMaxHosts sets how many addresses have labels of their own. With 0 all
// count as "other", as they do if n is negative.
func WithMaxHosts(n int) Option { return func(c *Collector) { c.maxHosts = n } }

// WithLabels adds labels to every metric, so that several transports can be
// registered: prometheus.Labels{"pool": "backend"}. A label named host or
// reason makes the registration fail.
func WithLabels(labels prometheus.Labels) Option { return func(c *Collector) { c.labels = labels } }

// NewCollector returns a collector over the source.
func NewCollector(source Source, opts ...Option) *Collector {
	c := &Collector{source: source, maxHosts: DefaultMaxHosts}
	for _, opt := range opts {
		opt(c)
	}
	c.names, c.descs = hosts.NewNames(c.maxHosts), newDescs(c.labels)
	return c
}

// Describe implements [prometheus.Collector].
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.descs.all() {
		ch <- m
	}
}

// Collect implements [prometheus.Collector].
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for _, h := range c.names.Split(c.source.Stats()) {
		c.descs.collect(ch, h)
	}
}
