package transforms_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/linkedin/goavro/v2"
	"pgregory.net/rapid"

	"weir/keys"
	"weir/schemas"
	"weir/schemas/avro"
	"weir/transforms"
	"weir/transforms/all"
)

// The Avro tests run the real codec, treatments and keys, and read every output
// with goavro under the derived schema.

const avroKey = `{"type":"record","name":"Key","namespace":"cdc.shop.customers","fields":[{"name":"id","type":"long"}]}`

const avroValue = `{"type":"record","name":"Envelope","namespace":"cdc.shop.customers","fields":[
{"name":"before","type":["null",{"type":"record","name":"Value","fields":[
 {"name":"id","type":"long"},
 {"name":"phone","type":["null","string"],"default":null},
 {"name":"name","type":["null","string"],"default":null},
 {"name":"country","type":["null","string"],"default":null},
 {"name":"balance","type":["null",{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}],"default":null},
 {"name":"photo","type":["null","bytes"],"default":null},
 {"name":"tags","type":["null",{"type":"array","items":["null","string"]}],"default":null}]}],"default":null},
{"name":"after","type":["null","Value"],"default":null},
{"name":"source","type":{"type":"record","name":"Source","fields":[{"name":"db","type":"string"},{"name":"query","type":["null","string"],"default":null}]}},
{"name":"op","type":"string"},
{"name":"ts_ms","type":["null","long"],"default":null}]}`

// fixture is a compiled plan with goavro's codecs for what goes in and comes
// out.
type fixture struct {
	plan             *transforms.Plan
	keyIn, valueIn   *goavro.Codec
	keyOut, valueOut []*goavro.Codec
}

