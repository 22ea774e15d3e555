package stream

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
)

// jsonType is one type of a Connect block or of a JSON Schema: the schema's
// members, a value, and its canonical text.
type jsonType struct{ name, schema, value, text string }

// connectTypes: what Connect's JsonConverter writes of Debezium's columns.
var connectTypes = []jsonType{
	{"i8", `"type":"int8"`, `-8`, "-8"}, {"i16", `"type":"int16"`, `16`, "16"}, {"i32", `"type":"int32"`, `-32`, "-32"},
	{"i64", `"type":"int64"`, `9007199254740993`, "9007199254740993"}, {"f", `"type":"float"`, `25.5`, "25.5"}, {"d", `"type":"double"`, `-0.10`, "-0.1"},
	{"b", `"type":"boolean"`, `true`, "true"}, {"s", `"type":"string","default":"none"`, `"h\u00e9llo"`, "héllo"}, {"by", `"type":"bytes"`, `"aGk="`, "hi"},
	{"day", `"type":"int32","name":"io.debezium.time.Date","version":1`, `19860`, "2024-05-17"},
	{"kday", `"type":"int32","name":"org.apache.kafka.connect.data.Date","version":1`, `19860`, "2024-05-17"},
	{"tm", `"type":"int64","name":"io.debezium.time.MicroTime","version":1`, `3723004000`, "01:02:03.004"},
	{"kts", `"type":"int64","name":"org.apache.kafka.connect.data.Timestamp","version":1`, `1715929384500`, "2024-05-17T07:03:04.5Z"},
	{"mts", `"type":"int64","name":"io.debezium.time.MicroTimestamp","version":1`, `1715929384000001`, "2024-05-17T07:03:04.000001"},
	{"zts", `"type":"string","name":"io.debezium.time.ZonedTimestamp","version":1`, `"2024-05-17T15:03:04.50+08:00"`, "2024-05-17T07:03:04.5Z"},
	{"dec", `"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"10"}`, `"MDk="`, "123.45"},
	{"uuid", `"type":"string","name":"io.debezium.data.Uuid","version":1`, `"123E4567-E89B-12D3-A456-426614174000"`, "123e4567-e89b-12d3-a456-426614174000"},
	{"doc", `"type":"string","name":"io.debezium.data.Json","version":1`, `"{\"a\":1}"`, `{"a":1}`},
	{"enum", `"type":"string","name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"RED,GREEN"}`, `"GREEN"`, "GREEN"},
}

// schemaTypes: what Confluent's converter and people write.
var schemaTypes = []jsonType{
	{"i", `"type":"integer","minimum":0,"maximum":99`, `42`, "42"}, {"i64", `"type":"integer","connect.type":"int64"`, `9007199254740993`, "9007199254740993"},
	{"n", `"type":"number","multipleOf":0.5`, `25.50`, "25.5"}, {"b", `"type":"boolean"`, `true`, "true"},
	{"s", `"type":"string","minLength":2,"maxLength":9,"pattern":"^h"`, `"h\u00e9llo"`, "héllo"}, {"day", `"type":"string","format":"date"`, `"2024-05-17"`, "2024-05-17"},
	{"ts", `"type":"string","format":"date-time"`, `"2024-05-17T15:03:04.50+08:00"`, "2024-05-17T07:03:04.5Z"},
	{"uuid", `"type":"string","format":"uuid"`, `"123e4567-e89b-12d3-a456-426614174000"`, "123e4567-e89b-12d3-a456-426614174000"},
	{"enum", `"type":"string","enum":["RED","GREEN"]`, `"GREEN"`, "GREEN"}, {"list", `"type":["null","string"]`, `"x"`, "x"},
	{"def", `"type":"string","default":"abc","examples":["h"]`, `"xyz"`, "xyz"},
}

// typePolicy treats every field of a dataset in each way that it can be.
func typePolicy(dataset string, types []jsonType, bytes ...string) string {
	var b strings.Builder
	b.WriteString("catalog")
	for _, c := range types {
		fmt.Fprintf(&b, " %[1]s.t.%[2]s %[1]s.t.n_%[2]s", dataset, c.name)
	}
	b.WriteString(" internal\n")
	opaque := ""
	for _, n := range bytes {
		opaque += fmt.Sprintf("  field:%[1]s.t.%[2]s drop\n  field:%[1]s.t.n_%[2]s drop\n", dataset, n)
	}
	b.WriteString("recipient pass grade=2\n")
	for _, treatment := range []string{"drop", "null", "constant hidden", "token domain=d", "mask", "truncate 1", "generalise prefix=1"} {
		name, _, _ := strings.Cut(treatment, " ")
		fmt.Fprintf(&b, "recipient %s\n  field:%s.t.* %s\n", name, dataset, treatment)
		if name == "mask" || name == "truncate" || name == "generalise" {
			b.WriteString(opaque)
		}
	}
	return b.String()
}

