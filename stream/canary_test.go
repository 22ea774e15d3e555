package stream

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/stream/streamtest"
)

// Invariant 5: no value stands in logs, metrics, /status, errors, quarantine,
// lineage, state or control; a leak planted in any of them is found.
func TestNoCanaryOutsideTheRecord(t *testing.T) {
	g := newRig(t, streamtest.ShopOptions{Seed: 40, AlterAt: 300})
	g.cfg.Log = slog.New(slog.NewJSONHandler(io.MultiWriter(g.log, testWriter{t}), &slog.HandlerOptions{Level: slog.LevelDebug}))
	g.produce(500)
	for i, rec := range g.lastOf("cdc.shop.orders") { // poison full of canaries
		g.put(&kgo.Record{Topic: "cdc.shop.payments", Partition: int32(i % 3), Key: rec.Key, Value: rec.Value[:len(rec.Value)-3]})
	}
	run := g.start(g.cfg, nil)
	g.drained()
	g.send(Command{Kind: CommandRelease, Topic: "cdc.shop.customers", Partition: 1, By: "test"})
	waitFor(t, "the command", func() bool { return len(g.state().Control) > 0 })
	places := map[string][]*kgo.Record{}
	for _, topic := range InternalNames("shop").Topics() {
		places[topic] = g.read(topic)
	}
	page := func(path string) string {
		w := httptest.NewRecorder()
		run.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Body.String()
	}
	texts := map[string]string{"metrics": page("/metrics"), "status": page("/status"), "log": g.log.String()}
	checks, err := Doctor(t.Context(), g.cfg)
	texts["doctor"] = fmt.Sprint(checks, err)
	for name, s := range texts {
		places[name] = []*kgo.Record{{Topic: name, Value: []byte(s)}}
	}
	check := &streamtest.Check{Ledger: g.shop.Ledger}
	leak := g.shop.Ledger.Canaries()[0].Text
	for name, recs := range places {
		if len(recs) == 0 || len(recs[0].Value) == 0 {
			t.Errorf("%s is empty: it proves nothing", name)
			continue
		}
		rep := check.Judge(recs)
		if rep.Leaked() != 0 {
			t.Errorf("%s: %v", name, rep.Findings)
		}
		recs[len(recs)/2].Value = append(recs[len(recs)/2].Value, leak...)
		if check.Judge(recs).Leaked() == 0 {
			t.Errorf("%s: a planted leak was not found", name)
		}
	}
	if len(g.notices()) == 0 {
		t.Error("nothing was quarantined")
	}
}

// What /livez, /readyz, /status and /metrics answer.
func TestAdmin(t *testing.T) {
	g := newPlain(t, 2)
	g.cfg.AdminAddr = "127.0.0.1:0"
	g.cfg.OnPoison = Stop
	poison := rawRec("a", "1", "undeclared")
	poison.Partition = 1
	g.put(rawRec("a", "1", ""), poison)
	run := g.start(g.cfg, nil)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		run.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	g.standsFor(run, rawTopic, haltPoison)
	waitFor(t, "the other partition", func() bool { return run.Status().Records == 1 })
	for path, want := range map[string][]string{
		"/livez": {"ok"}, "/readyz": {"ok"},
		"/status": {`"pipeline":"plain"`, `"epoch":1`, `"ready":true`, `"state":"paused","reason":"poison"`, `"partition":0,"worker":0,"state":"running"`},
		"/metrics": {`weir_records_in_total{pipeline="plain"} 1`, `weir_records_published_total{pipeline="plain",recipient="strict"} 1`,
			`weir_partitions_paused{pipeline="plain",reason="poison"} 1`, `weir_policy_epoch{pipeline="plain"} 1`, "weir_kafka_connects_total"},
	} {
		code, body := get(path)
		for _, w := range want {
			if code != http.StatusOK || !strings.Contains(body, w) {
				t.Errorf("%s: %d, lacks %s in:\n%.2000s", path, code, w, body)
			}
		}
	}
	if !strings.Contains(g.log.String(), "admin listens") {
		t.Error("the admin address is not told")
	}
	run.health.beats[0].Store(1)
	if run.live() { // between two turns of the loop at most
		waitFor(t, "a late loop to fail /livez", func() bool { run.health.beats[0].Store(1); return !run.live() })
	}
	if err := run.stop(t); err != nil {
		t.Fatal(err)
	}
	if code, _ := get("/readyz"); code != http.StatusServiceUnavailable {
		t.Error("a stopped process is ready")
	}
	g.cfg.AdminAddr = "256.0.0.1:x"
	if err := Run(t.Context(), g.cfg); ExitCode(err) != ExitUsage {
		t.Errorf("an address that cannot be listened on: %v", err)
	}
}
