package transforms_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"weir/schemas"
	"weir/schemas/avro"
	"weir/schemas/jsonrec"
	"weir/transforms"
	"weir/transforms/all"
)

// The tests of this file play a producer who wants a value to come out. secret
// is what must not.

const secret = "13912345678"

// outcome is all that recipient 0 sees of a record: its payloads and the
// schemas they are written in. It is "" when nothing is published.
func outcome(t *testing.T, p *transforms.Policy, d transforms.Dataset, value *schemas.Schema, src string) string {
	t.Helper()
	plan, err := transforms.Compile(transforms.Input{Policy: p, Dataset: d, Value: value, Kinds: all.Kinds(), Ring: ring(t)})
	if err != nil {
		t.Fatal(err)
	}
	s := transforms.NewScratch()
	copies, next := plan.Protect(s, &transforms.Event{NullKey: true, Value: []byte(src)}, nil)
	if next != nil {
		plan = next
	}
	if copies[0].Fate != transforms.Published {
		return ""
	}
	var out strings.Builder
	for _, o := range copies[0].Outs {
		out.Write(o.Value)
	}
	if _, shape := plan.Shape(0); shape != nil {
		out.WriteString(shape.Schema())
	}
	return out.String()
}

func mustPublish(t *testing.T, out string) {
	t.Helper()
	switch {
	case out == "":
		t.Error("nothing is published: the test proves nothing")
	case strings.Contains(out, secret):
		t.Errorf("%s is in the copy: %s", secret, out)
	}
}

var flatRow = transforms.Dataset{Topic: "shop.t", Name: "shop.t"}

