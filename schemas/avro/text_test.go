package avro

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"weir/schemas"
)

func le64(f float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)) }
func le32(f float32) []byte { return binary.LittleEndian.AppendUint32(nil, math.Float32bits(f)) }

const (
	decimal2  = `{"type":"bytes","logicalType":"decimal","precision":21,"scale":2}`
	fixedDec  = `{"type":"fixed","name":"D","size":4,"logicalType":"decimal","precision":9,"scale":4}`
	fixedUUID = `{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}`
	duration  = `{"type":"fixed","name":"T","size":12,"logicalType":"duration"}`
	negScale  = `{"type":"bytes","connect.name":"org.apache.kafka.connect.data.Decimal","connect.parameters":{"scale":"-2"}}`
)

func semantic(typ, name string) string { return `{"type":"` + typ + `","connect.name":"` + name + `"}` }

func withLogical(typ, name string) string {
	return `{"type":"` + typ + `","logicalType":"` + name + `"}`
}

// textCases are types, values in binary and what contract 20 makes of them. Each
// is read and, unless it says otherwise, written back to the same bytes.
var textCases = []struct {
	name, schema string
	src          []byte
	kind         schemas.Kind
	text         string
	code         schemas.Code // of Text
	oneWay       bool         // the text is canonical, the bytes were not
}{
	{name: "true", schema: `"boolean"`, src: []byte{1}, kind: schemas.KindBool, text: "true"},
	{name: "false", schema: `"boolean"`, src: []byte{0}, kind: schemas.KindBool, text: "false"},
	{name: "int", schema: `"int"`, src: avroBytes(math.MinInt32), kind: schemas.KindInt, text: "-2147483648"},
	{name: "long", schema: `"long"`, src: avroBytes(math.MinInt64), kind: schemas.KindLong, text: "-9223372036854775808"},
	{name: "long max", schema: `"long"`, src: avroBytes(math.MaxInt64), kind: schemas.KindLong, text: "9223372036854775807"},
	{name: "string", schema: `"string"`, src: avroBytes("张伟 007"), kind: schemas.KindString, text: "张伟 007"},
	{name: "bytes", schema: `"bytes"`, src: avroBytes("\xff\x00"), kind: schemas.KindBytes, text: "\xff\x00"},
	{name: "double", schema: `"double"`, src: le64(1.5), kind: schemas.KindDouble, text: "1.5"},
	{name: "double whole", schema: `"double"`, src: le64(1e21), kind: schemas.KindDouble, text: "1000000000000000000000"},
	{name: "double small", schema: `"double"`, src: le64(1e-7), kind: schemas.KindDouble, text: "0.0000001"},
	{name: "minus zero", schema: `"double"`, src: le64(math.Copysign(0, -1)), kind: schemas.KindDouble, text: "0", oneWay: true},
	{name: "NaN", schema: `"double"`, src: le64(math.NaN()), kind: schemas.KindDouble, code: schemas.CodeNotANumber},
	{name: "infinite", schema: `"float"`, src: le32(float32(math.Inf(1))), kind: schemas.KindFloat, code: schemas.CodeNotANumber},
	{name: "float", schema: `"float"`, src: le32(0.1), kind: schemas.KindFloat, text: "0.1"},
	{name: "enum", schema: `{"type":"enum","name":"E","symbols":["A","B"]}`, src: avroBytes(1), kind: schemas.KindEnum, text: "B"},
	{name: "fixed", schema: `{"type":"fixed","name":"F","size":2}`, src: []byte("\xfeb"), kind: schemas.KindFixed, text: "\xfeb"},
	{name: "decimal", schema: decimal2, src: avroBytes("\x01\x86\xa0"), kind: schemas.KindDecimal, text: "1000"},
	{name: "decimal fraction", schema: decimal2, src: avroBytes("\x01"), kind: schemas.KindDecimal, text: "0.01"},
	{name: "decimal negative", schema: decimal2, src: avroBytes("\xff\x38"), kind: schemas.KindDecimal, text: "-2"},
	{name: "decimal long form", schema: decimal2, src: avroBytes("\xff\xff\x38"), kind: schemas.KindDecimal, text: "-2", oneWay: true},
	{name: "decimal empty", schema: decimal2, src: avroBytes(""), kind: schemas.KindDecimal, text: "0", oneWay: true},
	{name: "decimal big", schema: decimal2, src: avroBytes("\x05\x6b\xc7\x5e\x2d\x63\x10\x00\x00"), kind: schemas.KindDecimal, text: "1000000000000000000"},
	{name: "decimal big negative", schema: decimal2, src: avroBytes("\xfa\x94\x38\xa1\xd2\x9c\xf0\x00\x00"), kind: schemas.KindDecimal, text: "-1000000000000000000"},
	{name: "decimal too long", schema: decimal2, src: avroBytes(strings.Repeat("\x7f", 417)), kind: schemas.KindDecimal, code: schemas.CodeNumber},
	{name: "decimal too long by digits", schema: decimal2, src: avroBytes(strings.Repeat("\x7f", 416)), kind: schemas.KindDecimal, code: schemas.CodeNumber},
	{name: "decimal padded", schema: decimal2, src: avroBytes(strings.Repeat("\x00", 500) + "\x7f"), kind: schemas.KindDecimal, text: "1.27", oneWay: true},
	{name: "decimal fixed", schema: fixedDec, src: []byte{0xff, 0xff, 0xff, 0xff}, kind: schemas.KindDecimal, text: "-0.0001"},
	{name: "decimal negative scale", schema: negScale, src: avroBytes("\x07"), kind: schemas.KindDecimal, text: "700"},
	{name: "uuid", schema: withLogical("string", "uuid"), src: avroBytes("01234567-89ab-cdef-0123-456789abcdef"), kind: schemas.KindUUID, text: "01234567-89ab-cdef-0123-456789abcdef"},
	{name: "uuid upper", schema: withLogical("string", "uuid"), src: avroBytes("01234567-89AB-cdef-0123-456789abcdef"), kind: schemas.KindUUID, text: "01234567-89ab-cdef-0123-456789abcdef", oneWay: true},
	{name: "uuid wrong", schema: withLogical("string", "uuid"), src: avroBytes("01234567089ab-cdef-0123-456789abcdef"), kind: schemas.KindUUID, code: schemas.CodeType},
	{name: "uuid fixed", schema: fixedUUID, src: []byte("\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef"), kind: schemas.KindUUID, text: "01234567-89ab-cdef-0123-456789abcdef"},
	{name: "duration", schema: duration, src: []byte{1, 0, 0, 0, 2, 0, 0, 0, 255, 255, 255, 255}, kind: schemas.KindDuration, text: "1,2,4294967295"},
	{name: "date", schema: withLogical("int", "date"), src: avroBytes(19_782), kind: schemas.KindDate, text: "2024-02-29"},
	{name: "date before 1970", schema: withLogical("int", "date"), src: avroBytes(-1), kind: schemas.KindDate, text: "1969-12-31"},
	{name: "date year 0", schema: withLogical("int", "date"), src: avroBytes(-719_528), kind: schemas.KindDate, text: "0000-01-01"},
	{name: "date before 0", schema: withLogical("int", "date"), src: avroBytes(-719_529), kind: schemas.KindDate, text: "-0001-12-31"},
	{name: "date last", schema: withLogical("int", "date"), src: avroBytes(math.MaxInt32), kind: schemas.KindDate, text: "+5881580-07-11"},
	{name: "time ms", schema: withLogical("int", "time-millis"), src: avroBytes(45_296_780), kind: schemas.KindTime, text: "12:34:56.78"},
	{name: "time µs", schema: withLogical("long", "time-micros"), src: avroBytes(1), kind: schemas.KindTime, text: "00:00:00.000001"},
	{name: "time MySQL", schema: semantic("long", "io.debezium.time.MicroTime"), src: avroBytes(-3_020_399_000_000), kind: schemas.KindTime, text: "-838:59:59"},
	{name: "time ns", schema: semantic("long", "io.debezium.time.NanoTime"), src: avroBytes(-1), kind: schemas.KindTime, text: "-00:00:00.000000001"},
	{name: "time least", schema: semantic("long", "io.debezium.time.NanoTime"), src: avroBytes(math.MinInt64), kind: schemas.KindTime, text: "-2562047:47:16.854775808"},
	{name: "instant ms", schema: withLogical("long", "timestamp-millis"), src: avroBytes(1_709_210_096_700), kind: schemas.KindInstant, text: "2024-02-29T12:34:56.7Z"},
	{name: "instant µs", schema: withLogical("long", "timestamp-micros"), src: avroBytes(-1), kind: schemas.KindInstant, text: "1969-12-31T23:59:59.999999Z"},
	{name: "instant ns", schema: withLogical("long", "timestamp-nanos"), src: avroBytes(math.MinInt64), kind: schemas.KindInstant, text: "1677-09-21T00:12:43.145224192Z"},
	{name: "instant far", schema: withLogical("long", "timestamp-millis"), src: avroBytes(math.MaxInt64), kind: schemas.KindInstant, text: "+292278994-08-17T07:12:55.807Z"},
	{name: "local", schema: withLogical("long", "local-timestamp-micros"), src: avroBytes(86_400_000_000), kind: schemas.KindLocal, text: "1970-01-02T00:00:00"},
	{name: "local ns", schema: withLogical("long", "local-timestamp-nanos"), src: avroBytes(1), kind: schemas.KindLocal, text: "1970-01-01T00:00:00.000000001"},
	{name: "local ms", schema: withLogical("long", "local-timestamp-millis"), src: avroBytes(1), kind: schemas.KindLocal, text: "1970-01-01T00:00:00.001"},
	{name: "Debezium date", schema: semantic("int", "io.debezium.time.Date"), src: avroBytes(0), kind: schemas.KindDate, text: "1970-01-01"},
	{name: "Debezium timestamp", schema: semantic("long", "io.debezium.time.MicroTimestamp"), src: avroBytes(1_000), kind: schemas.KindLocal, text: "1970-01-01T00:00:00.001"},
	{name: "Connect timestamp", schema: semantic("long", "org.apache.kafka.connect.data.Timestamp"), src: avroBytes(5), kind: schemas.KindInstant, text: "1970-01-01T00:00:00.005Z"},
	{name: "zoned", schema: semantic("string", "io.debezium.time.ZonedTimestamp"), src: avroBytes("2024-02-29T20:34:56.120+08:00"), kind: schemas.KindInstant, text: "2024-02-29T12:34:56.12Z", oneWay: true},
	{name: "zoned UTC", schema: semantic("string", "io.debezium.time.ZonedTimestamp"), src: avroBytes("2024-02-29T12:34:56Z"), kind: schemas.KindInstant, text: "2024-02-29T12:34:56Z"},
	{name: "zoned without seconds", schema: semantic("string", "io.debezium.time.ZonedTimestamp"), src: avroBytes("2024-02-29T12:34-05:30"), kind: schemas.KindInstant, text: "2024-02-29T18:04:00Z", oneWay: true},
	{name: "zoned wrong", schema: semantic("string", "io.debezium.time.ZonedTimestamp"), src: avroBytes("yesterday"), kind: schemas.KindInstant, code: schemas.CodeType},
	{name: "zoned time is text", schema: semantic("string", "io.debezium.time.ZonedTime"), src: avroBytes("12:00Z"), kind: schemas.KindString, text: "12:00Z"},
	{name: "name on another type", schema: semantic("string", "io.debezium.time.Date"), src: avroBytes("x"), kind: schemas.KindString, text: "x"},
	{name: "logical type on another type", schema: withLogical("long", "date"), src: avroBytes(7), kind: schemas.KindLong, text: "7"},
	{name: "decimal without precision", schema: withLogical("bytes", "decimal"), src: avroBytes("\x07"), kind: schemas.KindBytes, text: "\x07"},
	{name: "unknown logical type", schema: withLogical("long", "epoch"), src: avroBytes(7), kind: schemas.KindLong, text: "7"},
}

