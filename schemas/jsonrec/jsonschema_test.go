package jsonrec

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"weir/schemas"
)

// customerSchema is in the style of Confluent's converter, with a definition
// that is used twice and one that contains itself.
const customerSchema = `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","title":"shop.Customer",` +
	`"required":["id","phone"],"additionalProperties":false,"definitions":{` +
	`"Addr":{"type":"object","confluent:tags":["ADDRESS"],"properties":{"street":{"type":"string","maxLength":40},"zip":{"type":"string","confluent:tags":["ZIP"]}}},` +
	`"Node":{"type":"object","properties":{"v":{"type":"string"},"next":{"oneOf":[{"type":"null"},{"$ref":"#/definitions/Node"}]}}}},` +
	`"properties":{` +
	`"id":{"type":"integer","connect.index":0,"connect.type":"int64"},` +
	`"phone":{"connect.index":1,"description":"mobile","confluent:tags":["PII"],"oneOf":[{"type":"null"},{"type":"string","pattern":"^1[0-9]{10}$"}]},` +
	`"level":{"type":"string","enum":["gold","silver"]},` +
	`"home":{"$ref":"#/definitions/Addr"},"work":{"$ref":"#/definitions/Addr","description":"office"},` +
	`"born":{"type":"integer","title":"io.debezium.time.Date","connect.type":"int32","connect.version":1},` +
	`"paid":{"type":"string","title":"org.apache.kafka.connect.data.Decimal","connect.type":"bytes","connect.version":1,"connect.parameters":{"scale":"2"}},` +
	`"score":{"type":["number","null"],"minimum":0},` +
	`"tags":{"type":"array","items":{"type":"string"}},` +
	`"attrs":{"type":"object","connect.type":"map","additionalProperties":{"type":["string","integer"]}},` +
	`"list":{"$ref":"#/definitions/Node"}}}`

