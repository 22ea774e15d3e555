package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write golden files")

// JSONSchema describes the catalog as the map that it is.
func (Catalog) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{
		Type:                 "object",
		AdditionalProperties: &jsonschema.Schema{Type: "string", Description: "Class id of the taxonomy."},
	}
}

// JSONSchema describes a treat map: selectors and treatments.
func (Treat) JSONSchema() *jsonschema.Schema {
	rule := &jsonschema.Schema{
		Description: "A treatment: its name, or its name with options, e.g. {mask: {keep_first: 1}} or {constant: \"x\"}.",
		AnyOf: []*jsonschema.Schema{
			{Type: "string"},
			{Type: "null", Description: "the treatment null"},
			{Type: "object", MinProperties: ptr(1), MaxProperties: ptr(1)},
		},
	}
	return &jsonschema.Schema{
		Type: "object",
		Description: "Selectors, tried in this order: field:<glob> over schema.table.column, tag:<name>, a class or class glob " +
			"(then grade), \"*\" for every other classified field. Within one kind the longer literal wins; a tie is refused.",
		AdditionalProperties: rule,
	}
}

func ptr(n uint64) *uint64 { return &n }

// generate reflects the structs. Their comments are read from the source, so
// this is a test's work and the result is committed.
func generate(t *testing.T) []byte {
	r := &jsonschema.Reflector{
		FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, ExpandedStruct: true,
		BaseSchemaID: "https://weir.example/schemas",
	}
	if err := r.AddGoComments("weir/cmd/internal/config", "."); err != nil {
		t.Fatal(err)
	}
	s := r.Reflect(&File{})
	s.ID, s.Title = "", "Weir policy"
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

func TestSchemaIsThatOfTheStructs(t *testing.T) {
	got := generate(t)
	if *update {
		if err := os.WriteFile("policy.schema.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(got, Schema()) {
		t.Error("policy.schema.json is not what the structs say: go test ./cmd/internal/config -run Schema -update")
	}
}

// Every field must carry a description: the comment is the documentation.
func TestSchemaDescribesEveryField(t *testing.T) {
	var s struct {
		Properties map[string]map[string]any `json:"properties"`
		Defs       map[string]struct {
			Properties map[string]map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	seen := 0
	check := func(where string, props map[string]map[string]any) {
		for name, p := range props {
			seen++
			if p["description"] == nil {
				t.Errorf("%s.%s has no description", where, name)
			}
		}
	}
	check("File", s.Properties)
	for name, d := range s.Defs {
		check(name, d.Properties)
	}
	if seen < 60 {
		t.Errorf("only %d fields in the schema", seen)
	}
}

// The published schema accepts what Load accepts.
func TestSchemaAcceptsTheExample(t *testing.T) {
	c := validator.NewCompiler()
	doc, err := validator.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddResource("policy.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("policy.json")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		edit func(string) string
		ok   bool
	}{
		{"example", func(s string) string { return s }, true},
		{"unknown key", func(s string) string { return s + "acks: 1\n" }, false},
		{"bad enum", func(s string) string { return s + "on_poison: forget\n" }, false},
	} {
		text, err := yaml.YAMLToJSON([]byte(tc.edit(string(data))))
		if err != nil {
			t.Fatal(err)
		}
		v, err := validator.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
