package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/keys"
	"weir/stream/lineage"
	"weir/transforms"
)

// Contract 7: after the last day by the broker's clock nothing is delivered,
// whatever the record's timestamp says; 14 days before, /status warns.
func TestUntilGoesByTheBrokersClock(t *testing.T) {
	g := newPlain(t, 1)
	now := time.Now().UTC().Truncate(24 * time.Hour)
	rs := g.cfg.Policy.Transforms.Recipients
	rs[0].Until, rs[1].Until = now.AddDate(0, 0, -2), now.AddDate(0, 0, 10)
	rec := rawRec("a", "1", "")
	rec.Timestamp = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) // before both last days
	late := rawRec("a", "2", "")
	late.Timestamp = now.AddDate(0, 0, 20)
	g.put(rec, late)
	// kfake stamps nothing by itself: without a broker's time nobody with a last
	// day is served.
	if err := Run(context.Background(), g.cfg); !errors.Is(err, errNoClock) || ExitCode(err) != ExitAgain {
		t.Fatalf("started without the broker's clock: %v", err)
	}
	run := g.start(g.cfg, func(r *Runner) { r.now = time.Now })
	g.settled()
	if outEnd(g, "out.strict.raw.t") != 0 {
		t.Error("strict's last day is over, and it gets records")
	}
	g.want("loose", "1") // not the record that is later than its last day
	warned := strings.Join(run.Status().Warnings, "\n")
	if !strings.Contains(warned, "loose") || run.stop(t) != nil {
		t.Errorf("warnings %q", warned)
	}
	rs[1].Until = now.AddDate(0, 0, 16)
	if len(run.untilWarnings(run.gen.Load())) != 1 { // strict's only
		t.Error("warned more than 14 days before")
	}
}

// Contract 11: what fails for one recipient does not hold back another; what
// cannot be decoded is quarantined for all. Contract 16: also where every field
// passes, nothing is published before it was scanned to its end.
func TestFatesAreApart(t *testing.T) {
	g := newPlain(t, 1)
	bad := []*kgo.Record{rawRec("c", "3", ""), rawRec("d", "4", ""), rawRec("e", "5", "")}
	bad[0].Value = append(bad[0].Value, " trailing"...)
	bad[1].Value = bad[1].Value[:len(bad[1].Value)-1]
	bad[2].Value = []byte(`{"id":"e","v":"5","v":` + strings.Repeat("[", 100_000))
	g.put(rawRec("a", "1", ""), rawRec("b", "2", "undeclared"))
	g.put(bad...)
	g.put(rawRec("f", "6", ""))
	g.start(g.cfg, nil)
	g.settled()
	g.want("strict", "1", "6")
	g.want("loose", "1", "2", "6")
	var got []string
	for _, n := range g.notices() {
		got = append(got, fmt.Sprint(n.Offset, " ", n.Code, " ", n.Path, " ", n.Recipients))
	}
	if len(got) != 4 || !strings.HasPrefix(got[0], "1 undeclared_field * [strict]") {
		t.Errorf("quarantined: %q", got)
	}
	for _, s := range got[1:] {
		if !strings.HasSuffix(s, "[strict loose]") {
			t.Errorf("undecodable, but not for all: %s", s)
		}
	}
}

