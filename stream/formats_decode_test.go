package stream

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/linkedin/goavro/v2"
	"github.com/santhosh-tekuri/jsonschema/v6"
	twmb "github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/schemas/registry"
)

// crockford is the alphabet of tokens.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// decode reads one side of an output as a recipient would, under the schema
// that the record names, which must stand under the topic's subject.
func (f *forms) decode(s *Source, enc Encoding, r *kgo.Record, b []byte, header, side string) string {
	f.t.Helper()
	if b == nil {
		return "null"
	}
	switch enc {
	case EncodingString:
		return string(b)
	case EncodingBytes:
		if utf8.Valid(b) {
			return string(b)
		}
		return hex.EncodeToString(b)
	case EncodingAvro: // the copy's schema is nowhere: the caller reads such records
		return hex.EncodeToString(b)
	case EncodingJSON:
		if s.SchemaBlock {
			return f.connect(b)
		}
		return sorted(f.t, b)
	}
	var text string
	if s.HeaderFraming {
		text = f.byHeader(r, header, r.Topic+side)
	} else {
		id, rest, err := registry.DecodeID(b)
		if err != nil {
			f.t.Fatal(err)
		}
		text, b = f.schema(id, r.Topic+side), rest
	}
	if enc == EncodingConfluentJSON {
		return f.validated(text, b)
	}
	return avroText(f.t, text, b)
}

func (f *forms) byHeader(r *kgo.Record, name, subject string) string {
	f.t.Helper()
	for _, h := range r.Headers {
		if h.Key != name {
			continue
		}
		if len(h.Value) == 5 && h.Value[0] == 0 {
			id, _, _ := registry.DecodeID(h.Value)
			return f.schema(id, subject)
		}
		if len(h.Value) != 17 || h.Value[0] != 1 {
			f.t.Fatalf("%s is %x", name, h.Value)
		}
		x := hex.EncodeToString(h.Value[1:])
		s, err := f.sr.SchemaByGUID(context.Background(), x[:8]+"-"+x[8:12]+"-"+x[12:16]+"-"+x[16:20]+"-"+x[20:])
		if err != nil {
			f.t.Fatal(err)
		}
		return f.schema(s.ID, subject)
	}
	f.t.Fatalf("no header %s", name)
	return ""
}

// schema is the text of a registered schema, which must be one of subject's.
func (f *forms) schema(id int, subject string) string {
	f.t.Helper()
	list, err := f.sr.Schemas(context.Background(), subject)
	if err != nil {
		f.t.Fatalf("%s: %v", subject, err)
	}
	for _, s := range list {
		if s.ID == id {
			if len(s.References) > 0 {
				f.t.Errorf("%s has references", subject)
			}
			return s.Schema.Schema
		}
	}
	f.t.Fatalf("schema %d is not one of %s", id, subject)
	return ""
}

// avroText reads Avro with goavro and with twmb/avro, which prints it.
func avroText(t *testing.T, schema string, b []byte) string {
	t.Helper()
	for _, text := range []string{schema, unlogical(schema)} {
		c, err := goavro.NewCodec(text)
		if err != nil {
			t.Fatalf("goavro refuses %s: %v", text, err)
		}
		if _, rest, err := c.NativeFromBinary(b); err != nil || len(rest) > 0 {
			t.Fatalf("goavro: %v, %d bytes left of %x under %s", err, len(rest), b, text)
		}
	}
	if _, err := twmb.Parse(schema); err != nil {
		t.Fatal(err)
	}
	s, err := twmb.Parse(unlogical(schema))
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if rest, err := s.Decode(b, &v); err != nil || len(rest) > 0 {
		t.Fatalf("twmb/avro: %v, %d bytes left", err, len(rest))
	}
	out, err := s.EncodeJSON(v)
	if err != nil {
		t.Fatal(err)
	}
	return sorted(t, out)
}

// validated holds JSON against its registered schema with somebody else's
// validator.
func (f *forms) validated(schema string, b []byte) string {
	f.t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		f.t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///s.json", doc); err != nil {
		f.t.Fatal(err)
	}
	s, err := c.Compile("mem:///s.json")
	if err != nil {
		f.t.Fatalf("%v in %s", err, schema)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	if err != nil {
		f.t.Fatal(err)
	}
	if err := s.Validate(v); err != nil {
		f.t.Errorf("%s does not fit %s: %v", b, schema, err)
	}
	return sorted(f.t, b)
}

// connect prints the payload of an envelope whose block must agree with it.
func (f *forms) connect(b []byte) string {
	f.t.Helper()
	var env map[string]any
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	if err := d.Decode(&env); err != nil || d.More() || len(env) != 2 {
		f.t.Fatalf("not an envelope of two: %v", err)
	}
	block, _ := env["schema"].(map[string]any)
	if err := fitsBlock(block, env["payload"], "payload"); err != nil {
		f.t.Errorf("%v: %s", err, b)
	}
	return canonicalJSON(f.t, env["payload"])
}

// fitsBlock reports where a payload is not what its Connect schema says.
// Source: org.apache.kafka.connect.json.JsonConverter, convertToConnect.
func fitsBlock(s map[string]any, v any, at string) error {
	if s == nil {
		return fmt.Errorf("%s has no schema", at)
	}
	if v == nil {
		if s["optional"] != true && s["default"] == nil {
			return fmt.Errorf("%s is null", at)
		}
		return nil
	}
	wrong := fmt.Errorf("%s is no %v", at, s["type"])
	switch s["type"] {
	case "int8", "int16", "int32", "int64":
		n, ok := v.(json.Number)
		if _, err := n.Int64(); !ok || err != nil {
			return wrong
		}
	case "float", "double":
		if _, ok := v.(json.Number); !ok {
			return wrong
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			return wrong
		}
	case "string":
		if _, ok := v.(string); !ok {
			return wrong
		}
	case "bytes":
		text, ok := v.(string)
		if _, err := base64.StdEncoding.DecodeString(text); !ok || err != nil {
			return wrong
		}
	case "array":
		list, ok := v.([]any)
		if !ok {
			return wrong
		}
		items, _ := s["items"].(map[string]any)
		for _, e := range list {
			if err := fitsBlock(items, e, at+"[]"); err != nil {
				return err
			}
		}
	case "map":
		m, ok := v.(map[string]any)
		if !ok {
			return wrong
		}
		values, _ := s["values"].(map[string]any)
		for _, e := range m {
			if err := fitsBlock(values, e, at+"{}"); err != nil {
				return err
			}
		}
	case "struct":
		return fitsStruct(s, v, at)
	default:
		return wrong
	}
	return nil
}

func fitsStruct(s map[string]any, v any, at string) error {
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("%s is no struct", at)
	}
	fields, _ := s["fields"].([]any)
	for _, f := range fields {
		f, _ := f.(map[string]any)
		name, _ := f["field"].(string)
		if _, ok := m[name]; !ok {
			return fmt.Errorf("%s.%s is not there", at, name)
		}
		if err := fitsBlock(f, m[name], at+"."+name); err != nil {
			return err
		}
	}
	if len(m) != len(fields) {
		return fmt.Errorf("%s has fields that its schema does not", at)
	}
	return nil
}
