package avro

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/schemas"
	"weir/schemas/codectest"
)

const conformanceSchema = `{"type":"record","name":"shop.Row","fields":[
	{"name":"id","type":"long"},{"name":"name","type":"string"},{"name":"phone","type":["null","string"],"default":null},
	{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":2}},
	{"name":"fee","type":["null",{"type":"fixed","name":"Fee","size":8,"logicalType":"decimal","precision":18,"scale":4}]},
	{"name":"ratio","type":"float"},{"name":"score","type":["double","null"]},{"name":"flag","type":"boolean"},
	{"name":"level","type":"int"},{"name":"grade","type":{"type":"enum","name":"Grade","symbols":["LOW","HIGH"]}},
	{"name":"raw","type":"bytes"},{"name":"hash","type":{"type":"fixed","name":"Hash","size":4}},
	{"name":"uid","type":{"type":"string","logicalType":"uuid"}},
	{"name":"day","type":{"type":"int","logicalType":"date"}},
	{"name":"tod","type":{"type":"int","logicalType":"time-millis"}},
	{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
	{"name":"zoned","type":["null",{"type":"string","connect.name":"io.debezium.time.ZonedTimestamp"}]},
	{"name":"local","type":{"type":"long","logicalType":"local-timestamp-millis"}},
	{"name":"span","type":{"type":"fixed","name":"Span","size":12,"logicalType":"duration"}},
	{"name":"either","type":["null","long","string"]},
	{"name":"tags","type":{"type":"array","items":"string"}},
	{"name":"attrs","type":{"type":"map","values":["null","int"]}},
	{"name":"addr","type":["null",{"type":"record","name":"Addr","fields":[
		{"name":"city","type":"string"},{"name":"lines","type":{"type":"array","items":{"type":"map","values":"string"}}}]}]},
	{"name":"end","type":["null","string"]}]}`

func float32Bytes(f float32) []byte {
	return binary.LittleEndian.AppendUint32(nil, math.Float32bits(f))
}
func float64Bytes(f float64) []byte {
	return binary.LittleEndian.AppendUint64(nil, math.Float64bits(f))
}

func conformanceDocs() []codectest.Doc {
	span := []byte{1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0}
	entry := avroBytes("k1", "v1", "k2", "v2")
	lines := avroBytes(-2, len(entry), entry, 0)
	full := avroBytes(7, "canary-1", 1, "canary-2", 2, []byte{0x04, 0xd2}, 1, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xcf, 0xc7},
		float32Bytes(0.1), 0, float64Bytes(-1e21), []byte{1}, -3, 1, 2, []byte{0xff, 0}, []byte("hash"), "7D444840-9dc0-11d1-b245-5ffdce74fad2",
		-1, 3723004, 1700000000123456, 1, "2024-01-01T01:00:00.5+01:00", -1, span, 2, "canary-3",
		2, "t1", "t2", -1, 3, "t3", 0, 2, "a", 1, 5, "b", 0, 0, 1, "canary-4", -1, len(lines), lines, 0, 1, "canary-5")
	empty := avroBytes(0, "canary", 0, 1, []byte{0}, 0, float32Bytes(0), 1, []byte{0}, 0, 0, 0, []byte{0, 0, 0, 0},
		"00000000-0000-0000-0000-000000000000", 0, 0, 0, 0, 0, make([]byte, 12), 0, 0, 0, 0, 0)
	return []codectest.Doc{{Name: "full", Payload: full, Want: []string{`id long "7"`, `name string "canary-1"`, `phone string "canary-2"`,
		`amount decimal "12.34"`, `fee decimal "-1.2345"`, `ratio float "0.1"`, `score double "-1000000000000000000000"`, `flag bool "true"`,
		`level int "-3"`, `grade enum "HIGH"`, `raw bytes "\xff\x00"`, `hash fixed "hash"`, `uid uuid "7d444840-9dc0-11d1-b245-5ffdce74fad2"`,
		`day date "1969-12-31"`, `tod time "01:02:03.004"`, `at instant "2023-11-14T22:13:20.123456Z"`, `zoned instant "2024-01-01T00:00:00.5Z"`,
		`local local "1969-12-31T23:59:59.999"`, `span duration "1,2,3"`, `either string "canary-3"`, `tags array …`, `tags[] string "t1"`,
		`tags[] string "t2"`, `tags[] string "t3"`, `attrs map …`, `attrs{#} string "a"`, `attrs{} int "5"`, `attrs{#} string "b"`, `attrs{} int null`,
		`addr record …`, `addr.city string "canary-4"`, `addr.lines array …`, `addr.lines[] map …`, `addr.lines[]{#} string "k1"`, `addr.lines[]{} string "v1"`,
		`addr.lines[]{#} string "k2"`, `addr.lines[]{} string "v2"`, `end string "canary-5"`}},
		{Name: "empty", Payload: empty, Want: []string{`id long "0"`, `name string "canary"`, `phone string null`, `amount decimal "0"`,
			`fee decimal null`, `ratio float "0"`, `score double null`, `flag bool "false"`, `level int "0"`, `grade enum "LOW"`, `raw bytes ""`,
			`hash fixed "\x00\x00\x00\x00"`, `uid uuid "00000000-0000-0000-0000-000000000000"`, `day date "1970-01-01"`, `tod time "00:00:00"`,
			`at instant "1970-01-01T00:00:00Z"`, `zoned instant null`, `local local "1970-01-01T00:00:00"`, `span duration "0,0,0"`, `either long null`,
			`tags array …`, `attrs map …`, `addr record null`, `end string null`}}}
}

