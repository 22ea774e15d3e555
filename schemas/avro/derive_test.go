package avro

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/linkedin/goavro/v2"
	twmb "github.com/twmb/avro"

	"weir/schemas"
)

// values are two images of one named type, as Debezium writes them.
const images = `{"type":"record","name":"Envelope","namespace":"shop","fields":[
{"name":"before","type":["null",{"type":"record","name":"Value","fields":[
 {"name":"id","type":"long","doc":"the key"},
 {"name":"phone","type":["null",{"type":"string","connect.doc":"private","connect.parameters":{"length":"11"}}],"default":null,"confluent:tags":["PII"]},
 {"name":"city","type":"string","default":"Shanghai"},
 {"name":"born","type":{"type":"int","connect.version":1,"connect.default":0,"connect.name":"io.debezium.time.Date"},"default":0}
],"connect.name":"shop.Value","confluent:tags":["ROW"]}],"default":null},
{"name":"after","type":["null","Value"],"default":null},
{"name":"op","type":"string"}],"connect.name":"shop.Envelope"}`

func join2(lists ...[]schemas.Change) (out []schemas.Change) {
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// sameJSON compares schema texts as JSON values.
func sameJSON(t *testing.T, want, got string) {
	t.Helper()
	var w, g any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("the expected text: %v", err)
	}
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, got)
	}
	if d := cmp.Diff(w, g); d != "" {
		t.Fatalf("derived schema (-want +got):\n%s\n%s", d, got)
	}
	if _, err := goavro.NewCodec(got); err != nil {
		t.Errorf("goavro refuses it: %v", err)
	}
	if _, err := twmb.Parse(got); err != nil {
		t.Errorf("twmb/avro refuses it: %v", err)
	}
}

func TestDeriveSameChangesKeepOneDefinition(t *testing.T) {
	s := mustParse(t, images)
	shape := mustDerive(t, s, join2(
		change(t, s, "before.phone", toString("token")), change(t, s, "after.phone", toString("token")),
		change(t, s, "before.born", toString("year")), change(t, s, "after.born", toString("year")),
		change(t, s, "before.city", schemas.Change{Op: schemas.Cut}), change(t, s, "after.city", schemas.Change{Op: schemas.Cut}))...)
	sameJSON(t, `{"type":"record","name":"Envelope","namespace":"shop","fields":[
{"name":"before","type":["null",{"type":"record","name":"Value","fields":[
 {"name":"id","type":"long","doc":"the key"},
 {"name":"phone","type":["null",{"type":"string","connect.doc":"private","connect.parameters":{"length":"11"}}],"default":null,"confluent:tags":["PII"],"weir.treatment":"token"},
 {"name":"born","type":"string","weir.treatment":"year"}
],"connect.name":"shop.Value","confluent:tags":["ROW"]}],"default":null},
{"name":"after","type":["null","Value"],"default":null},
{"name":"op","type":"string"}],"connect.name":"shop.Envelope"}`, shape.Schema())
	if got := shape.Schema(); strings.Index(got, `"id"`) > strings.Index(got, `"phone"`) || !strings.HasPrefix(got, `{"type":"record","name":"Envelope","namespace":"shop"`) {
		t.Errorf("order is not kept: %s", got)
	}
}

func TestDeriveDifferentChangesGetSuffix(t *testing.T) {
	s := mustParse(t, images)
	shape := mustDerive(t, s, change(t, s, "after.phone", toString("token"))...)
	for _, want := range []string{`"name":"Value"`, `"name":"shop.Value_w2"`} {
		if strings.Count(shape.Schema(), want) != 1 {
			t.Errorf("%s does not stand once in %s", want, shape.Schema())
		}
	}
	again := mustDerive(t, s, change(t, s, "after.phone", toString("token"))...)
	if again.Schema() != shape.Schema() {
		t.Error("two derivations differ")
	}
	sameJSON(t, shape.Schema(), shape.Schema())
}

func TestDeriveCutDefinitionMovesToFirstUse(t *testing.T) {
	s := mustParse(t, images)
	shape := mustDerive(t, s, change(t, s, "before", schemas.Change{Op: schemas.Cut})...)
	d := mustParse(t, shape.Schema())
	if d.Find("after.phone") == nil || d.Find("before") != nil {
		t.Fatalf("%s", shape.Schema())
	}
	sameJSON(t, shape.Schema(), shape.Schema())
}

