package prometheus

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/contrib/internal/hosts"
)

// number is a metric that is one number of a host.
type number struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(ttlpool.HostStats) float64
	// known says whether there is a number; nil: always.
	known func(ttlpool.HostStats) bool
}

// descs are all metrics.
type descs struct {
	numbers     []number
	connections *prometheus.Desc
	closed      *prometheus.Desc
	retries     *prometheus.Desc
	staleIdle   *prometheus.Desc
}

func newDescs(labels prometheus.Labels) descs {
	desc := func(name, help string, variable ...string) *prometheus.Desc {
		return prometheus.NewDesc("ttlpool_"+name, help, append([]string{"host"}, variable...), labels)
	}
	counter := func(name, help string, of func(ttlpool.HostStats) int64) number {
		return number{desc: desc(name, help), kind: prometheus.CounterValue,
			of: func(h ttlpool.HostStats) float64 { return float64(of(h)) }}
	}
	gauge := func(name, help string, of func(ttlpool.HostStats) int) number {
		return number{desc: desc(name, help), kind: prometheus.GaugeValue,
			of: func(h ttlpool.HostStats) float64 { return float64(of(h)) }}
	}
	seconds := func(name, help string, of func(ttlpool.HostStats) time.Duration) number {
		return number{desc: desc(name, help), kind: prometheus.GaugeValue,
			of:    func(h ttlpool.HostStats) float64 { return of(h).Seconds() },
			known: func(h ttlpool.HostStats) bool { return of(h) > 0 }}
	}
	waited := number{desc: desc("wait_seconds_total", "Time that requests have waited for a connection, for a dial or for a place."),
		kind: prometheus.CounterValue, of: func(h ttlpool.HostStats) float64 { return h.WaitTime.Seconds() }}
	return descs{
		connections: desc("connections", "Established connections, idle or in use.", "state"),
		closed:      desc("connections_closed_total", "Connections closed, by reason.", "reason"),
		retries:     desc("retries_total", "Requests sent a second time, by what made it safe.", "reason"),
		staleIdle:   desc("stale_idle_seconds", "How long the connections of stale exchanges had been idle."),
		numbers: []number{
			gauge("dials_in_progress", "Dials in progress.", func(h ttlpool.HostStats) int { return h.Dialing }),
			gauge("waiting_requests", "Requests in the queue for a connection.", func(h ttlpool.HostStats) int { return h.Waiting }),
			counter("dials_total", "Dials begun.", func(h ttlpool.HostStats) int64 { return h.Dials }),
			counter("dial_errors_total", "Dials that failed.", func(h ttlpool.HostStats) int64 { return h.DialErrors }),
			counter("reuses_total", "Checkouts of a connection that had served before.", func(h ttlpool.HostStats) int64 { return h.Reuses }),
			counter("waits_total", "Checkouts that had to wait.", func(h ttlpool.HostStats) int64 { return h.Waits }),
			waited,
			counter("wait_timeouts_total", "Checkouts that gave up after the acquire timeout.", func(h ttlpool.HostStats) int64 { return h.WaitTimeout }),
			counter("exchanges_total", "Exchanges begun, first tries and second.", func(h ttlpool.HostStats) int64 { return h.Requests }),
			counter("stale_total", "Exchanges that failed because the connection was stale.", func(h ttlpool.HostStats) int64 { return h.Stale }),
			counter("stale_failed_total", "Stale exchanges that could not be sent again.", func(h ttlpool.HostStats) int64 { return h.NotRetried }),
			counter("unseen_total", "Failed exchanges that the server had provably not seen.", func(h ttlpool.HostStats) int64 { return h.Unseen }),
			counter("bad_hints_total", "Parameters of Keep-Alive that could not be understood.", func(h ttlpool.HostStats) int64 { return h.BadHints }),
			seconds("ttl_seconds", "Effective TTL; absent if there is none.", func(h ttlpool.HostStats) time.Duration { return h.TTL }),
			seconds("hinted_timeout_seconds", "The server's keep-alive timeout as it said last; absent if it did not.",
				func(h ttlpool.HostStats) time.Duration { return h.Hinted }),
			seconds("learned_timeout_seconds", "The server's keep-alive timeout as its closes have shown it; absent if not known.",
				func(h ttlpool.HostStats) time.Duration { return h.LearnedTimeout }),
			gauge("learned_closes", "Closes that the learned timeout rests on.", func(h ttlpool.HostStats) int { return h.Learned.Closes }),
		},
	}
}

func (d descs) all() []*prometheus.Desc {
	all := []*prometheus.Desc{d.connections, d.closed, d.retries, d.staleIdle}
	for _, n := range d.numbers {
		all = append(all, n.desc)
	}
	return all
}

// collect sends the metrics of one host.
func (d descs) collect(ch chan<- prometheus.Metric, h hosts.Host) {
	send := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, kind, value, append([]string{h.Name}, labels...)...)
	}
	for _, n := range d.numbers {
		if n.known == nil || n.known(h.Stats) {
			send(n.desc, n.kind, n.of(h.Stats))
		}
	}
	send(d.connections, prometheus.GaugeValue, float64(h.Stats.Idle), "idle")
	send(d.connections, prometheus.GaugeValue, float64(h.Stats.InUse), "in_use")
	for reason, n := range h.Stats.Closed {
		send(d.closed, prometheus.CounterValue, float64(n), reason.String())
	}
	for reason, n := range h.Stats.RetriesBy {
		send(d.retries, prometheus.CounterValue, float64(n), reason.String())
	}
	ch <- prometheus.MustNewConstHistogram(d.staleIdle, uint64(h.Stats.Stale), h.Stats.StaleIdle.Seconds(),
		cumulative(h.Stats.StaleByIdle), h.Name)
}

// cumulative returns buckets as Prometheus has them: with all below in them,
// and without the last, which has no limit.
func cumulative(buckets []ttlpool.IdleBucket) map[float64]uint64 {
	sums := make(map[float64]uint64, len(buckets))
	var sum uint64
	for _, b := range buckets {
		sum += uint64(b.Count)
		if b.UpTo > 0 {
			sums[b.UpTo.Seconds()] = sum
		}
	}
	return sums
}