func mustSchema(t testing.TB, text string, refs ...Ref) *schemas.Schema {
	t.Helper()
	s, err := FromJSONSchema(text, refs...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate checks doc with another implementation.
func validate(t *testing.T, schema, doc string) error {
	t.Helper()
	sch, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///s.json", sch); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("mem:///s.json")
	if err != nil {
		t.Fatalf("%v in %s", err, schema)
	}
	inst, err := jsonschema.UnmarshalJSON(strings.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Validate(inst)
}

func describe(s *schemas.Schema) (out []string) {
	for _, l := range s.Leaves {
		d := l.Path + " " + l.Kind.String()
		if l.Optional {
			d += "?"
		}
		if len(l.Tags) > 0 {
			d += " " + strings.Join(l.Tags, ",")
		}
		if l.Doc != "" {
			d += " // " + l.Doc
		}
		out = append(out, d)
	}
	return out
}

func TestJSONSchemaLeaves(t *testing.T) {
	s := mustSchema(t, customerSchema)
	want := []string{"id long", "phone string? PII // mobile", "level enum", "home record ADDRESS", "home.street string ADDRESS",
		"home.zip string ADDRESS,ZIP", "work record ADDRESS // office", "work.street string ADDRESS", "work.zip string ADDRESS,ZIP",
		"born date", "paid decimal", "score number?", "tags array", "tags[] string", "attrs map", "attrs{#} string",
		"attrs{} string", "attrs{} long", "list record", "list.v string", "list.next record?"}
	if d := cmp.Diff(want, describe(s)); d != "" {
		t.Error(d)
	}
	if s.Name != "shop.Customer" || s.Text != customerSchema {
		t.Errorf("name %q", s.Name)
	}
}

const customer = `{"id":1,"phone":"13800138000","level":"gold","home":{"street":"a"},"work":{"street":"b","zip":"1"},"born":0,` +
	`"paid":"A+g=","score":1.5,"tags":["x","y"],"attrs":{"k":"v","n":7},"list":{"v":"1","next":{"v":"2","next":null}}}`

func TestJSONSchemaDerive(t *testing.T) {
	s := mustSchema(t, customerSchema)
	if err := validate(t, customerSchema, customer); err != nil {
		t.Fatal(err)
	}
	str := schemas.KindString
	change := func(path string, n int, op schemas.ChangeOp, kind schemas.Kind) schemas.Change {
		return schemas.Change{Leaf: s.Find(path)[n], Op: op, Kind: kind, Note: "mask"}
	}
	o := schemas.ShapeOptions{Changes: []schemas.Change{
		change("id", 0, schemas.Retype, str), change("phone", 0, schemas.Retype, str), change("level", 0, schemas.Retype, str),
		change("home.street", 0, schemas.Retype, schemas.KindLong), change("work.street", 0, schemas.Cut, 0), change("born", 0, schemas.Retype, schemas.KindDate),
		change("paid", 0, schemas.Retype, str), change("score", 0, schemas.Retype, str), change("tags[]", 0, schemas.Retype, str),
		change("attrs{#}", 0, schemas.Retype, str), change("attrs{}", 0, schemas.Retype, str), change("attrs{}", 1, schemas.Retype, str),
		change("list.v", 0, schemas.Retype, schemas.KindBool),
	}}
	o.Changes[8].Nullable = true
	shape, err := s.Codec.Derive(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"id":{"type":"string","connect.index":0,"weir.treatment":"mask"}`,
		`"phone":{"connect.index":1,"description":"mobile","confluent:tags":["PII"],"oneOf":[{"type":"null"},{"type":"string","weir.treatment":"mask"}]}`,
		`"level":{"type":"string","weir.treatment":"mask"}`, `"street":{"type":"integer","connect.type":"int64","weir.treatment":"mask"}`,
		`"born":{"type":"integer","title":"io.debezium.time.Date","connect.type":"int32","connect.version":1,"weir.treatment":"mask"}`,
		`"score":{"type":["string","null"],"weir.treatment":"mask"}`,
		`"items":{"oneOf":[{"type":"null"},{"type":"string","weir.treatment":"mask"}]}`,
		`"additionalProperties":{"type":["string"],"weir.treatment":"mask"},"weir.treatment.keys":"mask"`,
		`{"$ref":"#/properties/list"}`,
	} {
		if !strings.Contains(shape.Schema(), part) {
			t.Errorf("the derived schema lacks %s", part)
		}
	}
	if strings.Contains(shape.Schema(), "definitions") || strings.Count(shape.Schema(), `"street"`) != 1 {
		t.Errorf("definitions stay, or the cut field: %s", shape.Schema())
	}
	out := spliced(t, s, customer, o, map[string]string{"id": "T", "phone": "138***", "level": "g*", "home.street": "5", "born": "1970-01-02",
		"paid": "**", "score": "x", "tags[]": "null", "attrs{#}": "K", "attrs{}": "V", "list.v": "true"})
	want := `{"id":"T","phone":"138***","level":"g*","home":{"street":5},"work":{"zip":"1"},"born":1,"paid":"**","score":"x",` +
		`"tags":[null,null],"attrs":{"K":"V","K":"V"},"list":{"v":true,"next":{"v":true,"next":null}}}`
	if out != want {
		t.Error(cmp.Diff(want, out))
	}
	if err := validate(t, shape.Schema(), strings.Replace(out, `"K":"V",`, "", 1)); err != nil {
		t.Error(err)
	}
	if err := validate(t, shape.Schema(), customer); err == nil {
		t.Error("the derived schema still takes the original")
	}
	mustSchema(t, shape.Schema())
}

// TestJSONSchemaDeriveRequired: a cut field is no longer required.
func TestJSONSchemaDeriveRequired(t *testing.T) {
	s := mustSchema(t, customerSchema)
	cut := func(paths ...string) string {
		var o schemas.ShapeOptions
		for _, p := range paths {
			o.Changes = append(o.Changes, schemas.Change{Leaf: s.Find(p)[0], Op: schemas.Cut})
		}
		shape, err := s.Codec.Derive(o)
		if err != nil {
			t.Fatal(err)
		}
		return shape.Schema()
	}
	if got := cut("phone"); !strings.Contains(got, `"required":["id"]`) || strings.Contains(got, "phone") {
		t.Error(got)
	}
	if got := cut("phone", "id"); strings.Contains(got, "required") {
		t.Error(got)
	}
	if got := cut(); got != customerSchema {
		t.Error("an unchanged schema changed")
	}
}

// TestJSONSchemaTypes: how one property's schema reads, and what it becomes as
// a nullable string.
func TestJSONSchemaTypes(t *testing.T) {
	for _, c := range []struct{ in, leaves, derived string }{
		{`{"type":"boolean"}`, "x bool", `{"oneOf":[{"type":"null"},{"type":"string"}]}`},
		{`{"type":"number","connect.type":"float32"}`, "x float", `{"oneOf":[{"type":"null"},{"type":"string"}]}`},
		{`{"type":"number","connect.type":"float64"}`, "x double", ``},
		{`{"type":"integer","connect.type":"int8"}`, "x int", ``},
		{`{"type":"string","connect.type":"bytes"}`, "x bytes", ``},
		{`{"type":"string","contentEncoding":"base64"}`, "x bytes", ``},
		{`{"type":"string","format":"uuid"}`, "x uuid", ``},
		{`{"type":"string","format":"date"}`, "x date", ``},
		{`{"type":"string","format":"date-time"}`, "x instant", ``},
		{`{"type":"string","format":"email"}`, "x string", ``},
		{`{"type":"string","title":"io.debezium.time.ZonedTimestamp"}`, "x instant", ``},
		{`{"type":"number","title":"org.apache.kafka.connect.data.Decimal","connect.type":"bytes","connect.parameters":{"scale":"2"}}`, "x decimal", ``},
		{`{"type":"null"}`, "x null?", ``},
		{`{}`, "x any?", `{"type":"string"}`},
		{`true`, "x any?", `{"type":"string"}`},
		{`{"enum":[1,"a"]}`, "x any?", `{"type":"string"}`},
		{`{"anyOf":[{"type":"null"},{"type":"integer"}]}`, "x long?", `{"anyOf":[{"type":"null"},{"type":"string"}]}`},
		{`{"oneOf":[{"type":"string"},{"type":"integer"}]}`, "x string;x long", `{"oneOf":[{"type":"null"},{"type":"string"},{"type":"integer"}]}`},
		{`{"type":["null","string"]}`, "x string?", `{"type":["null","string"]}`},
		{`{"type":["integer","number"]}`, "x number", `{"type":["null","string"]}`},
		{`{"properties":{"y":{"type":"string"}}}`, "x record;x.y string", ``},
		{`{"additionalProperties":{}}`, "x map;x{#} string;x{} any?", ``},
		{`{"properties":{"y":{"type":"string"}},"additionalProperties":{"type":"integer"}}`, "x record;x.y string;x{#} string;x{} long", ``},
		{`{"type":"array"}`, "x array;x[] any?", ``},
		{`{"type":"object"}`, "x record", ``},
	} {
		t.Run(c.in, func(t *testing.T) {
			s := mustSchema(t, `{"type":"object","properties":{"x":`+c.in+`}}`)
			if got := strings.Join(describe(s), ";"); got != c.leaves {
				t.Errorf("%s, want %s", got, c.leaves)
			}
			if c.derived == "" {
				return
			}
			shape, err := s.Codec.Derive(schemas.ShapeOptions{Changes: []schemas.Change{{Leaf: 0, Op: schemas.Retype, Kind: schemas.KindString, Nullable: true}}})
			if err != nil {
				t.Fatal(err)
			}
			if want := `{"type":"object","properties":{"x":` + c.derived + `}}`; shape.Schema() != want {
				t.Errorf("%s, want %s", shape.Schema(), want)
			}
		})
	}
}

// TestJSONSchemaTellApart: two alternatives that become one type are anyOf.
func TestJSONSchemaTellApart(t *testing.T) {
	s := mustSchema(t, `{"properties":{"x":{"oneOf":[{"type":"string"},{"type":"integer"}]}}}`)
	shape, err := s.Codec.Derive(schemas.ShapeOptions{Changes: []schemas.Change{{Leaf: 1, Op: schemas.Retype, Kind: schemas.KindString}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, shape.Schema(), `{"x":"token"}`); err != nil {
		t.Error(err)
	}
}

func TestJSONSchemaRefs(t *testing.T) {
	addr := Ref{Name: "addr.json", Text: `{"title":"Addr","type":"object","properties":{"zip":{"$ref":"#/$defs/zip"}},"$defs":{"zip":{"type":"string"}}}`}
	s := mustSchema(t, `{"type":"object","properties":{"a":{"$ref":"addr.json"},"z":{"$ref":"addr.json#/$defs/zip"},"self":{"$ref":"#"}}}`, addr)
	if d := cmp.Diff([]string{"a record", "a.zip string", "z string", "self record"}, describe(s)); d != "" {
		t.Error(d)
	}
	var v schemas.View
	doc := `{"a":{"zip":"1"},"self":{"self":{"z":"2"}}}`
	if err := s.Codec.Scan(&v, []byte(doc), everything(s)); err != nil {
		t.Fatal(err)
	}
	shape, err := s.Codec.Derive(schemas.ShapeOptions{Changes: []schemas.Change{{Leaf: s.Find("z")[0], Op: schemas.Retype, Kind: schemas.KindLong}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, shape.Schema(), `{"a":{"zip":"1"},"self":{"self":{"z":2}}}`); err != nil {
		t.Error(err)
	}
	if err := validate(t, shape.Schema(), doc); err == nil {
		t.Error("the recursion kept the old type")
	}
}

func TestJSONSchemaRefuses(t *testing.T) {
	bomb := `{"properties":{"x":{"$ref":"#/definitions/d0"}},"definitions":{"d30":{}`
	for i := range 30 {
		bomb += fmt.Sprintf(`,"d%d":{"properties":{"a":{"$ref":"#/definitions/d%d"},"b":{"$ref":"#/definitions/d%d"}}}`, i, i+1, i+1)
	}
	for name, c := range map[string]struct {
		text string
		want schemas.Code
	}{
		"not JSON":               {`{`, schemas.CodeSchema},
		"a number":               {`7`, schemas.CodeUnsupported},
		"false":                  {`{"properties":{"x":false}}`, schemas.CodeUnsupported},
		"allOf":                  {`{"allOf":[{"properties":{"x":{}}}]}`, schemas.CodeUnsupported},
		"patternProperties":      {`{"type":"object","patternProperties":{"x":{}}}`, schemas.CodeUnsupported},
		"tuples":                 {`{"type":"array","items":[{"type":"string"}]}`, schemas.CodeUnsupported},
		"two kinds of object":    {`{"oneOf":[{"type":"object"},{"properties":{}}]}`, schemas.CodeUnsupported},
		"type beside oneOf":      {`{"type":"string","oneOf":[{"type":"null"}]}`, schemas.CodeUnsupported},
		"a reference to nothing": {`{"$ref":"#/definitions/x"}`, schemas.CodeSchema},
		"an unknown document":    {`{"$ref":"x.json"}`, schemas.CodeSchema},
		"an anchor":              {`{"$ref":"#x"}`, schemas.CodeUnsupported},
		"an unknown type":        {`{"type":"text"}`, schemas.CodeSchema},
		"a name twice":           {`{"properties":{"a":{},"a":{}}}`, schemas.CodeSchema},
		"no alternative":         {`{"oneOf":[]}`, schemas.CodeSchema},
		"expansion without end":  {bomb + `}}`, schemas.CodeSchema},
	} {
		if _, err := FromJSONSchema(c.text); codeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// TestJSONSchemaUnknown: names beside declared ones can be learned and cut.
func TestJSONSchemaUnknown(t *testing.T) {
	s := mustSchema(t, `{"type":"object","properties":{"a":{"type":"string"}}}`)
	s, err := Extend(s, [][]string{{"u"}, {"a"}})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a string", "u any?"}, describe(s)); d != "" {
		t.Error(d)
	}
	o := schemas.ShapeOptions{Changes: []schemas.Change{{Leaf: 1, Op: schemas.Cut}}}
	if got := spliced(t, s, `{"u":1,"a":"x"}`, o, nil); got != `{"a":"x"}` {
		t.Error(got)
	}
	if s.Leaves[1].Declared || !s.Leaves[0].Declared {
		t.Error("who declared what is lost")
	}
}

// TestJSONSchemaBomb: references expand where they stand, so a short text can
// ask for a large tree; it is refused before the memory is spent.
func TestJSONSchemaBomb(t *testing.T) {
	var text strings.Builder
	text.WriteString(`{"type":"object","properties":{"p":{"type":"string"}`)
	for i := range 2_000 {
		fmt.Fprintf(&text, `,"p%d":{"$ref":"#/definitions/D"}`, i)
	}
	text.WriteString(`},"definitions":{"D":{"type":"string","examples":[1` + strings.Repeat(",1", 50_000) + `]}}}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := FromJSONSchema(text.String())
	runtime.ReadMemStats(&after)
	if codeOf(err) != schemas.CodeTooLarge {
		t.Errorf("%v", err)
	}
	if spent := (after.TotalAlloc - before.TotalAlloc) >> 20; spent > 512 {
		t.Errorf("%d MiB for %d KiB of text", spent, text.Len()>>10)
	}
}

// TestUntreatedReferences: a copy is registered without references, so what the
// schema refers to stands in its text even where nothing is treated.
func TestUntreatedReferences(t *testing.T) {
	s, err := FromJSONSchema(`{"type":"object","properties":{"p":{"$ref":"place.json"}}}`, Ref{Name: "place.json", Text: `{"type":"object","properties":{"city":{"type":"string"}}}`})
	if err != nil {
		t.Fatal(err)
	}
	shape, err := s.Codec.Derive(schemas.ShapeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := shape.Schema(), `{"type":"object","properties":{"p":{"type":"object","properties":{"city":{"type":"string"}}}}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
