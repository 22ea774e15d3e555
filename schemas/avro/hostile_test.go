package avro

import (
	"bytes"
	"encoding/binary"
	"math"
	"runtime"
	"strings"
	"testing"

	"weir/schemas"
)

// hostile are payloads made to hurt: a few bytes that ask for gigabytes, hours or
// a deep stack.
func hostile() []hostileCase {
	v := func(n int64) []byte { return binary.AppendVarint(nil, n) }
	chain := `{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}`
	arrays := `{"type":"record","name":"T","fields":[{"name":"kids","type":{"type":"array","items":"T"}}]}`
	nulls := `{"type":"array","items":"null"}`
	empties := `{"type":"map","values":{"type":"record","name":"E","fields":[]}}`
	return []hostileCase{
		{"array of 2^30 ints", `{"type":"array","items":"int"}`, v(1 << 30), schemas.CodeTruncated},
		{"array of 2^62 strings", `{"type":"array","items":"string"}`, v(1 << 62), schemas.CodeTruncated},
		{"map of 2^30", `{"type":"map","values":"null"}`, v(1 << 30), schemas.CodeTruncated},
		{"least count", nulls, append(v(math.MinInt64), 0), schemas.CodeMalformed},
		{"2^30 nulls", nulls, append(v(1<<30), 0), schemas.CodeTooLarge},
		{"2^30 nulls with size", nulls, append(append(v(-1<<30), 0), 0), schemas.CodeTooLarge},
		{"many blocks of nulls", nulls, append(bytes.Repeat(v(1<<15), 3), 0), schemas.CodeTooLarge},
		{"more spans than allowed", `{"type":"array","items":["null","int"]}`,
			append(append(v(schemas.MaxSpans+1), make([]byte, schemas.MaxSpans+1)...), 0), schemas.CodeTooLarge},
		{"empty records", empties, v(1 << 40), schemas.CodeTruncated},
		{"string of 2^40", `"string"`, v(1 << 40), schemas.CodeTruncated},
		{"string of 2^62", `"string"`, v(1 << 62), schemas.CodeTruncated},
		{"negative length", `"bytes"`, v(-1), schemas.CodeMalformed},
		{"varint of 11 bytes", `"long"`, bytes.Repeat([]byte{0x80}, 11), schemas.CodeMalformed},
		{"varint of 65 bits", `"long"`, append(bytes.Repeat([]byte{0xff}, 9), 2), schemas.CodeMalformed},
		{"int of 33 bits", `"int"`, v(1 << 31), schemas.CodeMalformed},
		{"int of 6 bytes", `"int"`, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0}, schemas.CodeMalformed},
		{"no branch", `["null","int"]`, nil, schemas.CodeTruncated},
		{"branch too high", `["null","int"]`, v(2), schemas.CodeBranch},
		{"branch too high of three", `["null","int","long"]`, v(3), schemas.CodeBranch},
		{"branch below 0", `["null","int"]`, v(-1), schemas.CodeBranch},
		{"symbol too high", `{"type":"enum","name":"E","symbols":["A"]}`, v(1), schemas.CodeBranch},
		{"symbol below 0", `{"type":"enum","name":"E","symbols":["A"]}`, v(-1), schemas.CodeBranch},
		{"boolean 2", `"boolean"`, []byte{2}, schemas.CodeMalformed},
		{"not UTF-8", `"string"`, avroBytes("\xed\xa0\x80"), schemas.CodeUTF8},
		{"key not UTF-8", `{"type":"map","values":"int"}`, avroBytes(1, "\xff", 1, 0), schemas.CodeUTF8},
		{"block size too small", `{"type":"array","items":"int"}`, avroBytes(-2, 1, 5, 6, 0), schemas.CodeMalformed},
		{"block size too large", `{"type":"array","items":"int"}`, avroBytes(-1, 2, 5, 0), schemas.CodeMalformed},
		{"block size beyond the end", `{"type":"array","items":"int"}`, avroBytes(-1, 1<<40, 5, 0), schemas.CodeTruncated},
		{"block size below 0", `{"type":"array","items":"int"}`, avroBytes(-1, -1, 5, 0), schemas.CodeTruncated},
		{"chain too deep", chain, bytes.Repeat([]byte{2}, 1<<20), schemas.CodeTooDeep},
		{"tree too deep", arrays, bytes.Repeat([]byte{2}, 1<<20), schemas.CodeTooDeep},
		{"record that holds itself", `{"type":"record","name":"S","fields":[{"name":"s","type":"S"}]}`, nil, schemas.CodeTooDeep},
	}
}

type hostileCase struct {
	name, schema string
	src          []byte
	code         schemas.Code
}

