package streamtest

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// recipients are one that gets every row and one that gets China's.
func recipients() []Recipient {
	return []Recipient{
		{Name: "analytics", Prefix: "clean.analytics.shop."},
		{Name: "partner", Prefix: "clean.partner.shop.", Keep: func(i *Image) bool { return i.Country == "CN" }},
	}
}

// copyShop produces n records of a JSON shop and what a faultless pipeline
// makes of them, without any broker.
func copyShop(t *testing.T, o ShopOptions, n int) (*Check, []*kgo.Record) {
	t.Helper()
	o.JSON = true
	shop, err := NewShop(o)
	if err != nil {
		t.Fatal(err)
	}
	dec, err := NewDecoder("")
	if err != nil {
		t.Fatal(err)
	}
	p := &pipe{next: map[string]int64{}}
	for range n {
		c, err := shop.Next()
		if err != nil {
			t.Fatal(err)
		}
		src := *c.Record
		src.Offset = p.offset(src.Topic, src.Partition)
		shop.Ack(c, &src)
		p.copy(t, c.Entry, &src)
	}
	return &Check{Ledger: shop.Ledger, Recipients: recipients(), Decoder: dec, Quarantine: "_weir.shop.quarantine"}, p.out
}

// pipe is the faultless pipeline: tokens are base 32 of a counter.
type pipe struct {
	next map[string]int64
	out  []*kgo.Record
}

func (p *pipe) offset(topic string, partition int32) int64 {
	k := fmt.Sprintf("%s/%d", topic, partition)
	p.next[k]++
	return p.next[k] - 1
}

func (p *pipe) emit(r *kgo.Record) {
	r.Offset = p.offset(r.Topic, r.Partition)
	p.out = append(p.out, r)
}

func (p *pipe) copy(t *testing.T, e *Entry, src *kgo.Record) {
	if e.Undeclared {
		p.emit(&kgo.Record{Topic: "_weir.shop.quarantine", Value: []byte("sealed"), Headers: []kgo.RecordHeader{
			{Key: "__connect.errors.topic", Value: []byte(src.Topic)},
			{Key: "__connect.errors.partition", Value: fmt.Append(nil, src.Partition)},
			{Key: "__connect.errors.offset", Value: fmt.Append(nil, src.Offset)},
			{Key: "weir.code", Value: []byte("undecided")}}})
		return
	}
	for _, r := range recipients() {
		for _, w := range expect(e, &r) {
			out := &kgo.Record{Topic: r.Prefix + e.Table, Partition: src.Partition, Key: []byte(token(r.Name + e.Key)),
				Value: masked(t, src.Value, w)}
			for _, h := range src.Headers { // one of the two keys is empty
				out.Headers = append(out.Headers, kgo.RecordHeader{Key: h.Key, Value: []byte(token(r.Name + e.NewKey + e.OldKey))})
			}
			p.emit(out)
		}
	}
}

func token(s string) string { return fmt.Sprintf(`"%x"`, []byte(s)) }