// Contract 14.
func TestHeaders(t *testing.T) {
	g := newPlain(t, 1)
	g.cfg.Sources[0].Headers = []string{"x-keep"}
	h := func(k, v string) kgo.RecordHeader { return kgo.RecordHeader{Key: k, Value: []byte(v)} }
	rec := rawRec("a", "1", "")
	rec.Headers = []kgo.RecordHeader{h("x-drop", "1"), h("x-keep", "2"), h("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
		h("weir", "forged"), h("__debezium.newkey", `{"id":"b"}`), h("__debezium.oldkey", `{"id":"a"}`)}
	g.put(rec)
	run := g.start(g.cfg, nil)
	g.settled()
	var names []string
	for _, h := range g.read("out.strict.raw.t")[0].Headers {
		names = append(names, h.Key)
		if h.Key == "weir" && string(h.Value) == "forged" || h.Key == "traceparent" && string(h.Value) != "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" {
			t.Errorf("header %s is %q", h.Key, h.Value)
		}
	}
	if !slices.Equal(names, []string{"weir", "x-keep", "traceparent"}) {
		t.Errorf("headers %q", names)
	}
	waitFor(t, "the count", func() bool { return metric(t, run, "weir_key_change_headers_dropped_total") == 1 })
}

// Listed or not: a copied key-change header would be a record key in clear.
func TestReservedHeadersAreRefused(t *testing.T) {
	for _, h := range []string{"weir", "__debezium.newkey", "__debezium.oldkey", "__key_schema_id", "__value_schema_id"} {
		cfg := Config{Name: "x", Policy: Policy{Transforms: &transforms.Policy{}, Ring: &keys.Ring{}},
			Sources: []Source{{Topics: "t", Headers: []string{"fine", h}}}}
		if _, err := NewRunner(cfg); ExitCode(err) != ExitUsage {
			t.Errorf("%s may be copied: %v", h, err)
		}
	}
}

// Contract 17: every output's header names its source, and a replay gives the
// same header, key and value, byte for byte. Contract 13: the timestamp too.
func TestLineageHeaderSurvivesReplay(t *testing.T) {
	g := newPlain(t, 3)
	for i := range 60 {
		rec := rawRec(fmt.Sprint(i%7), fmt.Sprint(i), "")
		rec.Partition, rec.Timestamp = int32(i%3), time.UnixMilli(int64(1_600_000_000_000+i))
		g.put(rec)
	}
	run := g.start(g.cfg, nil)
	g.settled()
	if err := run.stop(t); err != nil {
		t.Fatal(err)
	}
	g.rewind(map[int32]int64{0: 0, 1: 0, 2: 0})
	g.cfg.MaxPoll = 7 // other transactions than before
	g.start(g.cfg, nil)
	waitFor(t, "the replay", func() bool { return outEnd(g, "out.strict.raw.t") >= 120 })
	g.settled()
	k, err := lineage.NewKey(g.cfg.Policy.Ring, "plain", "strict", keys.AES256, 0)
	if err != nil {
		t.Fatal(err)
	}
	in := map[lineage.Source]*kgo.Record{}
	for _, rec := range g.read(rawTopic) {
		in[lineage.Source{Topic: 1, Partition: rec.Partition, Offset: rec.Offset}] = rec
	}
	seen := map[lineage.Source][]*kgo.Record{}
	for _, rec := range g.read("out.strict.raw.t") {
		h, err := lineage.Parse(header(rec, lineage.HeaderKey))
		if err != nil {
			t.Fatal(err)
		}
		s, err := k.Resolve(h.ID)
		if src := in[s]; err != nil || src == nil || !bytes.Equal(src.Value, rec.Value) || !src.Timestamp.Equal(rec.Timestamp) || src.Partition != rec.Partition {
			t.Fatalf("%+v is not the source of output %d/%d (%v)", s, rec.Partition, rec.Offset, err)
		}
		seen[s] = append(seen[s], rec)
	}
	for s, recs := range seen {
		if len(recs) != 2 || !bytes.Equal(header(recs[0], "weir"), header(recs[1], "weir")) || !bytes.Equal(recs[0].Key, recs[1].Key) {
			t.Errorf("the replay of %+v differs", s)
		}
	}
}

// Contract 18: the frames account for every input offset once.
func TestFramesAccountForEveryOffset(t *testing.T) {
	g := newPlain(t, 3)
	for i := range 90 {
		extra := ""
		if i%9 == 0 {
			extra = "x"
		}
		rec := rawRec(fmt.Sprint(i), fmt.Sprint(i), extra)
		rec.Partition = int32(i % 3)
		g.put(rec)
	}
	g.cfg.MaxPoll = 13
	g.start(g.cfg, nil)
	g.settled()
	fates := map[string]int{}
	for _, rec := range g.read(InternalNames("plain").Lineage) {
		runs, err := g.frameRuns()(rec)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			fates[fmt.Sprint(r.Topic, r.Partition, r.Offset, r.Recipient)]++
			fates[r.Recipient+" "+r.Fate]++
		}
	}
	for _, rec := range g.read(rawTopic) {
		for _, r := range []string{"strict", "loose"} {
			if n := fates[fmt.Sprint(rawTopic, rec.Partition, rec.Offset, r)]; n != 1 {
				t.Errorf("%d frames have %d/%d for %s", n, rec.Partition, rec.Offset, r)
			}
		}
	}
	if fates["strict quarantined"] != 10 || fates["strict published"] != 80 || fates["loose published"] != 90 {
		t.Errorf("fates %v", fates)
	}
}