// fieldCase is one field of a record and what a change makes of it.
var fieldCases = []struct {
	name, field, path string
	change            schemas.Change
	want              string
}{
	{"enum becomes string", `{"name":"f","type":{"type":"enum","name":"E","symbols":["A"],"default":"A"},"default":"A"}`, "f",
		toString("mask"), `{"name":"f","type":"string","default":"","weir.treatment":"mask"}`},
	{"kind stays, all stays but the default", `{"name":"f","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2},"default":"\u0007","confluent:tags":["PII"]}`, "f",
		schemas.Change{Op: schemas.Retype, Kind: schemas.KindDecimal, Note: "round"},
		`{"name":"f","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2},"default":"\u0000","confluent:tags":["PII"],"weir.treatment":"round"}`},
	{"default goes, tags go", `{"name":"f","type":{"type":"int","logicalType":"date"},"default":3,"confluent:tags":["PII"],"x":{"y":[1,null,true]}}`, "f",
		toString("token"), `{"name":"f","type":"string","x":{"y":[1,null,true]},"weir.treatment":"token"}`},
	{"nullable, default null", `{"name":"f","type":"int","default":3}`, "f",
		schemas.Change{Op: schemas.Retype, Kind: schemas.KindString, Nullable: true, Note: "null"},
		`{"name":"f","type":["null","string"],"default":null,"weir.treatment":"null"}`},
	{"nullable, default says nothing", `{"name":"f","type":"int","default":3}`, "f",
		schemas.Change{Op: schemas.Retype, Kind: schemas.KindInt, Nullable: true},
		`{"name":"f","type":["int","null"],"default":0}`},
	{"nullable, no default", `{"name":"f","type":"int"}`, "f",
		schemas.Change{Op: schemas.Retype, Kind: schemas.KindInt, Nullable: true}, `{"name":"f","type":["null","int"]}`},
	{"already nullable", `{"name":"f","type":["int","null"],"default":3}`, "f",
		schemas.Change{Op: schemas.Retype, Kind: schemas.KindInt, Nullable: true}, `{"name":"f","type":["int","null"],"default":0}`},
	{"last default goes", `{"name":"f","type":["int","null"],"default":3}`, "f",
		toString("token"), `{"name":"f","type":["string","null"],"weir.treatment":"token"}`},
	{"branches merge", `{"name":"f","type":["null","long",{"type":"string","connect.name":"io.debezium.data.Json"},"int"]}`, "f",
		toString("token"), `{"name":"f","type":["null","string"],"weir.treatment":"token"}`},
	{"union of one stays a union", `{"name":"f","type":["long","string"]}`, "f", toString("token"), `{"name":"f","type":["string"],"weir.treatment":"token"}`},
	{"array element", `{"name":"f","type":{"type":"array","items":"long","java":"x"},"default":[1]}`, "f[]",
		toString("token"), `{"name":"f","type":{"type":"array","items":"string","java":"x"},"weir.treatment":"token"}`},
	{"map key and value", `{"name":"f","type":{"type":"map","values":["null","long"]},"default":{"a":null}}`, "f{}",
		toString("token"), `{"name":"f","type":{"type":"map","values":["null","string"]},"default":{},"weir.treatment":"token"}`},
	{"record default loses a member", `{"name":"f","type":{"type":"record","name":"S","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]},"default":{"a":1,"b":2}}`,
		"f.a", schemas.Change{Op: schemas.Cut}, `{"name":"f","type":{"type":"record","name":"S","fields":[{"name":"b","type":"int"}]}}`},
	{"record default goes, for it quotes its fields", `{"name":"f","type":{"type":"record","name":"S","fields":[{"name":"a","type":"int","default":1},{"name":"b","type":"int"}]},"default":{"b":2}}`,
		"f.a", schemas.Change{Op: schemas.Retype, Kind: schemas.KindLong}, `{"name":"f","type":{"type":"record","name":"S","fields":[{"name":"a","type":"long","default":0},{"name":"b","type":"int"}]}}`},
	{"Connect's copy of the default", `{"name":"f","type":{"type":"string","connect.default":"138","connect.doc":"x"}}`, "f",
		toString("mask"), `{"name":"f","type":{"type":"string","connect.doc":"x"},"weir.treatment":"mask"}`},
	{"a UUID has no default that says nothing", `{"name":"f","type":{"type":"string","logicalType":"uuid"},"default":"7d444840-9dc0-11d1-b245-5ffdce74fad2"}`, "f",
		schemas.Change{Op: schemas.Retype, Kind: schemas.KindUUID}, `{"name":"f","type":{"type":"string","logicalType":"uuid"}}`},
	{"to decimal", `{"name":"f","type":"double"}`, "f", schemas.Change{Op: schemas.Retype, Kind: schemas.KindDecimal, Scale: 3},
		`{"name":"f","type":{"type":"bytes","logicalType":"decimal","precision":38,"scale":3}}`},
	{"to date", `{"name":"f","type":["null","string"]}`, "f", schemas.Change{Op: schemas.Retype, Kind: schemas.KindDate},
		`{"name":"f","type":["null",{"type":"int","logicalType":"date"}]}`},
	{"old note is replaced", `{"name":"f","type":"int","weir.treatment":"old"}`, "f", toString("new"), `{"name":"f","type":"string","weir.treatment":"new"}`},
}

