package jsonrec

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/schemas"
)

// corpus is a folder of ../shared/corpora seen from the repository's root.
func corpus(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "corpora", name)
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI without the corpus %s", name)
		}
		t.Skipf("SKIPPED: the corpus %s is not beside the repository; nothing of it was checked", name)
	}
	return dir
}

// anything is a schema under which any JSON is well-typed: the value is wrapped
// as an undeclared member.
func scanAnything(t testing.TB, text []byte) error {
	t.Helper()
	s := mustNew(t, nil)
	var v schemas.View
	src := append(append([]byte(`{"u":`), text...), '}')
	return s.Codec.Scan(&v, src, &schemas.Wanted{Unknown: true})
}

func mustNew(t testing.TB, paths []Path) *schemas.Schema {
	t.Helper()
	s, err := New(paths)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// implementationDefined is what this scanner does with the suite's i_ files:
// numbers are text and of any size, strings are Unicode or refused, and there
// is no byte order mark.
var implementationDefined = map[string]schemas.Code{
	"i_number_double_huge_neg_exp.json":                   "",
	"i_number_huge_exp.json":                              "",
	"i_number_neg_int_huge_exp.json":                      "",
	"i_number_pos_double_huge_exp.json":                   "",
	"i_number_real_neg_overflow.json":                     "",
	"i_number_real_pos_overflow.json":                     "",
	"i_number_real_underflow.json":                        "",
	"i_number_too_big_neg_int.json":                       "",
	"i_number_too_big_pos_int.json":                       "",
	"i_number_very_big_negative_int.json":                 "",
	"i_object_key_lone_2nd_surrogate.json":                schemas.CodeUTF8,
	"i_string_1st_surrogate_but_2nd_missing.json":         schemas.CodeUTF8,
	"i_string_1st_valid_surrogate_2nd_invalid.json":       schemas.CodeUTF8,
	"i_string_UTF-16LE_with_BOM.json":                     schemas.CodeMalformed,
	"i_string_UTF-8_invalid_sequence.json":                schemas.CodeUTF8,
	"i_string_UTF8_surrogate_U+D800.json":                 schemas.CodeUTF8,
	"i_string_incomplete_surrogate_and_escape_valid.json": schemas.CodeUTF8,
	"i_string_incomplete_surrogate_pair.json":             schemas.CodeUTF8,
	"i_string_incomplete_surrogates_escape_valid.json":    schemas.CodeUTF8,
	"i_string_invalid_lonely_surrogate.json":              schemas.CodeUTF8,
	"i_string_invalid_surrogate.json":                     schemas.CodeUTF8,
	"i_string_invalid_utf-8.json":                         schemas.CodeUTF8,
	"i_string_inverted_surrogates_U+1D11E.json":           schemas.CodeUTF8,
	"i_string_iso_latin_1.json":                           schemas.CodeUTF8,
	"i_string_lone_second_surrogate.json":                 schemas.CodeUTF8,
	"i_string_lone_utf8_continuation_byte.json":           schemas.CodeUTF8,
	"i_string_not_in_unicode_range.json":                  schemas.CodeUTF8,
	"i_string_overlong_sequence_2_bytes.json":             schemas.CodeUTF8,
	"i_string_overlong_sequence_6_bytes.json":             schemas.CodeUTF8,
	"i_string_overlong_sequence_6_bytes_null.json":        schemas.CodeUTF8,
	"i_string_truncated-utf-8.json":                       schemas.CodeUTF8,
	"i_string_utf16BE_no_BOM.json":                        schemas.CodeMalformed,
	"i_string_utf16LE_no_BOM.json":                        schemas.CodeMalformed,
	"i_structure_500_nested_arrays.json":                  schemas.CodeTooDeep,
	"i_structure_UTF-8_BOM_empty_object.json":             schemas.CodeMalformed,
}

func TestJSONTestSuite(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpus(t, "json_test_suite"), "test_parsing", "*.json"))
	if err != nil || len(files) != 318 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	undecided := 0
	for _, f := range files {
		name := filepath.Base(f)
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		got := codeOf(scanAnything(t, text))
		switch name[0] {
		case 'y':
			if got != "" {
				t.Errorf("%s: refused with %s", name, got)
			}
		case 'n':
			if got == "" {
				t.Errorf("%s: accepted", name)
			}
		default:
			undecided++
			if want, ok := implementationDefined[name]; !ok || got != want {
				t.Errorf("%s: %q, documented %q", name, got, want)
			}
		}
	}
	if undecided != len(implementationDefined) {
		t.Errorf("%d files of the table, %d in the suite", len(implementationDefined), undecided)
	}
}

// codeOf is the code of an error of this module, "" of nil.
func codeOf(err error) schemas.Code {
	if err == nil {
		return ""
	}
	var e *schemas.Error
	if !errors.As(err, &e) {
		return "not a schemas.Error"
	}
	return e.Code
}

type debeziumSample struct {
	Kind  string
	Value json.RawMessage
}

