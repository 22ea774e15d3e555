package transforms

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"weir/keys"
	"weir/schemas"
	"weir/schemas/jsonrec"
)

var update = flag.Bool("update", false, "write golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (run with -update after looking):\n%s", path, diff)
	}
}

func TestExplainGolden(t *testing.T) {
	text := `
catalog shop.customers.id      internal
catalog shop.customers.country internal
catalog shop.customers.phone   contact.mobile_cn
catalog shop.customers.name    person.name
recipient analytics grade=2 until=2027-03-31 rows=after.country == 'CN' && after.vip == true
  contact.* token
  field:shop.customers.name constant x
  field:shop.customers.note pass
recipient partner grade=2 unknown=drop
  * drop
`
	golden(t, "explain.txt", schemaless(t, customers(), text).String())
}

// TestContainers: what rules on and in containers do to documents.
func TestContainers(t *testing.T) {
	doc := `{"phone":"p","tags":["a","b"],"addr":{"city":"c","zip":"z"},"attrs":{"k":"v"}}`
	for name, c := range map[string]struct{ rules, want string }{
		"everything passes": {"field:shop.t.phone pass\n field:shop.t.tags pass\n field:shop.t.addr.city pass\n field:shop.t.addr.zip pass\n field:shop.t.attrs{} pass\n field:shop.t.attrs{#} pass", doc},
		"drop all":          {"field:shop.t.* drop", `{}`},
		"null all":          {"field:shop.t.* null", `{"phone":null,"tags":null,"addr":null,"attrs":null}`},
		"mask all":          {"field:shop.t.* mask", `{"phone":"***","tags":["***","***"],"addr":{"city":"***","zip":"***"},"attrs":{"***":"***"}}`},
		"one of a record":   {"field:shop.t.* drop\n field:shop.t.addr.zip pass", `{"addr":{"zip":"z"}}`},
		"map key dropped":   {"field:shop.t.* mask\n field:shop.t.attrs{#} drop", `{"phone":"***","tags":["***","***"],"addr":{"city":"***","zip":"***"}}`},
		"null in a record":  {"field:shop.t.* drop\n field:shop.t.addr mask\n field:shop.t.addr.zip null", `{"addr":{"city":"***","zip":null}}`},
	} {
		t.Run(name, func(t *testing.T) {
			text := "catalog shop.t.tagged internal\ncatalog shop.t.low internal\ncatalog shop.t.two internal\ncatalog shop.t.under internal\nrecipient r grade=2\n " + c.rules
			wantCopies(t, tablePlan(t, text), change("", doc), "null → "+c.want)
		})
	}
}

func TestNullStaysNull(t *testing.T) {
	p := schemaless(t, customers(), `
catalog shop.customers.phone contact.mobile_cn
recipient a
  * token
recipient b
  * constant x
`)
	wantCopies(t, p, change("", `{"op":"c","after":{"phone":null}}`), `null → {"op":"c","after":{"phone":null}}`, `null → {"op":"c","after":{"phone":"x"}}`)
}

// TestKeyRules is contract 8.
func TestKeyRules(t *testing.T) {
	for treatment, want := range map[string]string{"drop": "key_unsafe", "null": "key_unsafe", "mask": "key_unsafe", "constant x": "key_unsafe",
		"pass": `{"id":"1"} → null`, "token": `{"id":"` + tokenOf("a/", "1") + `"} → null`} {
		p := schemaless(t, customers(), "recipient a\n  field:shop.customers.id "+treatment)
		if got := protect(t, p, change(`{"id":"1"}`, ""))[0]; got != strings.TrimPrefix(got, "quarantined") && !strings.HasPrefix(got, "quarantined "+want) || !strings.Contains(got, want) {
			t.Errorf("%s: %s", treatment, got)
		}
		if got := protect(t, p, change("", `{"op":"c","after":{"id":"1"}}`))[0]; strings.HasPrefix(got, "quarantined") {
			t.Errorf("%s in a value without a key: %s", treatment, got)
		}
	}
	p := schemaless(t, customers(), "recipient a unknown=drop\n * token")
	wantCopies(t, p, change(`{"id":"1"}`, ""), "quarantined undeclared_field *")
}