// typeRows are a row of all values and one in which what may be null is null.
func typeRows(types []jsonType) (full, nulls string) {
	var a, b []string
	for _, c := range types {
		a = append(a, `"`+c.name+`":`+c.value+`,"n_`+c.name+`":`+c.value)
		b = append(b, `"`+c.name+`":`+c.value+`,"n_`+c.name+`":null`)
	}
	return "{" + strings.Join(a, ",") + "}", "{" + strings.Join(b, ",") + "}"
}

// typesTreated checks the two rows of each recipient. That payload and schema
// agree, show has checked.
func (f *forms) typesTreated(form string, types []jsonType) {
	f.t.Helper()
	f.held(form)
	for _, recipient := range []string{"pass", "drop", "null", "constant", "token", "mask", "truncate", "generalise"} {
		out := f.out(recipient, form)
		if len(out) != 2 {
			f.t.Errorf("%s has %d records", recipient, len(out))
			continue
		}
		for i, r := range out {
			_, text, _ := strings.Cut(f.show(recipient, form, r), " → ")
			row := map[string]any{}
			d := json.NewDecoder(strings.NewReader(text))
			d.UseNumber()
			if err := d.Decode(&row); err != nil {
				f.t.Fatal(err)
			}
			for _, c := range types {
				for _, n := range []string{c.name, "n_" + c.name} {
					got, there := row[n]
					if ok := treatedAs(recipient, c, got, there, i == 1 && n != c.name); !ok {
						f.t.Errorf("%s of %s: %s became %v (there: %v)", recipient, form, n, got, there)
					}
				}
			}
		}
	}
}

func treatedAs(recipient string, c jsonType, got any, there, wasNull bool) bool {
	switch {
	case recipient == "drop":
		return !there
	case !there:
		return c.name == "by" && recipient != "pass" && recipient != "token"
	case recipient == "constant":
		return got == "hidden" || c.name == "by" && got == "aGlkZGVu"
	case wasNull || recipient == "null":
		return got == nil
	case recipient == "token":
		return got == "‹"+c.text+"›"
	case recipient == "mask":
		s, ok := got.(string)
		return ok && s != "" && strings.Trim(s, "*") == ""
	case recipient == "truncate", recipient == "generalise":
		return got == c.text[:1]
	}
	var want any
	d := json.NewDecoder(strings.NewReader(c.value))
	d.UseNumber()
	return d.Decode(&want) == nil && want == got
}

// TestConnectTypesUnderEveryTreatment: payload and block stay in agreement.
func TestConnectTypesUnderEveryTreatment(t *testing.T) {
	f := newForms(t, typePolicy("block", connectTypes, "by"), Source{Topics: "block", Encoding: EncodingJSON, KeyEncoding: EncodingJSON, SchemaBlock: true})
	var fields []string
	for _, c := range connectTypes {
		f.knows = append(f.knows, c.text)
		fields = append(fields, `{"field":"`+c.name+`","optional":false,`+c.schema+`}`, `{"field":"n_`+c.name+`","optional":true,`+strings.Replace(c.schema, `,"default":"none"`, "", 1)+`}`)
	}
	f.knows[len(f.knows)-2] = "17" // a text with quotes is checked by hand
	block := `{"type":"struct","optional":false,"name":"All","fields":[` + strings.Join(fields, ",") + `]}`
	full, nulls := typeRows(connectTypes)
	f.put("block", jsonText("-", `{"schema":`+block+`,"payload":`+full+`}`, "-", `{"payload":`+nulls+`,"schema":`+block+`}`)...)
	f.drain()
	var checked []jsonType
	for _, c := range connectTypes {
		if c.name != "doc" {
			checked = append(checked, c)
		}
	}
	f.typesTreated("block", checked)
}

// TestJSONSchemaTypesUnderEveryTreatment: what narrowed the old values does not
// refuse the new ones.
func TestJSONSchemaTypesUnderEveryTreatment(t *testing.T) {
	f := newForms(t, typePolicy("js", schemaTypes), Source{Topics: "js", Encoding: EncodingConfluentJSON, KeyEncoding: EncodingConfluentJSON})
	var properties, required []string
	for _, c := range schemaTypes {
		f.knows = append(f.knows, c.text)
		properties = append(properties, `"`+c.name+`":{`+c.schema+`}`, `"n_`+c.name+`":{"oneOf":[{"type":"null"},{`+strings.Replace(c.schema, `["null","string"]`, `"string"`, 1)+`}]}`)
		required = append(required, `"`+c.name+`"`)
	}
	schema := `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","title":"All","properties":{` + strings.Join(properties, ",") + `},"required":[` + strings.Join(required, ",") + `],"additionalProperties":false}`
	full, nulls := typeRows(schemaTypes)
	id := f.register("js", schema, sr.TypeJSON)
	f.put("js", &kgo.Record{Value: framed(id, []byte(full))}, &kgo.Record{Value: framed(id, []byte(nulls))})
	f.drain()
	f.typesTreated("js", schemaTypes)
}