// masked keeps only the columns that are no canaries.
func masked(t *testing.T, value []byte, w want) []byte {
	if w.op == Tombstone {
		return nil
	}
	var m map[string]any
	dec := json.NewDecoder(strings.NewReader(string(value)))
	dec.UseNumber()
	if err := dec.Decode(&m); err != nil {
		t.Fatal(err)
	}
	for _, side := range []string{"before", "after"} {
		if img, ok := m[side].(map[string]any); ok {
			m[side] = map[string]any{"seq": img["seq"], "country": img["country"]}
		}
	}
	m["op"] = string(w.op)
	if !w.before {
		m["before"] = nil
	}
	if w.op == Delete {
		m["after"] = nil
	}
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFaultlessIsExact(t *testing.T) {
	c, out := copyShop(t, ShopOptions{Seed: 1, AlterAt: 700}, 1500)
	r := c.Judge(out)
	if !r.ExactlyOnce() || r.Leaked() != 0 {
		t.Fatalf("faultless run judged %+v", r)
	}
	a, p := r.Recipients[0], r.Recipients[1]
	if a.Delivered+a.Filtered+a.Quarantined != 1500 || p.Delivered+p.Filtered+p.Quarantined != 1500 {
		t.Errorf("in = 1500, out of: %+v, %+v", a, p)
	}
	if p.Filtered < 100 || a.Filtered != 0 || r.Quarantined["undecided"] < 100 {
		t.Errorf("the stream does not show what it should: %+v", r)
	}
}

// pickOut is the index of the nth record that ok accepts.
func pickOut(t *testing.T, out []*kgo.Record, n int, ok func(*kgo.Record) bool) int {
	t.Helper()
	for i, r := range out {
		if ok(r) {
			if n--; n < 0 {
				return i
			}
		}
	}
	t.Fatal("no such record")
	return -1
}

func valued(r *kgo.Record) bool {
	return strings.HasPrefix(r.Topic, "clean.") && r.Value != nil
}
func tombstone(r *kgo.Record) bool {
	return strings.HasPrefix(r.Topic, "clean.") && r.Value == nil
}
func quarantined(r *kgo.Record) bool { return strings.HasPrefix(r.Topic, "_weir.") }

// TestMutations makes one fault at a time and demands that it is seen as what
// it is.
func TestMutations(t *testing.T) {
	sum := func(f func(*Tally) int) func(*Report) int {
		return func(r *Report) int { return f(&r.Recipients[0]) + f(&r.Recipients[1]) }
	}
	lost := sum(func(t *Tally) int { return t.Lost })
	doubled := sum(func(t *Tally) int { return t.Doubled })
	misordered := sum(func(t *Tally) int { return t.Misordered })
	wrong := sum(func(t *Tally) int { return t.Wrong })
	drop := func(ok func(*kgo.Record) bool) func(*testing.T, *Check, []*kgo.Record) []*kgo.Record {
		return func(t *testing.T, _ *Check, out []*kgo.Record) []*kgo.Record {
			i := pickOut(t, out, 20, ok)
			return slices.Delete(out, i, i+1)
		}
	}
	double := func(ok func(*kgo.Record) bool) func(*testing.T, *Check, []*kgo.Record) []*kgo.Record {
		return func(t *testing.T, _ *Check, out []*kgo.Record) []*kgo.Record {
			twice := *out[pickOut(t, out, 20, ok)]
			twice.Offset = 1 << 30
			return append(out, &twice)
		}
	}
	for _, tt := range []struct {
		name   string
		mutate func(*testing.T, *Check, []*kgo.Record) []*kgo.Record
		count  func(*Report) int
		want   int
	}{
		{"drop a record", drop(valued), lost, 1},
		{"drop a tombstone", drop(tombstone), lost, 1},
		{"drop from quarantine", drop(quarantined), lost, 2}, // for both recipients
		{"double a record", double(valued), doubled, 1},
		{"double a tombstone", double(tombstone), doubled, 1},
		{"double in quarantine", double(quarantined), doubled, 2},
		{"swap two of one key", swapTwo, misordered, 1},
		{"publish what is filtered", publishFiltered, wrong, 1},
		{"publish what is undecided", publishUndecided, wrong, 1},
		{"another partition", func(t *testing.T, _ *Check, out []*kgo.Record) []*kgo.Record {
			out[pickOut(t, out, 20, valued)].Partition = 99
			return out
		}, wrong, 1},
		{"another row's content", func(t *testing.T, _ *Check, out []*kgo.Record) []*kgo.Record {
			r := out[pickOut(t, out, 20, valued)]
			r.Value = []byte(strings.Replace(string(r.Value), `"seq":`, `"seq":9`, 1))
			return out
		}, wrong, 1},
		{"undecodable", func(t *testing.T, _ *Check, out []*kgo.Record) []*kgo.Record {
			r := out[pickOut(t, out, 20, valued)]
			r.Value = r.Value[:len(r.Value)-1]
			return out
		}, wrong, 1},
		{"keys merged", mergeKeys, wrong, 1},
		{"another key in a header", func(t *testing.T, _ *Check, out []*kgo.Record) []*kgo.Record {
			r := out[pickOut(t, out, 3, func(r *kgo.Record) bool { return len(r.Headers) == 1 })]
			r.Headers[0].Value = r.Key
			return out
		}, wrong, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, out := copyShop(t, ShopOptions{Seed: 2, AlterAt: 700}, 1500)
			r := c.Judge(tt.mutate(t, c, out))
			if r.ExactlyOnce() {
				t.Error("not caught")
			}
			if got := tt.count(r); got != tt.want {
				t.Errorf("counted %d, want %d: %+v", got, tt.want, r)
			}
			if len(r.Findings) == 0 {
				t.Error("no finding")
			}
		})
	}
}

