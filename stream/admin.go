package stream

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// health is what /livez and /status tell. Its slices have one entry a worker.
type health struct {
	beats   []atomic.Int64 // unix nanoseconds of the last turn of each loop
	moved   atomic.Int64   // of the last committed transaction
	records atomic.Int64
	waiting []atomic.Pointer[string]
	parts   []atomic.Pointer[[]PartitionStatus]
}

// PartitionStatus is one input partition in /status.
type PartitionStatus struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Worker    int    `json:"worker"`
	State     string `json:"state"` // running or paused
	Reason    string `json:"reason,omitempty"`
	Since     string `json:"since,omitempty"`
}

// Status is what /status answers.
type Status struct {
	Pipeline   string            `json:"pipeline"`
	Slot       int               `json:"slot"`
	Epoch      uint64            `json:"epoch"`
	Ready      bool              `json:"ready"`
	Records    int64             `json:"records"`
	Waiting    []string          `json:"waiting_for,omitempty"`
	Partitions []PartitionStatus `json:"partitions"`
	Warnings   []string          `json:"warnings,omitempty"`
}

func (r *Runner) beat(n int) {
	r.health.beats[n].Store(time.Now().UnixNano())
}

func (r *Runner) setWaiting(n int, what string) { r.health.waiting[n].Store(&what) }

// progress notes a committed transaction.
func (r *Runner) progress(n, records int) {
	r.health.moved.Store(time.Now().UnixNano())
	r.health.records.Add(int64(records))
	r.health.waiting[n].Store(nil)
}

// publishStatus shows the worker's partitions in /status and the metrics.
func (w *worker) publishStatus() {
	var out []PartitionStatus
	w.mu.Lock()
	for t := range w.owned {
		s := PartitionStatus{Topic: t.topic, Partition: t.partition, Worker: w.n, State: "running"}
		if p := w.parts[t]; p != nil && p.paused != nil {
			s.State, s.Reason, s.Since = "paused", p.paused.Reason, p.paused.Since.UTC().Format(time.RFC3339)
		}
		out = append(out, s)
	}
	w.mu.Unlock()
	w.r.health.parts[w.n].Store(&out)
	w.r.countPaused()
}

func (r *Runner) countPaused() {
	r.metrics.paused.Reset()
	for _, p := range r.partitions() {
		if p.State == "paused" {
			r.metrics.paused.WithLabelValues(p.Reason).Inc()
		}
	}
}

func (r *Runner) partitions() []PartitionStatus {
	out := []PartitionStatus{}
	for i := range r.health.parts {
		if p := r.health.parts[i].Load(); p != nil {
			out = append(out, *p...)
		}
	}
	return out
}

// Status is a snapshot of the process.
func (r *Runner) Status() Status {
	s := Status{Pipeline: r.cfg.Name, Slot: r.cfg.Slot, Ready: r.ready.Load(), Records: r.health.records.Load(), Partitions: r.partitions()}
	for i := range r.health.waiting {
		if w := r.health.waiting[i].Load(); w != nil {
			s.Waiting = append(s.Waiting, *w)
		}
	}
	if g := r.gen.Load(); g != nil {
		s.Epoch = g.policy.Transforms.Epoch
		s.Warnings = r.untilWarnings(g)
	}
	return s
}

// untilWarn is how long before a recipient's last day /status warns.
const untilWarn = 14 * 24 * time.Hour

func (r *Runner) untilWarnings(g *generation) []string {
	now := r.now()
	if now.IsZero() {
		return nil
	}
	var out []string
	for i := range g.policy.Transforms.Recipients {
		rec := &g.policy.Transforms.Recipients[i]
		if !rec.Until.IsZero() && now.Add(untilWarn).After(rec.Until) {
			out = append(out, "recipient "+rec.Name+" is delivered until "+rec.Until.Format(time.DateOnly))
		}
	}
	return out
}

// live reports whether every worker's loop turns.
func (r *Runner) live() bool {
	for i := range r.health.beats {
		if time.Since(time.Unix(0, r.health.beats[i].Load())) > r.limits.live {
			return false
		}
	}
	return true
}

// errStuck ends a process whose worker hangs.
var errStuck = errors.New("a worker made no turn for three transaction timeouts")

// watchdog answers when a worker hangs, after writing all goroutines to stderr
// without their arguments (reliability R4). It answers nil when ctx ends.
func (r *Runner) watchdog(ctx context.Context) error {
	for ctx.Err() == nil {
		sleep(ctx, min(time.Second, r.limits.stuck/4))
		for i := range r.health.beats {
			if time.Since(time.Unix(0, r.health.beats[i].Load())) > r.limits.stuck && !r.killed.Load() && ctx.Err() == nil {
				_ = pprof.Lookup("goroutine").WriteTo(r.dump, 1)
				return errStuck
			}
		}
	}
	return nil
}

// serveAdmin serves /livez, /readyz, /status and /metrics; the stop function
// ends it.
func (r *Runner) serveAdmin() (stop func(), err error) {
	if r.cfg.AdminAddr == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", r.cfg.AdminAddr)
	if err != nil {
		return nil, &Refused{Why: "admin address " + r.cfg.AdminAddr + " cannot be listened on"}
	}
	s := &http.Server{Handler: r.Handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.Serve(l) }()
	r.log.Info("admin listens", "addr", l.Addr().String())
	return func() { _ = s.Close() }, nil
}

// Handler answers the admin endpoints.
func (r *Runner) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", r.answer(r.live))
	mux.HandleFunc("GET /readyz", r.answer(r.ready.Load))
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(r.Status())
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(r.metrics.registry, promhttp.HandlerOpts{}))
	return mux
}

func (r *Runner) answer(ok func() bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if !ok() {
			http.Error(w, "no", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	}
}
