package stream

import (
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/schemas"
	"weir/transforms"
)

// metrics of one process. Their names are an interface: a change breaks
// dashboards. Labels are names from the policy, codes and reasons, never
// contents.
type metrics struct {
	registry    *prometheus.Registry
	in          prometheus.Counter
	bytesIn     prometheus.Counter
	out         *prometheus.CounterVec // recipient
	filtered    *prometheus.CounterVec // recipient, code
	quarantined *prometheus.CounterVec // recipient, code
	txns        *prometheus.CounterVec // result
	recreated   *prometheus.CounterVec // reason
	reloads     *prometheus.CounterVec // result
	paused      *prometheus.GaugeVec   // reason
	epoch       prometheus.Gauge
	released    *prometheus.CounterVec // action
	headers     prometheus.Counter
	client      *clientHook
}

func newMetrics(pipeline string) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	reg := prometheus.WrapRegistererWith(prometheus.Labels{"pipeline": pipeline}, m.registry)
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		reg.MustRegister(c)
		return c
	}
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	m.in = counter("weir_records_in_total", "Input records of committed transactions.")
	m.bytesIn = counter("weir_bytes_in_total", "Key and value bytes of those records.")
	m.out = vec("weir_records_published_total", "Input records published, by recipient.", "recipient")
	m.filtered = vec("weir_records_filtered_total", "Input records filtered, by recipient and code.", "recipient", "code")
	m.quarantined = vec("weir_records_quarantined_total", "Input records quarantined, by recipient and code.", "recipient", "code")
	m.txns = vec("weir_transactions_total", "Transactions by result: committed, aborted, unknown.", "result")
	m.recreated = vec("weir_sessions_recreated_total", "Sessions dropped and made anew, by reason.", "reason")
	m.reloads = vec("weir_policy_reloads_total", "Policy reloads: switched or refused.", "result")
	m.released = vec("weir_control_commands_total", "Executed control commands.", "kind")
	m.headers = counter("weir_key_change_headers_dropped_total", "Key-change headers dropped because the source does not say how they are written.")
	m.epoch = prometheus.NewGauge(prometheus.GaugeOpts{Name: "weir_policy_epoch", Help: "Epoch of the policy in use."})
	m.paused = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "weir_partitions_paused", Help: "Partitions that stand still, by reason."}, []string{"reason"})
	reg.MustRegister(m.epoch, m.paused)
	m.client = newClientHook(reg)
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// tally counts one transaction; it reaches the metrics when that commits.
type tally struct {
	in, bytes, headers int
	published          []int
	reasons            map[tallyKey]int
}

type tallyKey struct {
	recipient int
	fate      transforms.Fate
	code      schemas.Code
}

func (t *tally) reset(recipients int) {
	t.in, t.bytes, t.headers = 0, 0, 0
	if len(t.published) != recipients {
		t.published = make([]int, recipients)
	}
	clear(t.published)
	if t.reasons == nil {
		t.reasons = map[tallyKey]int{}
	}
	clear(t.reasons)
}

func (t *tally) count(i int, c *transforms.Copy) {
	if c.Fate == transforms.Published {
		t.published[i]++
		return
	}
	t.reasons[tallyKey{i, c.Fate, c.Code}]++
}

func (t *tally) report(m *metrics, names []string) {
	m.in.Add(float64(t.in))
	m.bytesIn.Add(float64(t.bytes))
	m.headers.Add(float64(t.headers))
	for i, n := range t.published {
		if n > 0 {
			m.out.WithLabelValues(names[i]).Add(float64(n))
		}
	}
	for k, n := range t.reasons {
		v := m.filtered
		if k.fate == transforms.Quarantined {
			v = m.quarantined
		}
		v.WithLabelValues(names[k.recipient], string(k.code)).Add(float64(n))
	}
}

// clientHook counts what the Kafka client does, a request or batch at a time:
// nothing of it runs for each record.
type clientHook struct {
	connects, disconnects prometheus.Counter
	written, read         prometheus.Counter
	throttled             prometheus.Counter
}

var (
	_ kgo.HookBrokerConnect    = (*clientHook)(nil)
	_ kgo.HookBrokerDisconnect = (*clientHook)(nil)
	_ kgo.HookBrokerWrite      = (*clientHook)(nil)
	_ kgo.HookBrokerRead       = (*clientHook)(nil)
	_ kgo.HookBrokerThrottle   = (*clientHook)(nil)
)

func newClientHook(reg prometheus.Registerer) *clientHook {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		reg.MustRegister(c)
		return c
	}
	return &clientHook{
		connects:    counter("weir_kafka_connects_total", "Connections to brokers."),
		disconnects: counter("weir_kafka_disconnects_total", "Connections to brokers that ended."),
		written:     counter("weir_kafka_written_bytes_total", "Bytes written to brokers."),
		read:        counter("weir_kafka_read_bytes_total", "Bytes read from brokers."),
		throttled:   counter("weir_kafka_throttled_total", "Answers that a broker throttled."),
	}
}

// OnBrokerConnect counts a connection.
func (h *clientHook) OnBrokerConnect(kgo.BrokerMetadata, time.Duration, net.Conn, error) {
	h.connects.Inc()
}

// OnBrokerDisconnect counts its end.
func (h *clientHook) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) { h.disconnects.Inc() }

// OnBrokerWrite counts bytes.
func (h *clientHook) OnBrokerWrite(_ kgo.BrokerMetadata, _ int16, n int, _, _ time.Duration, _ error) {
	h.written.Add(float64(n))
}

// OnBrokerRead counts bytes.
func (h *clientHook) OnBrokerRead(_ kgo.BrokerMetadata, _ int16, n int, _, _ time.Duration, _ error) {
	h.read.Add(float64(n))
}

// OnBrokerThrottle counts throttling.
func (h *clientHook) OnBrokerThrottle(kgo.BrokerMetadata, time.Duration, bool) { h.throttled.Inc() }