func debeziumSamples(t *testing.T) []debeziumSample {
	t.Helper()
	f, err := os.Open(filepath.Join(corpus(t, "debezium"), "docs_events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []debeziumSample
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var s debeziumSample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if len(out) != 133 {
		t.Fatalf("%d samples", len(out))
	}
	return out
}

// TestDebeziumEvents learns every name of every documented event, reads it back
// complete, and cuts everything again.
func TestDebeziumEvents(t *testing.T) {
	for i, d := range debeziumSamples(t) {
		if d.Value[0] != '{' {
			t.Fatalf("sample %d is no object", i)
		}
		s := learnAll(t, d.Value)
		if s == nil { // an empty object somewhere: it has no leaf to learn
			continue
		}
		v, want := new(schemas.View), everything(s)
		if err := s.Codec.Scan(v, d.Value, want); err != nil {
			t.Fatalf("sample %d: %v", i, err)
		}
		if got := splice(t, s, v, schemas.ShapeOptions{}, nil); got != string(d.Value) {
			t.Errorf("sample %d: identity changed it", i)
		}
		var o schemas.ShapeOptions
		for j := range s.Leaves {
			if s.Leaves[j].Parent < 0 {
				o.Changes = append(o.Changes, schemas.Change{Leaf: j, Op: schemas.Cut})
			}
		}
		if got := splice(t, s, v, o, nil); strings.TrimSpace(strings.Trim(got, "{}")) != "" {
			t.Errorf("sample %d: cutting everything leaves something", i)
		}
	}
}

// learnAll extends an empty schema by everything in text; nil when it holds an
// empty object.
func learnAll(t *testing.T, text []byte) *schemas.Schema {
	t.Helper()
	s := mustNew(t, nil)
	var v schemas.View
	if err := s.Codec.Scan(&v, text, &schemas.Wanted{Unknown: true}); err != nil {
		t.Fatal(err)
	}
	var learned [][]string
	for i := range v.Spans {
		paths, err := UnknownLeaves(s, &v, i)
		if err != nil {
			t.Fatal(err)
		}
		learned = append(learned, paths...)
	}
	s, err := Extend(s, learned)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(compact(t, text), []byte("{}")) {
		return nil
	}
	return s
}

func compact(t *testing.T, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func everything(s *schemas.Schema) *schemas.Wanted {
	w := &schemas.Wanted{Leaf: make([]bool, len(s.Leaves))}
	for i := range w.Leaf {
		w.Leaf[i] = true
	}
	return w
}

// fataler is what helpers need of testing.T and rapid.T.
type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func splice(t fataler, s *schemas.Schema, v *schemas.View, o schemas.ShapeOptions, edits []schemas.Edit) string {
	t.Helper()
	shape, err := s.Codec.Derive(o)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Codec.Splice(nil, v, shape, edits)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// misfits are the samples of Debezium's documentation that are wrong in it: the
// block is no Connect schema, or the payload does not follow it.
var misfits = map[int]schemas.Code{
	31:  schemas.CodeSchema,     // a signal with a member called schema
	55:  schemas.CodeSchema,     // "type": "INT32" inside "schema"
	56:  schemas.CodeUndeclared, // source has members that its schema lacks
	61:  schemas.CodeSchema,     // "optional" is a string
	68:  schemas.CodeType,       // event_serial_no is a string, declared int64
	78:  schemas.CodeSchema,     // as 55
	79:  schemas.CodeType,       // vgtid is a string, declared int64
	124: schemas.CodeSchema,     // a null block: no schema
}

// TestSchemaBlocks compiles every schema block in Debezium's documentation and
// reads the payload beside it.
func TestSchemaBlocks(t *testing.T) {
	read := 0
	for i, d := range debeziumSamples(t) {
		block, ok, err := SplitBlock(d.Value)
		if err != nil {
			t.Fatalf("sample %d: %v", i, err)
		}
		if !ok || string(block) == "{}" { // elided in the documentation
			continue
		}
		var v schemas.View
		s, err := FromConnect(block)
		if err == nil {
			err = s.Codec.Scan(&v, d.Value, everything(s))
		}
		if codeOf(err) != misfits[i] {
			t.Errorf("sample %d (%s): %v, want %q", i, d.Kind, err, misfits[i])
		}
		if err != nil {
			continue
		}
		if got := splice(t, s, &v, schemas.ShapeOptions{}, nil); got != string(d.Value) {
			t.Errorf("sample %d: identity changed it", i)
		}
		read++
	}
	if read < 20 {
		t.Errorf("only %d envelopes read", read)
	}
}

func TestNaughtyStrings(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(corpus(t, "blns"), "blns.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	if err := json.Unmarshal(text, &list); err != nil || len(list) < 500 {
		t.Fatalf("%d strings, %v", len(list), err)
	}
	for i, str := range list {
		roundTrip(t, i, str)
	}
}

// roundTrip sends str through both directions: as encoding/json writes it, with
// escapes, and as Splice does.
func roundTrip(t *testing.T, i int, str string) {
	t.Helper()
	s := mustNew(t, []Path{{Steps: []string{"s"}}, {Steps: []string{"t"}}})
	quoted, err := json.Marshal(str)
	if err != nil {
		t.Fatal(err)
	}
	src := []byte(`{"s":` + string(quoted) + `,"t":"x"}`)
	var v schemas.View
	if err := s.Codec.Scan(&v, src, everything(s)); err != nil {
		t.Fatalf("string %d: %v", i, err)
	}
	text, err := s.Codec.Text(nil, &v, 0)
	if err != nil || string(text) != str {
		t.Errorf("string %d: read as another, %v", i, err)
	}
	out := splice(t, s, &v, schemas.ShapeOptions{}, []schemas.Edit{{Span: 1, Data: text}})
	var back struct{ S, T string }
	if err := json.Unmarshal([]byte(out), &back); err != nil || back.T != str || back.S != str {
		t.Errorf("string %d: written as another, %v", i, err)
	}
}