// swapTwo exchanges two neighbouring records of one key.
func swapTwo(t *testing.T, _ *Check, out []*kgo.Record) []*kgo.Record {
	last := map[string]*kgo.Record{}
	for _, r := range out {
		k := r.Topic + string(r.Key)
		if p := last[k]; p != nil && valued(r) && valued(p) {
			p.Offset, r.Offset = r.Offset, p.Offset
			return out
		}
		last[k] = r
	}
	t.Fatal("no key with two records")
	return nil
}

// publishFiltered gives partner a record of a row that is not China's.
func publishFiltered(t *testing.T, c *Check, out []*kgo.Record) []*kgo.Record {
	return publish(t, c, out, func(e *Entry) bool { return e.Op == Create && e.After.Country != "CN" && !e.Undeclared })
}

func publishUndecided(t *testing.T, c *Check, out []*kgo.Record) []*kgo.Record {
	return publish(t, c, out, func(e *Entry) bool { return e.Op == Create && e.Undeclared })
}

func publish(t *testing.T, c *Check, out []*kgo.Record, ok func(*Entry) bool) []*kgo.Record {
	t.Helper()
	for _, e := range c.Ledger.Entries() {
		if ok(e) {
			return append(out, &kgo.Record{Topic: "clean.partner.shop." + e.Table, Partition: e.Partition, Offset: 1 << 30,
				Key:   []byte(token("partner" + e.Key)),
				Value: fmt.Appendf(nil, `{"op":"c","before":null,"after":{"seq":%d},"source":{"lsn":%d}}`, e.After.Seq, e.LSN)})
		}
	}
	t.Fatal("no such entry")
	return nil
}

func mergeKeys(t *testing.T, _ *Check, out []*kgo.Record) []*kgo.Record {
	snapshot := func(r *kgo.Record) bool { return valued(r) && strings.Contains(string(r.Value), `"op":"r"`) }
	a := out[pickOut(t, out, 0, snapshot)]
	b := out[pickOut(t, out, 1, func(r *kgo.Record) bool { return snapshot(r) && r.Topic == a.Topic })]
	b.Key = a.Key
	return out
}