func newFixture(t testing.TB, p *transforms.Policy, d transforms.Dataset) *fixture {
	t.Helper()
	parse := func(text string) *schemas.Schema {
		s, err := avro.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	key := parse(avroKey)
	plan, err := transforms.Compile(transforms.Input{Policy: p, Dataset: d, Key: key, Value: parse(avroValue), Header: key,
		Kinds: all.Kinds(), Ring: ring(t)})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{plan: plan, keyIn: goavroCodec(t, avroKey), valueIn: goavroCodec(t, avroValue)}
	for i := range p.Recipients {
		k, v := plan.Shape(i)
		if k == nil || v == nil {
			t.Fatalf("recipient %d is blocked\n%s", i, plan)
		}
		f.keyOut = append(f.keyOut, goavroCodec(t, k.Schema()))
		f.valueOut = append(f.valueOut, goavroCodec(t, v.Schema()))
	}
	return f
}

func ring(t testing.TB) *keys.Ring {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	if _, err := keys.InitFile(path); err != nil {
		t.Fatal(err)
	}
	r, err := keys.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func goavroCodec(t testing.TB, text string) *goavro.Codec {
	t.Helper()
	c, err := goavro.NewCodec(text)
	if err != nil {
		t.Fatalf("goavro refuses the schema: %v\n%s", err, text)
	}
	return c
}

type fataler interface{ Fatal(args ...any) }

func encode(t fataler, c *goavro.Codec, text string) []byte {
	native, _, err := c.NativeFromTextual([]byte(text))
	if err != nil {
		t.Fatal(err, text)
	}
	out, err := c.BinaryFromNative(nil, native)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// decode gives an Avro payload as JSON, its members in order of their names.
func decode(t fataler, c *goavro.Codec, payload []byte) string {
	native, rest, err := c.NativeFromBinary(payload)
	if err != nil || len(rest) > 0 {
		t.Fatal("goavro cannot read the copy:", err, len(rest))
	}
	text, err := c.TextualFromNative(nil, native)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func avroPolicy(t testing.TB, recipients ...transforms.Recipient) *transforms.Policy {
	t.Helper()
	tax, err := schemas.DefaultTaxonomy()
	if err != nil {
		t.Fatal(err)
	}
	p := &transforms.Policy{Name: "shop", Keyspace: "shop", Epoch: 1, Taxonomy: tax, Recipients: recipients}
	for name, class := range map[string]string{"id": "account.username", "phone": "contact.mobile_cn", "name": "person.name",
		"country": "internal", "balance": "finance.transaction", "photo": "biometric.template", "tags": "text.free_with_pii"} {
		p.Catalog = append(p.Catalog, transforms.CatalogRule{Match: "shop.customers." + name, Class: class})
	}
	return p
}

func treat(pairs ...string) []transforms.Rule {
	var out []transforms.Rule
	for i := 0; i < len(pairs); i += 2 {
		r := transforms.Rule{Match: pairs[i], Treatment: pairs[i+1]}
		if r.Treatment == "token" {
			r.Args = transforms.Args{"domain": "customer"}
		}
		if r.Treatment == "constant" {
			r.Args = transforms.Args{"": "x"}
		}
		out = append(out, r)
	}
	return out
}

var dataset = transforms.Dataset{Topic: "cdc.shop.customers", Name: "shop.customers", Envelope: transforms.EnvelopeDebezium,
	Placeholder: "__debezium_unavailable_value", BeforeFull: true}

const avroRow = `{"id":%d,"phone":%s,"name":{"string":"王小明"},"country":{"string":"%s"},"balance":{"bytes.decimal":12.34},"photo":{"bytes":"__debezium_unavailable_value"},"tags":{"array":[{"string":"a"},null]}}`

func avroEvent(t fataler, f *fixture, op string, before, after string) *transforms.Event {
	image := func(s string) string {
		if s == "" {
			return "null"
		}
		return `{"cdc.shop.customers.Value":` + s + `}`
	}
	value := `{"before":` + image(before) + `,"after":` + image(after) + `,"source":{"db":"shop","query":{"string":"INSERT 13912345678"}},"op":"` + op + `","ts_ms":{"long":5}}`
	value = strings.ReplaceAll(value, `{"bytes.decimal":12.34}`, `{"bytes.decimal":"\u0004\u00d2"}`)
	return &transforms.Event{Key: encode(t, f.keyIn, `{"id":7}`), Value: encode(t, f.valueIn, value)}
}

// TestAvroCopies: every treatment on a real envelope, read by goavro.
func TestAvroCopies(t *testing.T) {
	p := avroPolicy(t,
		transforms.Recipient{Name: "all", Grade: 5},
		transforms.Recipient{Name: "tokens", Grade: 2, Treat: treat("*", "token")},
		transforms.Recipient{Name: "mixed", Grade: 2, Treat: treat("account.*", "token", "person.name", "mask", "finance.*", "null", "contact.*", "constant", "*", "drop")})
	f := newFixture(t, p, dataset)
	row := fmt.Sprintf(avroRow, 7, `{"string":"13912345678"}`, "CN")
	copies, next := f.plan.Protect(transforms.NewScratch(), avroEvent(t, f, "u", row, row), nil)
	if next != nil {
		t.Error("Avro has nothing to learn")
	}
	for i := range copies {
		c := &copies[i]
		if c.Fate != transforms.Published || len(c.Outs) != 1 {
			t.Fatalf("recipient %d: %v %s %s", i, c.Fate, c.Code, c.Path)
		}
		text := decode(t, f.valueOut[i], c.Outs[0].Value)
		if strings.Contains(text, "INSERT") || !strings.Contains(text, `"op":"u"`) {
			t.Errorf("recipient %d: %s", i, text)
		}
		if i > 0 && (strings.Contains(text, "139") || strings.Contains(text, "小明")) {
			t.Errorf("recipient %d has plaintext: %s", i, text)
		}
		checkImages(t, i, decode(t, f.keyOut[i], c.Outs[0].Key), text)
	}
	mixed := decode(t, f.valueOut[2], copies[2].Outs[0].Value)
	for _, want := range []string{`"balance":null`, `"phone":{"string":"x"}`, `"country":{"string":"CN"}`} {
		if strings.Count(mixed, want) != 2 {
			t.Errorf("no %s in both images: %s", want, mixed)
		}
	}
	if strings.Contains(mixed, "photo") || strings.Contains(mixed, "tags") {
		t.Errorf("dropped fields are there: %s", mixed)
	}
	tokens := decode(t, f.valueOut[1], copies[1].Outs[0].Value)
	if strings.Count(tokens, `"photo":{"string":"__debezium_unavailable_value"}`) != 2 {
		t.Errorf("the placeholder did not pass: %s", tokens)
	}
	if !strings.Contains(tokens, "null]") {
		t.Errorf("a null element did not stay: %s", tokens)
	}
}

// checkImages: before equals after equals key, as the input's did.
func checkImages(t *testing.T, i int, key, value string) {
	t.Helper()
	var v struct {
		Before, After map[string]map[string]any
	}
	var k map[string]any
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(key), &k); err != nil {
		t.Fatal(err)
	}
	before, after := v.Before["cdc.shop.customers.Value"], v.After["cdc.shop.customers.Value"]
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("recipient %d: images differ: %s", i, value)
	}
	if fmt.Sprint(before["id"]) != fmt.Sprint(k["id"]) {
		t.Errorf("recipient %d: key %s, value %s", i, key, value)
	}
}

// TestAvroRows: an update that leaves the rows is a delete and a tombstone; one
// that enters them is a create.
func TestAvroRows(t *testing.T) {
	p := avroPolicy(t, transforms.Recipient{Name: "cn", Grade: 5, Rows: "after.country == 'CN' && after.balance > 12"})
	f := newFixture(t, p, dataset)
	cn, us := fmt.Sprintf(avroRow, 7, "null", "CN"), fmt.Sprintf(avroRow, 7, "null", "US")
	for _, c := range []struct {
		op, before, after, want string
		outs                    int
	}{{"u", cn, cn, `"op":"u"`, 1}, {"u", us, cn, `"before":null,"op":"c"`, 1}, {"u", cn, us, `"after":null,"before":{`, 2}, {"c", "", cn, `"op":"c"`, 1}} {
		copies, _ := f.plan.Protect(transforms.NewScratch(), avroEvent(t, f, c.op, c.before, c.after), nil)
		if len(copies[0].Outs) != c.outs {
			t.Fatalf("%d outputs, want %d: %s", len(copies[0].Outs), c.outs, copies[0].Code)
		}
		if text := decode(t, f.valueOut[0], copies[0].Outs[0].Value); !strings.Contains(text, c.want) || strings.Contains(text, "US") {
			t.Errorf("%s", text)
		}
		if c.outs == 2 && !copies[0].Outs[1].NullValue {
			t.Error("no tombstone")
		}
	}
}

// TestAvroPassesByteForByte: where nothing is touched, nothing changes.
func TestAvroPassesByteForByte(t *testing.T) {
	p := avroPolicy(t, transforms.Recipient{Name: "all", Grade: 5})
	f := newFixture(t, p, dataset)
	ev := &transforms.Event{Key: encode(t, f.keyIn, `{"id":7}`), NullValue: true, NewKey: encode(t, f.keyIn, `{"id":8}`)}
	copies, _ := f.plan.Protect(transforms.NewScratch(), ev, nil)
	if c := &copies[0]; string(c.Outs[0].Key) != string(ev.Key) || string(c.NewKey) != string(ev.NewKey) || !c.Outs[0].NullValue {
		t.Errorf("%+v", c)
	}
	for _, cut := range [][]byte{ev.Key[:0], append(ev.Key[:1:1], 0)} {
		copies, _ := f.plan.Protect(transforms.NewScratch(), &transforms.Event{Key: cut, NullValue: true}, nil)
		if copies[0].Fate != transforms.Quarantined {
			t.Errorf("%d bytes passed", len(cut))
		}
	}
}

// TestAvroNewColumn is the demo's schema change: after an ALTER TABLE that adds
// a column, every record is quarantined where unknown: quarantine, and the
// column is dropped where unknown: drop.
func TestAvroNewColumn(t *testing.T) {
	text := strings.Replace(avroValue, `{"name":"country"`, `{"name":"phone2","type":["null","string"],"default":null},{"name":"country"`, 1)
	s, err := avro.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	p := avroPolicy(t, transforms.Recipient{Name: "q", Grade: 5}, transforms.Recipient{Name: "d", Grade: 5, Unknown: transforms.DropUnknown})
	plan, err := transforms.Compile(transforms.Input{Policy: p, Dataset: dataset, Value: s, Kinds: all.Kinds(), Ring: ring(t)})
	if err != nil {
		t.Fatal(err)
	}
	if plan.Blocked(0) != transforms.CodeUndecided || plan.Blocked(1) != "" {
		t.Fatalf("blocked %q, %q", plan.Blocked(0), plan.Blocked(1))
	}
	in := goavroCodec(t, text)
	value := encode(t, in, `{"before":null,"after":null,"source":{"db":"shop","query":null},"op":"t","ts_ms":null}`)
	copies, _ := plan.Protect(transforms.NewScratch(), &transforms.Event{NullKey: true, Value: value}, nil)
	if c := &copies[0]; c.Fate != transforms.Quarantined || c.Code != transforms.CodeUndecided || c.Path != "shop.customers.phone2" {
		t.Errorf("%+v", c)
	}
	_, shape := plan.Shape(1)
	if strings.Contains(shape.Schema(), "phone2") || copies[1].Fate != transforms.Published {
		t.Errorf("%+v\n%s", copies[1], shape.Schema())
	}
}

// TestAvroKeyAndBodyAgree is Invariant 2 with real tokens.
func TestAvroKeyAndBodyAgree(t *testing.T) {
	p := avroPolicy(t, transforms.Recipient{Name: "a", Treat: treat("*", "token", "internal", "drop")})
	f := newFixture(t, p, dataset)
	s := transforms.NewScratch()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Int64().Draw(t, "id")
		row := fmt.Sprintf(avroRow, id, "null", "CN")
		ev := avroEvent(t, f, "u", row, row)
		ev.Key = encode(t, f.keyIn, fmt.Sprintf(`{"id":%d}`, id))
		ev.OldKey = ev.Key
		copies, _ := f.plan.Protect(s, ev, nil)
		c := &copies[0]
		if c.Fate != transforms.Published || string(c.OldKey) != string(c.Outs[0].Key) {
			t.Fatalf("%v %s %s", c.Fate, c.Code, c.Path)
		}
		key := strings.TrimSuffix(strings.TrimPrefix(decode(t, f.keyOut[0], c.Outs[0].Key), "{"), "}")
		if value := decode(t, f.valueOut[0], c.Outs[0].Value); strings.Count(value, key) != 2 {
			t.Fatalf("key %s, value %s", key, value)
		}
	})
}