func TestHostilePayloads(t *testing.T) {
	for _, c := range hostile() {
		t.Run(c.name, func(t *testing.T) {
			s := mustParse(t, c.schema)
			for _, want := range []*schemas.Wanted{wantAll(s), wantPaths(s)} {
				v := &schemas.View{}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				err := s.Codec.Scan(v, c.src, want)
				runtime.ReadMemStats(&after)
				code := codeOf(t, err)
				if code != c.code && (want.Leaf[0] || code != "" && code != schemas.CodeTruncated) {
					t.Errorf("got %v, want %q", err, c.code)
				}
				limit := uint64(16<<20 + 256*len(c.src)) // growing arenas are counted whole
				if used := after.TotalAlloc - before.TotalAlloc; used > limit {
					t.Errorf("%d bytes allocated for %d", used, len(c.src))
				}
			}
		})
	}
}

func TestPayloadTooLarge(t *testing.T) {
	s := mustParse(t, `"bytes"`)
	if code := codeOf(t, s.Codec.Scan(&schemas.View{}, make([]byte, schemas.MaxPayload+1), wantAll(s))); code != schemas.CodeTooLarge {
		t.Errorf("%q", code)
	}
}

// nested is a schema text of n arrays inside each other.
func nested(n int) string {
	return strings.Repeat(`{"type":"array","items":`, n) + `"int"` + strings.Repeat("}", n)
}

// doubling is a schema whose expansion has 2^n leaves.
func doubling(n int) string {
	text := `{"type":"record","name":"R0","fields":[{"name":"x","type":"int"}]}`
	for i := range n {
		name := string(rune('A' + i))
		text = `{"type":"record","name":"` + name + `","fields":[{"name":"a","type":` + text + `},{"name":"b","type":"` +
			map[bool]string{true: "R0", false: string(rune('A' + i - 1))}[i == 0] + `"}]}`
	}
	return text
}

func TestParseRefuses(t *testing.T) {
	cases := map[string]string{
		"nothing": "", "not JSON": "{", "a number": "7", "a bare word": "string", "two values": `"int" "int"`,
		"an unknown name": `"strin"`, "no type": `{"name":"x"}`, "type of a wrong kind": `{"type":7}`,
		"duplicate member":      `{"type":"int","type":"long"}`,
		"an empty union":        `[]`,
		"a union in a union":    `["int",["long"]]`,
		"a branch twice":        `["int",{"type":"int"}]`,
		"two arrays in a union": `[{"type":"array","items":"int"},{"type":"array","items":"long"}]`,
		"no items":              `{"type":"array"}`, "no values": `{"type":"map"}`,
		"no fields":          `{"type":"record","name":"R"}`,
		"a field twice":      `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}`,
		"a field's bad name": `{"type":"record","name":"R","fields":[{"name":"a-b","type":"int"}]}`,
		"a type twice":       `{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"fixed","name":"R","size":1}}]}`,
		"a primitive's name": `{"type":"fixed","name":"int","size":1}`,
		"a bad namespace":    `{"type":"fixed","name":"F","namespace":"a..b","size":1}`,
		"a namespace number": `{"type":"fixed","name":"F","namespace":7,"size":1}`,
		"no size":            `{"type":"fixed","name":"F"}`, "a negative size": `{"type":"fixed","name":"F","size":-1}`,
		"a huge size": `{"type":"fixed","name":"F","size":1073741824}`,
		"no symbols":  `{"type":"enum","name":"E","symbols":[]}`, "a symbol twice": `{"type":"enum","name":"E","symbols":["A","A"]}`,
		"a bad symbol": `{"type":"enum","name":"E","symbols":["A b"]}`,
		"too deep":     nested(schemas.MaxDepth + 1), "far too deep": nested(100_000), "too many leaves": doubling(20),
	}
	for name, text := range cases {
		if _, err := Parse(text); codeOf(t, err) != schemas.CodeSchema {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse(`"int"`, `{`); codeOf(t, err) != schemas.CodeSchema {
		t.Errorf("a bad reference: %v", err)
	}
}

func TestParseAccepts(t *testing.T) {
	cases := map[string]string{
		"letters of any script":  `{"type":"record","name":"客户","fields":[{"name":"手机号","type":"string"}]}`,
		"nested type":            `{"type":{"type":"array","items":{"type":"int"}}}`,
		"error record":           `{"type":"error","name":"E","fields":[]}`,
		"null namespace":         `{"type":"record","name":"a.R","fields":[{"name":"f","type":{"type":"fixed","name":"F","namespace":null,"size":0}},{"name":"g","type":"F"}]}`,
		"reference as an object": `{"type":"record","name":"a.R","fields":[{"name":"f","type":["null",{"type":"R"}]}]}`,
		"deep":                   nested(schemas.MaxDepth),
	}
	for name, text := range cases {
		if _, err := Parse(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
