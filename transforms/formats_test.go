package transforms_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"weir/schemas"
	"weir/schemas/avro"
	"weir/schemas/jsonrec"
	"weir/schemas/rawtext"
	"weir/transforms"
	"weir/transforms/all"
)

const connectBlock = `{"type":"struct","optional":false,"name":"cdc.Envelope","fields":[` +
	`{"field":"before","type":"struct","optional":true,"name":"cdc.Value","fields":[{"field":"id","type":"int64","optional":false},{"field":"phone","type":"string","optional":true},{"field":"country","type":"string","optional":true}]},` +
	`{"field":"after","type":"struct","optional":true,"name":"cdc.Value","fields":[{"field":"id","type":"int64","optional":false},{"field":"phone","type":"string","optional":true},{"field":"country","type":"string","optional":true}]},` +
	`{"field":"op","type":"string","optional":false}]}`

// TestConnectBlock: payload and embedded schema block change together, and rows
// apply to both.
func TestConnectBlock(t *testing.T) {
	s, err := jsonrec.FromConnect([]byte(connectBlock))
	if err != nil {
		t.Fatal(err)
	}
	p := avroPolicy(t, transforms.Recipient{Name: "cn", Grade: 2, Rows: "after.country == 'CN'", Treat: treat("contact.*", "drop", "*", "token")})
	plan, err := transforms.Compile(transforms.Input{Policy: p, Dataset: dataset, Value: s, Kinds: all.Kinds(), Ring: ring(t)})
	if err != nil {
		t.Fatal(err)
	}
	ev := &transforms.Event{NullKey: true, Value: []byte(`{"schema":` + connectBlock +
		`,"payload":{"before":{"id":7,"phone":"13912345678","country":"US"},"after":{"id":7,"phone":"13912345678","country":"CN"},"op":"u"}}`)}
	copies, _ := plan.Protect(transforms.NewScratch(), ev, nil)
	if copies[0].Fate != transforms.Published {
		t.Fatalf("%+v\n%s", copies[0], plan)
	}
	out := string(copies[0].Outs[0].Value)
	for _, gone := range []string{"phone", "139", "US", `"op":"u"`} {
		if strings.Contains(out, gone) {
			t.Errorf("%s is in the copy: %s", gone, out)
		}
	}
	var doc struct {
		Schema struct {
			Fields []struct {
				Fields []struct{ Field, Type string }
			}
		}
		Payload struct {
			Before any
			After  struct{ ID string }
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Payload.Before != nil || len(doc.Payload.After.ID) != 24 || doc.Schema.Fields[1].Fields[0].Type != "string" {
		t.Errorf("%s", out)
	}
}

// TestAvroUnionsAndContainers: every branch of a column is treated, and what a
// container's rule covers goes with it.
func TestAvroUnionsAndContainers(t *testing.T) {
	const text = `{"type":"record","name":"t","fields":[
 {"name":"u","type":["null","string","long"],"default":null},
 {"name":"either","type":["null","string",{"type":"record","name":"A","fields":[{"name":"city","type":"string"}]}],"default":null},
 {"name":"m","type":{"type":"map","values":"string"}},
 {"name":"list","type":{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"a","type":"string"},{"name":"b","type":"string"}]}}}]}`
	s, err := avro.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	p := avroPolicy(t, transforms.Recipient{Name: "r", Unknown: transforms.DropUnknown,
		Treat: treat("field:shop.t.u", "token", "field:shop.t.m", "token", "field:shop.t.list[].a", "mask")})
	d := transforms.Dataset{Name: "shop.t"}
	plan, err := transforms.Compile(transforms.Input{Policy: p, Dataset: d, Value: s, Kinds: all.Kinds(), Ring: ring(t)})
	if err != nil {
		t.Fatal(err)
	}
	_, shape := plan.Shape(0)
	if shape == nil {
		t.Fatal(plan)
	}
	in, out := goavroCodec(t, text), goavroCodec(t, shape.Schema())
	for _, value := range []string{
		`{"u":{"string":"v1"},"either":{"string":"v2"},"m":{"v3":"v4"},"list":[{"a":"v5","b":"v6"},{"a":"v7","b":"v8"}]}`,
		`{"u":{"long":4711},"either":{"A":{"city":"v2"}},"m":{},"list":[]}`,
		`{"u":null,"either":null,"m":{},"list":[]}`,
	} {
		copies, _ := plan.Protect(transforms.NewScratch(), &transforms.Event{NullKey: true, Value: encode(t, in, value)}, nil)
		if copies[0].Fate != transforms.Published {
			t.Fatalf("%s: %s %s", value, copies[0].Code, copies[0].Path)
		}
		got := decode(t, out, copies[0].Outs[0].Value)
		for _, gone := range []string{"v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "4711", "either", `"b"`} {
			if strings.Contains(got, gone) {
				t.Errorf("%s is in the copy of %s: %s", gone, value, got)
			}
		}
	}
}

// TestStringKeys: a key that is one text has the name $key.
func TestStringKeys(t *testing.T) {
	for rule, want := range map[string]schemas.Code{"pass": "", "token": "", "mask": transforms.CodeKeyUnsafe, "": transforms.CodeUndecided} {
		p := avroPolicy(t, transforms.Recipient{Name: "r"})
		if rule != "" {
			p.Recipients[0].Treat = treat("field:shop.customers.$key", rule)
		}
		plan, err := transforms.Compile(transforms.Input{Policy: p, Dataset: dataset, Key: rawtext.New(), Kinds: all.Kinds(), Ring: ring(t)})
		if err != nil {
			t.Fatal(err)
		}
		copies, _ := plan.Protect(transforms.NewScratch(), &transforms.Event{Key: []byte("secret"), NullValue: true}, nil)
		c := &copies[0]
		if c.Code != want {
			t.Errorf("%q: %v %s", rule, c.Fate, c.Code)
		}
		if want == "" && (string(c.Outs[0].Key) == "secret") != (rule == "pass") {
			t.Errorf("%q: %s", rule, c.Outs[0].Key)
		}
	}
}

// TestLintRealTreatments: what the real factories take, lint takes, with their
// defaults; what they refuse, it refuses with its reason's code.
func TestLintRealTreatments(t *testing.T) {
	rule := func(match, treatment string, args transforms.Args) transforms.Rule {
		return transforms.Rule{Match: match, Treatment: treatment, Args: args, Pos: transforms.Pos{Line: 1}}
	}
	for _, c := range []struct {
		rule transforms.Rule
		want schemas.Code
	}{
		{rule("*", "token", nil), ""}, {rule("contact.email", "token", nil), ""}, {rule("field:shop.t.a", "token", nil), ""},
		{rule("person.name", "mask", transforms.Args{"keep_first": 1}), ""}, {rule("*", "drop", nil), ""},
		{rule("field:shop.t.a", "pass", nil), ""}, {rule("*", "constant", transforms.Args{"": "x"}), ""},
		{rule("*", "token", transforms.Args{"domian": "x"}), transforms.CodeRefused},
		{rule("*", "seal", nil), "not_built"}, {rule("*", "sha256", nil), "unkeyed_hash"}, {rule("*", "shuffle", nil), "unknown_treatment"},
	} {
		p := avroPolicy(t, transforms.Recipient{Name: "r", Topic: "clean.{schema}.{table}", Treat: []transforms.Rule{c.rule}})
		got := schemas.Code("")
		for _, problem := range transforms.Lint(p, all.Kinds(), all.NotBuilt(), time.Now()) {
			got = problem.Code
		}
		if got != c.want {
			t.Errorf("%s %s: %q, want %q", c.rule.Match, c.rule.Treatment, got, c.want)
		}
	}
}