func TestLeaks(t *testing.T) {
	raw := func(c *Check, kind string) string {
		for _, x := range c.Ledger.Canaries() {
			if x.Kind == kind && (kind != "name" || x.Text[0] > 0x80) {
				return x.Text
			}
		}
		return ""
	}
	for _, tt := range []struct {
		name, kind, how string
		hide            func(r *kgo.Record, v string)
	}{
		{"value", "phone", "plain", func(r *kgo.Record, v string) { r.Value = append(r.Value, " "+v...) }},
		{"key", "phone", "plain", func(r *kgo.Record, v string) { r.Key = append(r.Key, v...) }},
		{"header value", "name", "plain", func(r *kgo.Record, v string) {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: "x", Value: []byte(v)})
		}},
		{"header name", "email", "plain", func(r *kgo.Record, v string) { r.Headers = append(r.Headers, kgo.RecordHeader{Key: v}) }},
		{"base64", "phone", "base64", func(r *kgo.Record, v string) { r.Value = encode64(r.Value, "", v) }},
		{"base64 inside", "phone", "base64", func(r *kgo.Record, v string) { r.Value = encode64(r.Value, "x", v+"yz") }},
		{"base64 shifted", "name", "base64", func(r *kgo.Record, v string) { r.Value = encode64(r.Value, "xy", v+"y") }},
		{"hex", "id_card", "hex", func(r *kgo.Record, v string) { r.Value = append(r.Value, hex.EncodeToString([]byte(v))...) }},
		{"escaped", "name", "escaped", func(r *kgo.Record, v string) { r.Value = append(r.Value, jsonEscaped(v, "%04X")...) }},
		{"hash", "phone", "hash", func(r *kgo.Record, v string) { r.Value = append(r.Value, disguises(v)["hash"][1]...) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, out := copyShop(t, ShopOptions{Seed: 3, AlterAt: 200}, 400)
			r := out[len(out)/2]
			tt.hide(r, raw(c, tt.kind))
			rep := c.Judge(out)
			if rep.Leaked() != 1 || rep.Leaks[tt.kind+" ("+tt.how+")"] != 1 {
				t.Errorf("leaks %v, want one %s (%s)", rep.Leaks, tt.kind, tt.how)
			}
			for _, f := range rep.Findings {
				for _, x := range c.Ledger.Canaries() {
					if strings.Contains(f, x.Text) {
						t.Errorf("a finding quotes a value: %s", f)
					}
				}
			}
		})
	}
}

func encode64(dst []byte, before, v string) []byte {
	return base64.StdEncoding.AppendEncode(dst, []byte(before+v))
}

// TestPartial: a filter that must not look at before images sends more.
func TestPartial(t *testing.T) {
	cn, de := &Image{Country: "CN"}, &Image{Country: "DE"}
	keep := func(i *Image) bool { return i.Country == "CN" }
	for _, tt := range []struct {
		e             Entry
		full, partial string
	}{
		{Entry{Op: Create, After: de}, "", ""},
		{Entry{Op: Read, After: cn}, "r", "r"},
		{Entry{Op: Update, Before: cn, After: cn}, "u", "u"},
		{Entry{Op: Update, Before: de, After: cn}, "c", "u"},
		{Entry{Op: Update, Before: cn, After: de}, "d\x00", "d\x00"},
		{Entry{Op: Update, Before: de, After: de}, "", "d\x00"},
		{Entry{Op: Delete, Before: de}, "", "d"},
		{Entry{Op: Delete, Before: cn}, "d", "d"},
		{Entry{Op: Tombstone}, "\x00", "\x00"},
	} {
		ops := func(partial bool) string {
			s := ""
			for _, w := range expect(&tt.e, &Recipient{Keep: keep, Partial: partial}) {
				s += string(w.op)
			}
			return s
		}
		if ops(false) != tt.full || ops(true) != tt.partial {
			t.Errorf("%c %v → %v: %q, %q; want %q, %q", tt.e.Op, tt.e.Before, tt.e.After, ops(false), ops(true), tt.full, tt.partial)
		}
	}
}

func TestFrames(t *testing.T) {
	c, out := copyShop(t, ShopOptions{Seed: 4}, 300)
	c.Lineage = "_weir.shop.lineage"
	frames := map[string][]FrameRun{}
	for _, r := range c.Recipients {
		for _, e := range c.Ledger.Entries() {
			fate := "published"
			if len(expect(e, &r)) == 0 {
				fate = "filtered"
			}
			frames[r.Name] = append(frames[r.Name], FrameRun{e.Topic, e.Partition, r.Name, e.Offset, 1, fate})
		}
		out = append(out, &kgo.Record{Topic: c.Lineage, Value: []byte(r.Name)})
	}
	c.Frames = func(r *kgo.Record) ([]FrameRun, error) { return frames[string(r.Value)], nil }
	if r := c.Judge(out); !r.ExactlyOnce() {
		t.Fatalf("true frames judged %+v", r)
	}
	frames["partner"][7].Fate = "quarantined"
	frames["analytics"] = frames["analytics"][1:]
	if r := c.Judge(out); r.ExactlyOnce() || r.FrameErrors != 2 {
		t.Errorf("false frames judged %+v", r)
	}
}