// TestKeyTagsMustStandInTheKey: a tombstone has only the key's schema, so what
// the value's tags say of a key column must stand in the key's too.
func TestKeyTagsMustStandInTheKey(t *testing.T) {
	schema := func(tags string) *schemas.Schema {
		s, err := jsonrec.FromJSONSchema(`{"type":"object","properties":{"id":{"type":"string"` + tags + `}}}`)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	bare, tagged := schema(""), schema(`,"confluent:tags":["contact.email"]`)
	for _, c := range []struct {
		key, value *schemas.Schema
		policy     string
		want       schemas.Code
	}{
		{bare, tagged, "recipient a\n contact.* token", CodeKeyDisagrees},
		{tagged, tagged, "recipient a\n contact.* token", ""},
		{tagged, bare, "recipient a\n contact.* token", ""},
		{bare, tagged, "catalog shop.t.id contact.email\nrecipient a\n contact.* token", ""},
	} {
		p := compile(t, Input{Policy: policy(t, c.policy), Dataset: Dataset{Name: "shop.t"}, Key: c.key, Value: c.value})
		if got := p.Blocked(0); got != c.want {
			t.Errorf("%s: %q, want %q\n%s", c.policy, got, c.want, p)
		}
	}
}

func TestOpaqueKeys(t *testing.T) {
	d := Dataset{Name: "shop.t"}
	for rule, want := range map[string]string{
		"* token": "quarantined opaque_key", "field:shop.t.$key pass": "K → null", "field:shop.t.$key mask": "quarantined treatment_refused",
		"field:shop.t.$key token": tokenOf("a/", "K") + " → null", "field:shop.t.$key drop": "quarantined key_unsafe",
	} {
		p := compile(t, Input{Policy: policy(t, "recipient a unknown=drop\n "+rule), Dataset: d, OpaqueKey: true})
		if bad := p.Undecided(); (len(bad) > 0) != strings.HasPrefix(want, "quarantined") {
			t.Errorf("%s: lint says %v", rule, bad)
		}
		if got := protect(t, p, change("K", ""))[0]; got != want && !(want == "quarantined opaque_key" && got == "quarantined key_unsafe") {
			t.Errorf("%s: %s, want %s", rule, got, want)
		}
	}
}

func TestNoSchemaNoKeysNoOp(t *testing.T) {
	p := compile(t, Input{Policy: policy(t, "recipient a"), Dataset: customers()})
	wantCopies(t, p, change("", "{}"), "quarantined no_schema")
	bare, err := Compile(Input{Policy: policy(t, "recipient a"), Dataset: customers(), Kinds: fakes()})
	if err != nil {
		t.Fatal(err)
	}
	wantCopies(t, bare, change("", ""), "quarantined no_keys")
	p = schemaless(t, customers(), "recipient a")
	wantCopies(t, p, change("", `{"after":null}`), "quarantined no_op")
	wantCopies(t, p, change("", `{"op":null,"after":null}`), "quarantined no_op")
	wantCopies(t, p, change("", `{"op":"c","op":"d"}`), "quarantined duplicate_name")
	wantCopies(t, p, change("", `{"op":"cc"}`), "quarantined bad_op")
}

func TestEventTopics(t *testing.T) {
	d := customers()
	d.Events = EventsTransaction
	p := schemaless(t, d, "recipient a")
	in := `{"status":"END","id":"5","event_count":2,"data_collections":[{"data_collection":"s.t","event_count":2}],"ts_ms":1}`
	wantCopies(t, p, change("", in), "null → "+in)
	wantCopies(t, p, change(`{"id":"5"}`, in), `{"id":"5"} → `+in)
	wantCopies(t, p, change("", `{"status":"END","more":1}`), "quarantined undeclared_field *")
	d.Events = EventsHeartbeat
	p = schemaless(t, d, "recipient a")
	wantCopies(t, p, change(`{"serverName":"x"}`, `{"ts_ms":1}`), `{"serverName":"x"} → {"ts_ms":1}`)
	wantCopies(t, p, change("", `{"ts_ms":1,"more":1}`), "quarantined undeclared_field *")
}

// TestLearning: undeclared names that a glob covers are learned and treated;
// others get each recipient's unknown.
func TestLearning(t *testing.T) {
	p := schemaless(t, customers(), `
catalog shop.customers.id internal
catalog *phone* contact.mobile_cn
recipient a grade=2
  * token
recipient b grade=2 unknown=drop
  * drop
`)
	s := NewScratch()
	ev := change(`{"id":1}`, `{"op":"c","after":{"id":1,"phone2":"139","deep":{"phones":["1",null,"2"]}}}`)
	copies, next := p.Protect(s, ev, nil)
	if next == nil {
		t.Fatal("nothing was learned")
	}
	want := []string{
		`{"id":1} → {"op":"c","after":{"id":1,"phone2":"` + tokenOf("a/", "139") + `","deep":{"phones":["` + tokenOf("a/", "1") + `",null,"` + tokenOf("a/", "2") + `"]}}}`,
		`{"id":1} → {"op":"c","after":{"id":1}}`,
	}
	for i := range want {
		if got := show(&copies[i]); got != want[i] {
			t.Errorf("copy %d: %s, want %s", i, got, want[i])
		}
	}
	if _, again := next.Protect(s, ev, nil); again != nil {
		t.Error("the same names were learned twice")
	}
	// One name the policy covers, one it does not.
	ev = change("", `{"op":"c","after":{"phone3":"139","other":{"x":1}}}`)
	copies, _ = next.Protect(s, ev, nil)
	if a, b := show(&copies[0]), show(&copies[1]); a != "quarantined undeclared_field *" || b != `null → {"op":"c","after":{}}` {
		t.Errorf("%s\n%s", a, b)
	}
	// An empty object has no leaf to learn, and stays unknown.
	copies, again := next.Protect(s, change("", `{"op":"c","after":{"phone9":{}}}`), nil)
	if again != nil || copies[0].Code != schemas.CodeUndeclared {
		t.Errorf("%s, learned %v", show(&copies[0]), again != nil)
	}
}

func TestLearningIsBounded(t *testing.T) {
	p := schemaless(t, customers(), "catalog *phone* contact.mobile_cn\nrecipient a\n  * token")
	var b strings.Builder
	b.WriteString(`{"op":"c","after":{"phone":1`)
	for i := range MaxLearned + 1 {
		fmt.Fprintf(&b, `,"phone%d":1`, i)
	}
	b.WriteString("}}")
	copies, next := p.Protect(NewScratch(), change("", b.String()), nil)
	if copies[0].Fate != Quarantined || copies[0].Code != CodeTooManyNames || next != nil {
		t.Errorf("%s, learned %v", show(&copies[0]), next != nil)
	}
}

// TestPrefixes: framing goes before every output, and headers' before theirs.
func TestPrefixes(t *testing.T) {
	p := schemaless(t, customers(), "catalog shop.customers.id internal\nrecipient a grade=2\nrecipient b grade=2")
	ev := change(`{"id":1}`, `{"op":"d","before":{"id":1}}`)
	ev.NewKey = []byte(`{"id":2}`)
	copies, _ := p.Protect(NewScratch(), ev, []Prefix{{Key: []byte("k"), Value: []byte("v"), Header: []byte("h")}})
	if got := show(&copies[0]); got != `k{"id":1} → v{"op":"d","before":{"id":1}} newkey h{"id":2}` {
		t.Error(got)
	}
	if got := show(&copies[1]); got != `{"id":1} → {"op":"d","before":{"id":1}} newkey {"id":2}` {
		t.Error(got)
	}
}

// TestKeyText is contract 28: canonical text, whatever the id, the escapes or
// what was learned.
func TestKeyText(t *testing.T) {
	p := schemaless(t, customers(), "catalog *_no contact.email\ncatalog shop.customers.id internal\nrecipient a grade=2\n  * token")
	text := func(p *Plan, key string) string {
		out, err := p.KeyText(nil, NewScratch(), change(key, ""))
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got := text(p, `{"id":1,"b_no":"x"}`); got != "\x011\x01x" {
		t.Errorf("%q", got)
	}
	for _, same := range []string{`{"id":1.0,"b_no":"\u0078"}`, ` {"id":1 , "b_no":"x"}`} {
		if text(p, same) != "\x011\x01x" {
			t.Errorf("%s gives %q", same, text(p, same))
		}
	}
	_, next := p.Protect(NewScratch(), change(`{"id":1,"b_no":"x"}`, ""), nil)
	if next == nil || text(next, `{"id":1,"b_no":"x"}`) != "\x011\x01x" {
		t.Error("learning a name changes the key's text")
	}
	if got := text(p, ""); got != "" {
		t.Errorf("a null key gives %q", got)
	}
}

// TestSlotsArePlansOwn: one Scratch serves many plans, and their keys do not
// mix although their slot numbers do.
func TestSlotsArePlansOwn(t *testing.T) {
	s := NewScratch()
	for range 3 {
		for _, name := range []string{"a", "b"} {
			p := schemaless(t, customers(), "recipient "+name+"\n  field:shop.customers.id token")
			copies, _ := p.Protect(s, change(`{"id":"1"}`, ""), nil)
			if got := string(copies[0].Outs[0].Key); got != `{"id":"`+tokenOf(name+"/", "1")+`"}` {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}

// TestKeyAndBodyAgree is Invariant 2: whatever the value, a column has one
// result in key, before, after and headers.
func TestKeyAndBodyAgree(t *testing.T) {
	p := schemaless(t, customers(), "catalog shop.customers.id contact.email\nrecipient a\n  * token\nrecipient b\n  field:shop.customers.id token")
	s := NewScratch()
	value := rapid.OneOf(rapid.Map(rapid.String(), quote), rapid.Map(rapid.Int64(), func(n int64) string { return fmt.Sprint(n) }),
		rapid.SampledFrom([]string{"null", "true", "1.50", `"` + placeholder + `"`, `""`}))
	rapid.Check(t, func(t *rapid.T) {
		v, other := value.Draw(t, "id"), value.Draw(t, "other")
		row := `{"id":` + v + `}`
		ev := change(row, `{"op":"u","before":{"id":`+v+`},"after":{"id":`+other+`},"before":`+row+`}`)
		if rapid.Bool().Draw(t, "plain") {
			ev = change(row, `{"op":"u","before":`+row+`,"after":`+row+`}`)
		}
		ev.NewKey, ev.OldKey = []byte(row), []byte(row)
		copies, _ := p.Protect(s, ev, nil)
		for i := range copies {
			c := &copies[i]
			if c.Fate != Published {
				t.Fatalf("%s", show(c))
			}
			key := string(c.Outs[0].Key)
			if string(c.NewKey) != key || string(c.OldKey) != key || !strings.Contains(string(c.Outs[0].Value), `"before":`+key) {
				t.Fatalf("%s", show(c))
			}
			tomb, _ := p.Protect(NewScratch(), change(row, ""), nil)
			if string(tomb[i].Outs[0].Key) != key {
				t.Fatalf("the tombstone's key is %s, not %s", tomb[i].Outs[0].Key, key)
			}
		}
	})
}

func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "") {
		if r < ' ' || r == '"' || r == '\\' {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	b.WriteByte('"')
	return b.String()
}

// TestProtectAllocates nothing once it is warm.
func TestProtectAllocates(t *testing.T) {
	p := schemaless(t, customers(), `
catalog shop.customers.id    contact.email
catalog shop.customers.phone contact.mobile_cn
catalog shop.customers.city  internal
recipient a grade=2
  * token
recipient b grade=2
  contact.email token
  contact.* mask
recipient c grade=2
  contact.email token
  contact.* drop
`)
	s := NewScratch()
	ev := change(`{"id":"1"}`, `{"op":"u","before":{"id":"1","phone":"138","city":"x"},"after":{"id":"1","phone":"139","city":"y"},"source":{"db":"shop","ts_ms":1}}`)
	prefixes := []Prefix{{Key: []byte("k"), Value: []byte("v")}, {}, {}}
	run := func() {
		for _, c := range must(p.Protect(s, ev, prefixes)) {
			if c.Fate != Published {
				t.Fatal(show(&c))
			}
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

func must(copies []Copy, _ *Plan) []Copy { return copies }

// TestScratchIsCleared: plaintext of the last record is gone from the arenas.
func TestScratchIsCleared(t *testing.T) {
	p := schemaless(t, customers(), "catalog shop.customers.phone contact.mobile_cn\nrecipient a\n * token")
	s := NewScratch()
	p.Protect(s, change("", `{"op":"c","after":{"phone":"13912345678"}}`), nil)
	p.Protect(s, change("", `{"op":"t"}`), nil)
	for _, arena := range [][]byte{s.text[:cap(s.text)], s.out[:cap(s.out)]} {
		if strings.Contains(string(arena), "13912345678") {
			t.Error("an arena holds the last record's value")
		}
	}
}

func BenchmarkProtect(b *testing.B) {
	text := "catalog shop.customers.id contact.email\ncatalog shop.customers.phone contact.mobile_cn\ncatalog shop.customers.city internal\n"
	for _, n := range []int{1, 4, 16} {
		rec := ""
		for i := range n {
			rec += fmt.Sprintf("recipient r%d grade=2\n  * token\n", i)
		}
		p := policy(b, text+rec)
		d := customers()
		plan := compile(b, Input{Policy: p, Dataset: d, Key: declared(b, p, d, true), Value: declared(b, p, d, false), Ring: &keys.Ring{}})
		ev := change(`{"id":"1"}`, `{"op":"u","before":{"id":"1","phone":"138","city":"x"},"after":{"id":"1","phone":"139","city":"y"},"source":{"db":"shop","ts_ms":1}}`)
		s := NewScratch()
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				plan.Protect(s, ev, nil)
			}
		})
	}
}