// TestAvroAllocates nothing once it is warm, with real treatments.
func TestAvroAllocates(t *testing.T) {
	p := avroPolicy(t,
		transforms.Recipient{Name: "tokens", Grade: 2, Treat: treat("*", "token")},
		transforms.Recipient{Name: "mixed", Grade: 2, Treat: treat("account.*", "token", "person.name", "mask", "finance.*", "null", "contact.*", "constant", "*", "drop")})
	f := newFixture(t, p, dataset)
	row := fmt.Sprintf(avroRow, 7, `{"string":"13912345678"}`, "CN")
	ev := avroEvent(t, f, "u", row, row)
	s := transforms.NewScratch()
	f.plan.Protect(s, ev, nil)
	if n := testing.AllocsPerRun(100, func() { f.plan.Protect(s, ev, nil) }); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

// TestShare is contract 19: recipients of one group can join on the first 16
// characters, and on nothing more; the recipient's share: line is enough.
func TestShare(t *testing.T) {
	rules := treat("*", "token")
	p := avroPolicy(t,
		transforms.Recipient{Name: "a", Grade: 2, Treat: rules, Share: map[string]string{"customer": "g"}},
		transforms.Recipient{Name: "b", Grade: 2, Treat: rules, Share: map[string]string{"customer": "g"}},
		transforms.Recipient{Name: "c", Grade: 2, Treat: rules})
	f := newFixture(t, p, dataset)
	copies, _ := f.plan.Protect(transforms.NewScratch(), &transforms.Event{Key: encode(t, f.keyIn, `{"id":7}`), NullValue: true}, nil)
	var tokens []string
	for i := range copies {
		text := decode(t, f.keyOut[i], copies[i].Outs[0].Key)
		tokens = append(tokens, strings.TrimSuffix(strings.TrimPrefix(text, `{"id":"`), `"}`))
	}
	if tokens[0][:16] != tokens[1][:16] || tokens[0] == tokens[1] || tokens[0][:16] == tokens[2][:16] {
		t.Errorf("%q", tokens)
	}
}

// TestPlanIsShared by goroutines, each with its own Scratch.
func TestPlanIsShared(t *testing.T) {
	p := avroPolicy(t, transforms.Recipient{Name: "cn", Grade: 2, Rows: "after.country == 'CN'", Treat: treat("*", "token")})
	f := newFixture(t, p, dataset)
	row := fmt.Sprintf(avroRow, 7, "null", "CN")
	ev := avroEvent(t, f, "u", row, row)
	want := fmt.Sprintf("%q", protectOnce(f, ev))
	done := make(chan string)
	for range 4 {
		go func() {
			s, bad := transforms.NewScratch(), ""
			for range 50 {
				copies, _ := f.plan.Protect(s, ev, nil)
				if got := fmt.Sprintf("%q", copies[0].Outs[0].Value); got != want {
					bad = got
				}
			}
			done <- bad
		}()
	}
	for range 4 {
		if bad := <-done; bad != "" {
			t.Errorf("%s, want %s", bad, want)
		}
	}
}

func protectOnce(f *fixture, ev *transforms.Event) []byte {
	copies, _ := f.plan.Protect(transforms.NewScratch(), ev, nil)
	return copies[0].Outs[0].Value
}

func BenchmarkAvro(b *testing.B) {
	for _, n := range []int{1, 4, 16} {
		var list []transforms.Recipient
		for i := range n {
			list = append(list, transforms.Recipient{Name: fmt.Sprint("r", i), Grade: 2,
				Treat: treat("account.*", "token", "person.name", "mask", "finance.*", "null", "contact.*", "constant", "*", "drop")})
		}
		f := newFixture(b, avroPolicy(b, list...), dataset)
		row := fmt.Sprintf(avroRow, 7, `{"string":"13912345678"}`, "CN")
		ev := avroEvent(b, f, "u", row, row)
		s := transforms.NewScratch()
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.plan.Protect(s, ev, nil)
			}
		})
	}
}