// TestClusterRoundTrip: what was produced to a broker, in Avro, reads back as
// the ledger has it, and an untouched copy of it is full of leaks.
func TestClusterRoundTrip(t *testing.T) {
	c, err := Start(Options{Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	shop, err := NewShop(ShopOptions{Seed: 5, Registry: c.RegistryURL(), AlterAt: 150})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.CreateTopics(3, shop.Topics()...); err != nil {
		t.Fatal(err)
	}
	cl, err := c.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := shop.Produce(ctx, cl, 300); err != nil {
		t.Fatal(err)
	}
	dec, err := NewDecoder(c.RegistryURL())
	if err != nil {
		t.Fatal(err)
	}
	records, err := ReadAll(ctx, c.Client, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	checkAgainstLedger(t, dec, shop.Ledger, records)
	for _, r := range records {
		r.Topic = strings.Replace(r.Topic, "cdc.", "clean.raw.", 1)
	}
	raw := &Check{Ledger: shop.Ledger, Decoder: dec, Recipients: []Recipient{{Name: "raw", Prefix: "clean.raw.shop."}}}
	rep := raw.Judge(records)
	if rep.Leaked() < 500 || rep.Recipients[0].Doubled+rep.Recipients[0].Misordered > 0 {
		t.Errorf("raw copy: %d leaks, %+v", rep.Leaked(), rep.Recipients)
	}
}

func checkAgainstLedger(t *testing.T, dec *Decoder, l *Ledger, records []*kgo.Record) {
	t.Helper()
	byPlace := map[place]*Entry{}
	for _, e := range l.Entries() {
		byPlace[place{e.Topic, e.Partition, e.Offset}] = e
	}
	if len(byPlace) != 300 || len(records) != 300 {
		t.Fatalf("ledger has %d, topics have %d", len(byPlace), len(records))
	}
	for _, r := range records {
		d, err := dec.Decode(r)
		e := byPlace[place{r.Topic, r.Partition, r.Offset}]
		if err != nil || e == nil {
			t.Fatalf("%s: %v, entry %v", at(r), err, e)
		}
		if d.Op != e.Op || (e.Op != Tombstone && d.LSN != e.LSN) ||
			!sameSeq(d.After, e.After, false) || !sameSeq(d.Before, e.Before, false) {
			t.Errorf("%s: read %+v, ledger %+v", at(r), d, e)
		}
	}
}

func TestShopRepeats(t *testing.T) {
	_, a := copyShop(t, ShopOptions{Seed: 6, AlterAt: 100}, 300)
	_, b := copyShop(t, ShopOptions{Seed: 6, AlterAt: 100}, 300)
	_, c := copyShop(t, ShopOptions{Seed: 7, AlterAt: 100}, 300)
	same := func(x, y []*kgo.Record) bool {
		return slices.EqualFunc(x, y, func(p, q *kgo.Record) bool { return string(p.Key)+string(p.Value) == string(q.Key)+string(q.Value) })
	}
	if !same(a, b) || same(a, c) {
		t.Error("equal seeds must give equal records, others others")
	}
}

// TestSecured: SCRAM over TLS; a wrong password gets nowhere.
func TestSecured(t *testing.T) {
	c, err := Start(Options{TLS: true, ACLs: true, Users: []User{{Name: "admin", Password: "pw", Super: true}, {Name: "eve", Password: "x"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cl, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.Ping(ctx); err != nil {
		t.Errorf("superuser: %v", err)
	}
	wrong := scram.Auth{User: "eve", Pass: "y"}.AsSha512Mechanism()
	eve, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers()...), kgo.DialTLSConfig(c.ClientTLS()), kgo.SASL(wrong), kgo.RequestRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	defer eve.Close()
	if eve.Ping(ctx) == nil {
		t.Error("a wrong password was let in")
	}
}