func TestText(t *testing.T) {
	for _, c := range textCases {
		t.Run(c.name, func(t *testing.T) {
			s := mustParse(t, c.schema)
			if len(s.Leaves) != 1 || s.Leaves[0].Kind != c.kind || s.Leaves[0].Path != "" {
				t.Fatalf("leaves %+v, want one of kind %v", s.Leaves, c.kind)
			}
			v := mustScan(t, s, c.src, wantAll(s))
			text, err := s.Codec.Text([]byte("~"), v, 0)
			if codeOf(t, err) != c.code || string(text) != "~"+c.text {
				t.Fatalf("got %q, %v; want %q, code %q", text, err, c.text, c.code)
			}
			if c.code != "" || c.oneWay {
				return
			}
			out, err := s.Codec.Splice(nil, v, mustDerive(t, s), []schemas.Edit{{Data: []byte(c.text)}})
			if err != nil || string(out) != string(c.src) {
				t.Fatalf("writing %q gave %x, %v; want %x", c.text, out, err, c.src)
			}
		})
	}
}

// TestEncodeRefuses: text that is not of the kind never becomes a value.
func TestEncodeRefuses(t *testing.T) {
	uuid, zoned := withLogical("string", "uuid"), semantic("string", "io.debezium.time.ZonedTimestamp")
	cases := []struct {
		schema string
		texts  string // separated by spaces; _ is the empty text
		code   schemas.Code
	}{
		{`"boolean"`, "_ TRUE 1 truefalse", schemas.CodeType},
		{`"int"`, "_ - 1.0 +1 0x1 1e3 2147483648 -2147483649 ١", schemas.CodeType},
		{`"long"`, "9223372036854775808 -9223372036854775809 18446744073709551616 99999999999999999999", schemas.CodeType},
		{`"double"`, "_ . 1. .5 NaN Inf 1e5 0x1p4 -", schemas.CodeType},
		{`"float"`, "1" + strings.Repeat("0", 60), schemas.CodeType},
		{`"double"`, "1" + strings.Repeat("0", 1100), schemas.CodeNumber},
		{`"string"`, "\xff", schemas.CodeUTF8},
		{`"string"`, strings.Repeat("a", 100) + "\xff", schemas.CodeUTF8},
		{decimal2, "_ 0.001 1e2 1,5 -. 12345678901234567890.00", schemas.CodeType},
		{decimal2, "1" + strings.Repeat("0", 1000), schemas.CodeNumber},
		{fixedDec, "300000", schemas.CodeType},
		{negScale, "710 7.1 7", schemas.CodeType},
		{`{"type":"enum","name":"E","symbols":["A","B"]}`, "_ C AB a", schemas.CodeBranch},
		{`{"type":"fixed","name":"F","size":2}`, "_ a abc", schemas.CodeType},
		{uuid, "_ 0123456789abcdef0123456789abcdef g1234567-89ab-cdef-0123-456789abcdef", schemas.CodeType},
		{fixedUUID, "01234567-89ab-cdef-0123-456789abcde", schemas.CodeType},
		{duration, "_ 1,2 1,2,3,4 1,2,-3 1,2,4294967296", schemas.CodeType},
		{withLogical("int", "date"), "_ 2023-02-29 2024-13-01 2024-00-10 2024-1-1 24-01-01 2024-01-01T00:00:00 +5881580-07-12 2024-01-00", schemas.CodeType},
		{withLogical("int", "time-millis"), "_ 12:00 12:60:00 12:00:61 12:00:00. 12:00:00.0001 600:00:00:00 700000:00:00", schemas.CodeType},
		{withLogical("long", "timestamp-millis"), "2024-01-01 2024-01-01T00:00:00 2024-01-01T24:00:00Z 2024-01-01T00:00:00.0001Z 2024-01-01T00:00:00z +292278994-08-17T07:12:55.808Z", schemas.CodeType},
		{withLogical("long", "local-timestamp-millis"), "2024-01-01T00:00:00Z", schemas.CodeType},
		{zoned, "2024-01-01T00:00:00 now", schemas.CodeType},
	}
	for _, c := range cases {
		w := mustParse(t, c.schema).Codec.(*codec).wires[0]
		for text := range strings.SplitSeq(c.texts, " ") {
			text = strings.Replace(text, "_", "", 1)
			if out, code := appendValue(nil, []byte(text), &w); code != c.code {
				t.Errorf("%s: %q gave %x, code %q; want %q", c.schema, text, out, code, c.code)
			}
		}
	}
}