// Odd records: no key, no value, neither, empty, very large, very many headers.
func TestOddRecords(t *testing.T) {
	g := newPlain(t, 1, "raw.big")
	if err := g.alter(rawTopic, "max.message.bytes", "8388608"); err != nil {
		t.Fatal(err)
	}
	big, heads := rawRec("a", strings.Repeat("x", 3<<20), ""), rawRec("b", "heads", "undeclared")
	for i := range 1_000 {
		heads.Headers = append(heads.Headers, kgo.RecordHeader{Key: fmt.Sprint("h", i), Value: bytes.Repeat([]byte("y"), 1<<10)})
	}
	noKey, tomb, nothing, empty := rawRec("c", "nokey", ""), rawRec("d", "", ""), rawRec("e", "", ""), rawRec("f", "", "")
	noKey.Key, tomb.Value, nothing.Key, nothing.Value, empty.Value = nil, nil, nil, nil, []byte{}
	g.put(big, heads, noKey, tomb, nothing, empty, rawRec("g", "end", ""))
	g.start(g.cfg, nil)
	g.settled()
	g.want("strict", strings.Repeat("x", 3<<20), "nokey", "-", "-", "end")
	g.want("loose", strings.Repeat("x", 3<<20), "heads", "nokey", "-", "-", "end")
	recs := g.read("out.loose.raw.t")
	if recs[2].Key != nil || recs[4].Key != nil || recs[3].Key == nil {
		t.Error("null keys must stay null, others not")
	}
	n := g.notices()
	if len(n) != 2 || n[1].Offset != 5 {
		t.Errorf("quarantined %+v", n)
	}
	q, err := newQuarantineSealer(g.cfg.Policy.Ring, "plain", "plain", "")
	if err != nil {
		t.Fatal(err)
	}
	_, orig, err := q.open(g.read(InternalNames("plain").Quarantine)[0])
	if err != nil || len(orig.Headers) != 1_000 || !bytes.Equal(orig.Value, heads.Value) {
		t.Errorf("the original in quarantine is not whole: %v", err)
	}
}

// A copy that the output refuses for its size is quarantined for that recipient
// at the second try; the others are not held back.
func TestOversizeOutputIsQuarantined(t *testing.T) {
	g := newPlain(t, 1, "out.strict.raw.t")
	if err := g.alter("out.strict.raw.t", "max.message.bytes", "2048"); err != nil {
		t.Fatal(err)
	}
	g.put(rawRec("a", "1", ""), rawRec("b", strings.Repeat("x", 5_000), ""), rawRec("c", "3", ""))
	g.start(g.cfg, nil)
	g.settled()
	g.want("strict", "1", "3")
	g.want("loose", "1", strings.Repeat("x", 5_000), "3")
	if n := g.notices(); len(n) != 1 || n[0].Code != CodeOversize || n[0].Offset != 1 || !slices.Equal(n[0].Recipients, []string{"strict"}) {
		t.Errorf("quarantined %+v", n)
	}
}

// A quarantine record that the topic refuses holds its partition, and no other.
func TestQuarantineTooSmallHoldsThePartition(t *testing.T) {
	g := newPlain(t, 2, "_weir.plain.quarantine")
	if err := g.alter("_weir.plain.quarantine", "max.message.bytes", "2048"); err != nil {
		t.Fatal(err)
	}
	other := rawRec("z", "other", "")
	other.Partition = 1
	g.put(rawRec("a", strings.Repeat("x", 5_000), "undeclared"), other)
	run := g.start(g.cfg, nil)
	g.standsFor(run, rawTopic, "output_refused")
	waitFor(t, "the other partition", func() bool { return outEnd(g, "out.strict.raw.t") > 0 })
	g.want("strict", "other")
	g.want("loose", "other")
}

// rewind commits offsets of the raw topic, as an operator may while nobody runs.
func (g *rig) rewind(to map[int32]int64) {
	g.t.Helper()
	adm, group := kadm.NewClient(g.prod), InternalNames(g.cfg.Name).Group
	if _, err := adm.LeaveGroup(context.Background(), kadm.LeaveGroup(group).InstanceIDs(instanceID(g.cfg.Name, 0, 0))); err != nil {
		g.t.Fatal(err)
	}
	os := kadm.Offsets{}
	for p, o := range to {
		os.AddOffset(rawTopic, p, o, -1)
	}
	if err := adm.CommitAllOffsets(context.Background(), group, os); err != nil {
		g.t.Fatal(err)
	}
}

// alter sets a topic's setting.
func (g *rig) alter(topic, name, value string) error {
	_, err := kadm.NewClient(g.prod).AlterTopicConfigs(context.Background(),
		[]kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, topic)
	return err
}

// metric reads a metric without labels of its own.
func metric(t *testing.T, run *running, name string) float64 {
	t.Helper()
	fs, err := run.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range fs {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}