func TestDeriveField(t *testing.T) {
	for _, c := range fieldCases {
		t.Run(c.name, func(t *testing.T) {
			s := mustParse(t, `{"type":"record","name":"R","fields":[`+c.field+`,{"name":"z","type":"int"}]}`)
			shape := mustDerive(t, s, change(t, s, c.path, c.change)...)
			sameJSON(t, `{"type":"record","name":"R","fields":[`+c.want+`,{"name":"z","type":"int"}]}`, shape.Schema())
		})
	}
}

func TestDeriveRoot(t *testing.T) {
	s := mustParse(t, `"long"`)
	shape := mustDerive(t, s, change(t, s, "", toString("token"))...)
	sameJSON(t, `{"type":"string","weir.treatment":"token"}`, shape.Schema())
	if shape.Kind(0) != schemas.KindString {
		t.Errorf("kind %v", shape.Kind(0))
	}
	out, err := s.Codec.Splice(nil, mustScan(t, s, avroBytes(7), wantAll(s)), shape, []schemas.Edit{{Data: []byte("T")}})
	if err != nil || string(out) != "\x02T" {
		t.Fatalf("%x, %v", out, err)
	}
}

// TestDeriveKeepsNamespaces: references and definitions mean the same types when
// a definition moves into another namespace.
func TestDeriveKeepsNamespaces(t *testing.T) {
	s := mustParse(t, `{"type":"record","name":"a.R","fields":[
		{"name":"gone","type":{"type":"record","name":"S","fields":[{"name":"x","type":{"type":"enum","name":"E","symbols":["A"]}},{"name":"n","type":{"type":"fixed","name":"N","namespace":"","size":1}}]}},
		{"name":"in","type":{"type":"record","name":"b.T","fields":[{"name":"s","type":"a.S"},{"name":"e","type":"a.E"},{"name":"n","type":"N"}]}},
		{"name":"t","type":"b.T"}]}`)
	shape := mustDerive(t, s, change(t, s, "gone", schemas.Change{Op: schemas.Cut})...)
	d := mustParse(t, shape.Schema())
	for _, p := range []string{"in.s.x", "in.e", "t.s.n", "t.n"} {
		if d.Find(p) == nil {
			t.Errorf("no %s in %s", p, shape.Schema())
		}
	}
}

// TestDeriveRefs: the copy of a schema with references to other subjects stands
// on its own.
func TestDeriveRefs(t *testing.T) {
	money := `{"type":"record","name":"Money","namespace":"lib","fields":[{"name":"amount","type":"long"},{"name":"cur","type":"lib.Cur"}]}`
	s := mustParse(t, `{"type":"record","name":"Pay","namespace":"app","fields":[{"name":"a","type":"lib.Money"},{"name":"b","type":["null","lib.Money"]}]}`,
		`{"type":"enum","name":"Cur","namespace":"lib","symbols":["CNY"]}`, money)
	for _, changes := range [][]schemas.Change{nil, change(t, s, "a.amount", toString("token"))} {
		shape := mustDerive(t, s, changes...)
		if mustParse(t, shape.Schema()).Find("b.cur") == nil {
			t.Error(shape.Schema())
		}
		sameJSON(t, shape.Schema(), shape.Schema())
	}
}