func TestConformance(t *testing.T) {
	codectest.Run(t, codectest.Subject{
		Schema: func(t testing.TB) *schemas.Schema { return mustParse(t, conformanceSchema) },
		Docs:   conformanceDocs(),
		Reopen: func(t testing.TB, _ *schemas.Schema, shape schemas.Shape) *schemas.Schema {
			return mustParse(t, shape.Schema())
		},
		Trailing:  []string{"\x00", "\x02canary", "\xff"},
		Spellings: avroSpellings,
		Bad: map[string]codectest.Bad{
			"nothing":         {Payload: nil, Code: schemas.CodeTruncated},
			"endless varint":  {Payload: []byte(strings.Repeat("\xff", 20)), Code: schemas.CodeMalformed},
			"negative length": {Payload: avroBytes(7, -1), Code: schemas.CodeMalformed},
			"huge length":     {Payload: avroBytes(7, 1<<40), Code: schemas.CodeTruncated},
			"no such branch":  {Payload: avroBytes(7, "canary", 2), Code: schemas.CodeBranch},
		},
	})
}

// avroSpellings writes a value without help of this package's encoder.
func avroSpellings(t testing.TB, v codectest.Value) []codectest.Spelling {
	var out []codectest.Spelling
	add := func(typ string, value []byte) {
		for _, field := range []string{typ, `["null",` + typ + `]`} {
			s := mustParse(t, `{"type":"record","name":"R","fields":[{"name":"v","type":`+field+`}]}`)
			payload := value
			if field != typ {
				payload = append([]byte{2}, value...)
			}
			out = append(out, codectest.Spelling{Name: field, Schema: s, Payload: payload, Path: "v"})
		}
	}
	switch v.Kind {
	case schemas.KindInt, schemas.KindLong:
		n, err := strconv.ParseInt(v.Text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		add(`"`+v.Kind.String()+`"`, avroBytes(int(n)))
	case schemas.KindFloat:
		f, _ := strconv.ParseFloat(v.Text, 32)
		add(`"float"`, float32Bytes(float32(f)))
	case schemas.KindDouble:
		f, _ := strconv.ParseFloat(v.Text, 64)
		add(`"double"`, float64Bytes(f))
	case schemas.KindDecimal:
		decimalSpellings(t, v.Text, add)
	case schemas.KindBool:
		add(`"boolean"`, map[string][]byte{"true": {1}, "false": {0}}[v.Text])
	case schemas.KindString:
		add(`"string"`, avroBytes(v.Text))
	case schemas.KindBytes:
		add(`"bytes"`, avroBytes(v.Text))
		if v.Text != "" {
			add(`{"type":"fixed","name":"F","size":`+strconv.Itoa(len(v.Text))+`}`, []byte(v.Text))
		}
	case schemas.KindUUID:
		add(`{"type":"string","logicalType":"uuid"}`, avroBytes(v.Text))
		add(`{"type":"string","connect.name":"io.debezium.data.Uuid"}`, avroBytes(strings.ToUpper(v.Text)))
		raw, ok := new(big.Int).SetString(strings.ReplaceAll(v.Text, "-", ""), 16)
		if !ok {
			t.Fatal(v.Text)
		}
		add(`{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}`, raw.FillBytes(make([]byte, 16)))
	case schemas.KindDate, schemas.KindTime, schemas.KindInstant, schemas.KindLocal:
		timeSpellings(t, v, add)
	}
	return out
}

func decimalSpellings(t testing.TB, text string, add func(string, []byte)) {
	whole, frac, _ := strings.Cut(text, ".")
	for _, more := range []int{0, 3} {
		n, ok := new(big.Int).SetString(whole+frac+strings.Repeat("0", more), 10)
		if !ok {
			t.Fatal(text)
		}
		logical := `"logicalType":"decimal","precision":320,"scale":` + strconv.Itoa(len(frac)+more)
		const size = 140
		fixed := new(big.Int).Set(n)
		if n.Sign() < 0 {
			fixed.Add(fixed, new(big.Int).Lsh(big.NewInt(1), 8*size))
		}
		b := fixed.FillBytes(make([]byte, size))
		add(`{"type":"fixed","name":"F","size":140,`+logical+`}`, b)
		least := n.BitLen()/8 + 1
		add(`{"type":"bytes",`+logical+`}`, avroBytes(string(b[size-least:])))
		add(`{"type":"bytes","connect.name":"org.apache.kafka.connect.data.Decimal","connect.parameters":{"scale":"`+
			strconv.Itoa(len(frac)+more)+`"},`+logical+`}`, avroBytes(string(b[size-least-2:])))
	}
}

// timeSpellings counts in each unit that is fine enough.
func timeSpellings(t testing.TB, v codectest.Value, add func(string, []byte)) {
	layout := map[schemas.Kind]string{schemas.KindDate: "2006-01-02", schemas.KindTime: "15:04:05.999999999",
		schemas.KindInstant: "2006-01-02T15:04:05.999999999Z", schemas.KindLocal: "2006-01-02T15:04:05.999999999"}[v.Kind]
	at, err := time.Parse(layout, v.Text)
	if err != nil {
		t.Fatal(err)
	}
	sec, nanos := at.Unix(), at.Nanosecond()
	switch v.Kind {
	case schemas.KindDate:
		for _, typ := range []string{`"logicalType":"date"`, `"connect.name":"io.debezium.time.Date"`, `"connect.name":"org.apache.kafka.connect.data.Date"`} {
			add(`{"type":"int",`+typ+`}`, avroBytes(int(sec/86400)))
		}
		return
	case schemas.KindTime:
		sec = int64(at.Hour()*3600 + at.Minute()*60 + at.Second())
	case schemas.KindInstant:
		const zoned = `{"type":"string","connect.name":"io.debezium.time.ZonedTimestamp"}`
		add(zoned, avroBytes(v.Text))
		add(zoned, avroBytes(at.In(time.FixedZone("", 8*3600)).Format("2006-01-02T15:04:05.000000000-07:00")))
	}
	for _, unit := range []struct {
		fraction int64
		types    map[schemas.Kind][]string
	}{
		{1e3, map[schemas.Kind][]string{
			schemas.KindTime:    {`{"type":"int","logicalType":"time-millis"}`, `{"type":"int","connect.name":"io.debezium.time.Time"}`},
			schemas.KindInstant: {`{"type":"long","logicalType":"timestamp-millis"}`, `{"type":"long","connect.name":"org.apache.kafka.connect.data.Timestamp"}`},
			schemas.KindLocal:   {`{"type":"long","logicalType":"local-timestamp-millis"}`, `{"type":"long","connect.name":"io.debezium.time.Timestamp"}`}}},
		{1e6, map[schemas.Kind][]string{
			schemas.KindTime:    {`{"type":"long","logicalType":"time-micros"}`, `{"type":"long","connect.name":"io.debezium.time.MicroTime"}`},
			schemas.KindInstant: {`{"type":"long","logicalType":"timestamp-micros"}`},
			schemas.KindLocal:   {`{"type":"long","logicalType":"local-timestamp-micros"}`, `{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}`}}},
		{1e9, map[schemas.Kind][]string{
			schemas.KindTime:    {`{"type":"long","connect.name":"io.debezium.time.NanoTime"}`},
			schemas.KindInstant: {`{"type":"long","logicalType":"timestamp-nanos"}`},
			schemas.KindLocal:   {`{"type":"long","logicalType":"local-timestamp-nanos"}`, `{"type":"long","connect.name":"io.debezium.time.NanoTimestamp"}`}}},
	} {
		step := int64(1e9) / unit.fraction
		if int64(nanos)%step != 0 {
			continue
		}
		for _, typ := range unit.types[v.Kind] {
			add(typ, avroBytes(int(sec*unit.fraction+int64(nanos)/step)))
		}
	}
}