// TestHostileConnectBlock: the block is part of every record, so what a producer
// writes there beside a schema's own words is an undeclared field.
func TestHostileConnectBlock(t *testing.T) {
	p := avroPolicy(t, transforms.Recipient{Name: "r", Treat: treat("field:shop.t.phone", "mask", "field:shop.t.id", "pass")})
	for name, block := range map[string]string{
		"plain":   `{"type":"struct","optional":false,"fields":[{"type":"string","optional":true,"field":"phone"},{"type":"int64","optional":false,"field":"id"}]}`,
		"beside":  `{"type":"struct","optional":false,"x":"` + secret + `","fields":[{"type":"string","optional":true,"field":"phone"},{"type":"int64","optional":false,"field":"id"}]}`,
		"field":   `{"type":"struct","optional":false,"fields":[{"type":"string","optional":true,"field":"phone"},{"type":"int64","optional":false,"field":"id","x":["` + secret + `"]}]}`,
		"items":   `{"type":"struct","optional":false,"fields":[{"type":"string","optional":true,"field":"phone","items":{"a":"` + secret + `"}},{"type":"int64","optional":false,"field":"id"}]}`,
		"default": `{"type":"struct","optional":false,"fields":[{"type":"string","optional":true,"field":"phone","default":"` + secret + `"},{"type":"int64","optional":false,"field":"id"}]}`,
		"outer":   `{"type":"struct","optional":false,"default":{"phone":"` + secret + `","id":1},"fields":[{"type":"string","optional":true,"field":"phone"},{"type":"int64","optional":false,"field":"id"}]}`,
	} {
		s, err := jsonrec.FromConnect([]byte(block))
		if err != nil {
			continue
		}
		out := outcome(t, p, flatRow, s, `{"schema":`+block+`,"payload":{"phone":"`+secret+`","id":1}}`)
		if strings.Contains(out, secret) || name == "plain" && out == "" {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// TestHostileDefaults: a default is a value, and a copy's schema goes to the
// recipient.
func TestHostileDefaults(t *testing.T) {
	p := avroPolicy(t, transforms.Recipient{Name: "r", Treat: treat("field:shop.t.phone", "mask", "field:shop.t.in.*", "mask",
		"field:shop.t.list[]", "mask", "field:shop.t.gone", "drop", "field:shop.t.id", "pass")})
	field := func(text string) string {
		return `{"type":"record","name":"T","fields":[{"name":"id","type":"string"},` + text + `]}`
	}
	for name, text := range map[string]string{
		"string":  field(`{"name":"phone","type":"string","default":"` + secret + `"}`),
		"connect": field(`{"name":"phone","type":{"type":"string","connect.default":"` + secret + `"}}`),
		"union":   field(`{"name":"phone","type":["string","null"],"default":"` + secret + `"}`),
		"record":  field(`{"name":"in","type":{"type":"record","name":"In","fields":[{"name":"phone","type":"string"}]},"default":{"phone":"` + secret + `"}}`),
		"deep":    field(`{"name":"in","type":{"type":"record","name":"In","fields":[{"name":"phone","type":"string","default":"` + secret + `"}],"connect.default":{"phone":"` + secret + `"}}}`),
		"array":   field(`{"name":"list","type":{"type":"array","items":"string","connect.default":["` + secret + `"]},"default":["` + secret + `"]}`),
		"cut":     field(`{"name":"gone","type":"string","default":"` + secret + `"}`),
	} {
		s, err := avro.Parse(text)
		if err != nil {
			t.Fatal(name, err)
		}
		plan, err := transforms.Compile(transforms.Input{Policy: p, Dataset: flatRow, Value: s, Kinds: all.Kinds(), Ring: ring(t)})
		if err != nil {
			t.Fatal(err)
		}
		_, shape := plan.Shape(0)
		if shape == nil {
			t.Fatal(name, plan)
		}
		t.Run("avro "+name, func(t *testing.T) { mustPublish(t, shape.Schema()) })
	}
	object := func(text string) string {
		return `{"type":"object","properties":{"id":{"type":"string"},` + text + `}`
	}
	for name, text := range map[string]string{
		"default":      object(`"phone":{"type":"string","default":"` + secret + `"}}`),
		"examples":     object(`"phone":{"type":"string","examples":["` + secret + `"]}}`),
		"outer":        object(`"phone":{"type":"string"}},"examples":[{"phone":"` + secret + `"}]`),
		"outer2":       object(`"phone":{"type":"string"}},"default":{"phone":"` + secret + `"}`),
		"const":        object(`"phone":{"type":"string"}},"enum":[{"id":"1","phone":"` + secret + `"}]`),
		"in":           object(`"in":{"type":"object","default":{"phone":"` + secret + `"},"properties":{"phone":{"type":"string"}}}}`),
		"array":        object(`"list":{"type":"array","items":{"type":"string"},"contains":{"const":"` + secret + `"},"default":["` + secret + `"]}}`),
		"cut":          object(`"gone":{"type":"string","default":"` + secret + `"}}`),
		"alternatives": object(`"phone":{"oneOf":[{"type":"null"},{"type":"string"}],"default":"` + secret + `"}}`),
	} {
		s, err := jsonrec.FromJSONSchema(text)
		if err != nil {
			t.Fatal(name, err)
		}
		t.Run("json "+name, func(t *testing.T) {
			mustPublish(t, outcome(t, p, flatRow, s, `{"id":"1","phone":"`+secret+`"}`))
		})
	}
}

// TestHostileTruncate: a truncate event has no images; one that has them is not
// judged by rows.
func TestHostileTruncate(t *testing.T) {
	p := avroPolicy(t, transforms.Recipient{Name: "r", Rows: "after.country == 'CN'", Treat: treat("field:shop.customers.country", "pass")})
	d := dataset
	s, err := jsonrec.New(transforms.DeclaredPaths(p, d, false))
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range []string{"before", "after"} {
		if out := outcome(t, p, d, s, `{"op":"t","`+image+`":{"country":"US"}}`); strings.Contains(out, "US") {
			t.Errorf("a row outside the rows went out: %s", out)
		}
	}
	if out := outcome(t, p, d, s, `{"op":"t","before":null,"after":null}`); out == "" {
		t.Error("a truncate did not go out")
	}
}

// TestHostileNames: names that another name's path looks like.
func TestHostileNames(t *testing.T) {
	for _, c := range []struct{ rule, record string }{
		{`shop.t.a\.b`, `{"a\\":{"b":"` + secret + `"}}`},
		{`shop.t.a[]`, `{"a[]":"` + secret + `"}`},
		{`shop.t.a{}`, `{"a{}":"` + secret + `"}`},
		{`shop.t.a.b`, `{"a.b":"` + secret + `"}`},
		{`shop.t.a.b`, `{"a":{"":{"b":"` + secret + `"}}}`},
		{`shop.t.a.b`, `{"a.":{"b":"` + secret + `"}}`},
		{`shop.t.a`, `{"A":"` + secret + `"}`},
		{`shop.t.a`, `{"a ":"` + secret + `"}`},
		{`shop.t.a`, `{"\u0430":"` + secret + `"}`},
		{`shop.t.a`, `{"a":{"":"` + secret + `"}}`},
		{`shop.t.a`, `{"a":["` + secret + `"]}`},
		{`shop.t.é`, `{"e\u0301":"` + secret + `"}`},
	} {
		for _, d := range []transforms.Dataset{flatRow, {Topic: "shop.t", Name: "shop.t", Envelope: transforms.EnvelopeFlat}} {
			p := avroPolicy(t, transforms.Recipient{Name: "r", Treat: treat("field:"+c.rule, "pass")})
			s, err := jsonrec.New(transforms.DeclaredPaths(p, d, false))
			if err != nil {
				t.Fatal(err)
			}
			if !json.Valid([]byte(c.record)) {
				t.Fatal(c.record)
			}
			if out := outcome(t, p, d, s, c.record); strings.Contains(out, secret) {
				t.Errorf("%s lets %s pass", c.rule, c.record)
			}
		}
	}
}

// wantedSpy notes which Wanted it is asked for; codecs compile a program for
// each.
type wantedSpy struct {
	schemas.Codec
	seen map[*schemas.Wanted]bool
}

func (s wantedSpy) Scan(v *schemas.View, src []byte, want *schemas.Wanted) error {
	s.seen[want] = true
	return s.Codec.Scan(v, src, want)
}

// TestKeyTextCompilesOnce: while a key is parked, every record of its partition
// asks for its key's text.
func TestKeyTextCompilesOnce(t *testing.T) {
	key, err := avro.Parse(avroKey)
	if err != nil {
		t.Fatal(err)
	}
	spy := wantedSpy{key.Codec, map[*schemas.Wanted]bool{}}
	key.Codec = spy
	p := avroPolicy(t, transforms.Recipient{Name: "r", Grade: 5})
	plan, err := transforms.Compile(transforms.Input{Policy: p, Dataset: dataset, Key: key, Kinds: all.Kinds(), Ring: ring(t)})
	if err != nil {
		t.Fatal(err)
	}
	s := transforms.NewScratch()
	for range 10 {
		if text, err := plan.KeyText(nil, s, &transforms.Event{Key: []byte{14}, NullValue: true}); err != nil || string(text) != "\x017" {
			t.Fatalf("%q %v", text, err)
		}
	}
	if len(spy.seen) != 1 {
		t.Errorf("%d programs for one plan's keys", len(spy.seen))
	}
}

// TestHostileManyNames: a record of many undeclared names is read once, not once
// a name; a quadratic reader takes hours for these and loses its partition.
func TestHostileManyNames(t *testing.T) {
	p := avroPolicy(t, transforms.Recipient{Name: "r", Unknown: transforms.DropUnknown, Treat: treat("field:shop.t.id", "pass", "field:shop.t.x*", "token")})
	for prefix, want := range map[string]schemas.Code{"a": "", "x": transforms.CodeTooManyNames} {
		s, err := jsonrec.New(transforms.DeclaredPaths(p, flatRow, false))
		if err != nil {
			t.Fatal(err)
		}
		plan, err := transforms.Compile(transforms.Input{Policy: p, Dataset: flatRow, Value: s, Kinds: all.Kinds(), Ring: ring(t)})
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		b.WriteString(`{"id":1`)
		for i := range 200_000 {
			fmt.Fprintf(&b, `,"%s%d":[1]`, prefix, i)
		}
		b.WriteString(`}`)
		copies, _ := plan.Protect(transforms.NewScratch(), &transforms.Event{NullKey: true, Value: []byte(b.String())}, nil)
		if copies[0].Code != want {
			t.Errorf("%s: %v %s", prefix, copies[0].Fate, copies[0].Code)
		}
		if want == "" && string(copies[0].Outs[0].Value) != `{"id":1}` {
			t.Errorf("%.100s", copies[0].Outs[0].Value)
		}
	}
}