func TestDeriveRefuses(t *testing.T) {
	s := mustParse(t, `{"type":"record","name":"R","fields":[{"name":"r","type":{"type":"record","name":"S","fields":[]}},
		{"name":"m","type":{"type":"map","values":"int"}},{"name":"i","type":"int"}]}`)
	array := mustParse(t, `{"type":"array","items":"int"}`)
	cases := []struct {
		name    string
		s       *schemas.Schema
		changes []schemas.Change
	}{
		{"a container's kind", s, change(t, s, "r", toString(""))},
		{"a kind without a type", s, change(t, s, "i", schemas.Change{Op: schemas.Retype, Kind: schemas.KindEnum})},
		{"a negative scale", s, change(t, s, "i", schemas.Change{Op: schemas.Retype, Kind: schemas.KindDecimal, Scale: -1})},
		{"a null map key", s, change(t, s, "m{#}", schemas.Change{Op: schemas.Retype, Kind: schemas.KindString, Nullable: true})},
		{"a map key of another kind", s, change(t, s, "m{#}", schemas.Change{Op: schemas.Retype, Kind: schemas.KindLong})},
		{"the root", array, []schemas.Change{{Leaf: 1, Op: schemas.Cut}}},
		{"a leaf that is not there", s, []schemas.Change{{Leaf: 99, Op: schemas.Cut}}},
		{"no operation", s, []schemas.Change{{Leaf: 0}}},
		{"two wishes", s, join2(change(t, s, "i", toString("")), change(t, s, "i", toString("")))},
	}
	for _, c := range cases {
		if _, err := c.s.Codec.Derive(schemas.ShapeOptions{Changes: c.changes}); codeOf(t, err) != schemas.CodeUnsupported {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestDeriveSuffixAvoidsTakenNames: a variant never takes a name of the input.
func TestDeriveSuffixAvoidsTakenNames(t *testing.T) {
	s := mustParse(t, `{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"V","fields":[{"name":"x","type":"int"}]}},
		{"name":"b","type":"V"},{"name":"c","type":{"type":"record","name":"V_w2","fields":[{"name":"y","type":"int"}]}}]}`)
	shape := mustDerive(t, s, change(t, s, "b.x", toString("t"))...)
	sameJSON(t, `{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"V","fields":[{"name":"x","type":"int"}]}},
		{"name":"b","type":{"type":"record","name":"V_w3","fields":[{"name":"x","type":"string","weir.treatment":"t"}]}},
		{"name":"c","type":{"type":"record","name":"V_w2","fields":[{"name":"y","type":"int"}]}}]}`, shape.Schema())
}

// TestDeriveRecursionFollowsItsVariant: a type that refers back to a changed
// record needs a variant of its own, though nothing in it changes.
func TestDeriveRecursionFollowsItsVariant(t *testing.T) {
	s := mustParse(t, `{"type":"record","name":"R","fields":[
		{"name":"f","type":{"type":"record","name":"A","fields":[{"name":"x","type":"int"},
			{"name":"b","type":{"type":"record","name":"B","fields":[{"name":"a","type":["null","A"]}]}}]}},
		{"name":"g","type":"A"},{"name":"h","type":"B"}]}`)
	shape := mustDerive(t, s, join2(change(t, s, "f.x", toString("p")), change(t, s, "g.x", toString("q")))...)
	sameJSON(t, `{"type":"record","name":"R","fields":[
		{"name":"f","type":{"type":"record","name":"A","fields":[{"name":"x","type":"string","weir.treatment":"p"},
			{"name":"b","type":{"type":"record","name":"B","fields":[{"name":"a","type":["null","A"]}]}}]}},
		{"name":"g","type":{"type":"record","name":"A_w2","fields":[{"name":"x","type":"string","weir.treatment":"q"},
			{"name":"b","type":{"type":"record","name":"B_w2","fields":[{"name":"a","type":["null","A_w2"]}]}}]}},
		{"name":"h","type":{"type":"record","name":"B_w3","fields":[{"name":"a","type":["null",{"type":"record","name":"A_w3","fields":[
			{"name":"x","type":"int"},{"name":"b","type":"B_w3"}]}]}]}}]}`, shape.Schema())
}

// TestDeriveCutSettlesWhatItHolds: wishes for what is cut anyway make no variants.
func TestDeriveCutSettlesWhatItHolds(t *testing.T) {
	s := mustParse(t, `{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"V","fields":[
		{"name":"x","type":["null",{"type":"record","name":"X","fields":[{"name":"y","type":"int"}]},"long"]},{"name":"z","type":"int"}]}},{"name":"b","type":"V"}]}`)
	cutA := schemas.Change{Leaf: s.Find("a.x")[0], Op: schemas.Cut, Note: "drop"}
	cutB := schemas.Change{Leaf: s.Find("b.x")[1], Op: schemas.Cut}
	other := toString("token")
	other.Leaf = s.Find("a.x")[1]
	shape := mustDerive(t, s, append(change(t, s, "a.x.y", toString("token")), other, cutA, cutB)...)
	sameJSON(t, `{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"V","fields":[{"name":"z","type":"int"}]}},{"name":"b","type":"V"}]}`, shape.Schema())
}
