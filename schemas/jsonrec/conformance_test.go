package jsonrec

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/schemas"
	"weir/schemas/codectest"
)

var trailing = []string{"x", "{}", "0", `"canary"`, ",", "}", "\x00"}

func schemalessPaths() []Path {
	one := func(kind schemas.Kind, names ...string) Path { return Path{Steps: names, Kind: kind} }
	return []Path{one(schemas.KindLong, "id"), one(schemas.KindAny, "name"), one(schemas.KindAny, "n"), one(schemas.KindAny, "flag"),
		one(schemas.KindString, "a.b"), one(schemas.KindInt, "level"), one(schemas.KindFloat, "ratio"), one(schemas.KindDouble, "score"),
		one(schemas.KindNumber, "big"), one(schemas.KindDecimal, "paid"), one(schemas.KindBool, "ok"), one(schemas.KindBytes, "raw"),
		one(schemas.KindUUID, "uid"), one(schemas.KindDate, "day"), one(schemas.KindTime, "tod"), one(schemas.KindInstant, "at"),
		one(schemas.KindLocal, "local"), one(schemas.KindAny, "tags", "[]"), one(schemas.KindAny, "attrs", "{}"),
		one(schemas.KindString, "addr", "city"), one(schemas.KindAny, "addr", "lines", "[]", "{}", "x"), one(schemas.KindAny, "end")}
}

func TestConformanceSchemaless(t *testing.T) {
	const full = "\t{\"id\" : 7.0e0,\"na\\u006de\":\"canary-1 \\u5ba2\\\"\", \"n\":-1.50E2,\"flag\":true,\"a.b\":\"canary\",\"level\":-3,\"ratio\":0.10,\n" +
		`"score":1e21,"big":12345678901234567890.50,"paid":99.90,"ok":false,"raw":"AP8=","uid":"7D444840-9dc0-11d1-b245-5ffdce74fad2",` +
		`"day":"2024-02-29","tod":"01:02:03.0040","at":"2024-01-01T01:00:00.5+01:00","local":"2024-01-01T01:00:00",` +
		`"tags":["t1", "", 3 ,null],"attrs":{"a":"x","b":2,"":null},"addr":{"city":"canary-2","lines":[{"k":{"x":"y"}},{}]},"end":"z"` + "\r\n}"
	codectest.Run(t, codectest.Subject{
		Schema:    func(t testing.TB) *schemas.Schema { return mustNew(t, schemalessPaths()) },
		Trailing:  trailing,
		Spellings: schemalessSpellings,
		Docs: []codectest.Doc{{Name: "full", Payload: []byte(full), Want: []string{`id long "7"`, `name string "canary-1 客\""`, `n number "-150"`,
			`flag bool "true"`, `a\.b string "canary"`, `level int "-3"`, `ratio float "0.1"`, `score double "1000000000000000000000"`,
			`big number "12345678901234567890.5"`, `paid decimal "99.9"`, `ok bool "false"`, `raw bytes "\x00\xff"`,
			`uid uuid "7d444840-9dc0-11d1-b245-5ffdce74fad2"`, `day date "2024-02-29"`, `tod time "01:02:03.004"`, `at instant "2024-01-01T00:00:00.5Z"`,
			`local local "2024-01-01T01:00:00"`, `tags array …`, `tags[] string "t1"`, `tags[] string ""`, `tags[] number "3"`, `tags[] null null`,
			`attrs map …`, `attrs{#} string "a"`, `attrs{} string "x"`, `attrs{#} string "b"`, `attrs{} number "2"`, `attrs{#} string ""`, `attrs{} null null`,
			`addr record …`, `addr.city string "canary-2"`, `addr.lines array …`, `addr.lines[] map …`, `addr.lines[]{#} string "k"`,
			`addr.lines[]{} record …`, `addr.lines[]{}.x string "y"`, `addr.lines[] map …`, `end string "z"`}},
			{Name: "twice", Payload: []byte(`{"name":"canary","name":2,"addr":null,"addr":{}}`),
				Want: []string{`name string "canary"`, `name number "2"`, `addr record null`, `addr record …`}}},
		Reopen: func(t testing.TB, s *schemas.Schema, shape schemas.Shape) *schemas.Schema {
			var list []Path
			for i := range s.Leaves {
				if !s.Leaves[i].Kind.Container() && !strings.HasSuffix(s.Leaves[i].Path, stepKey) {
					list = append(list, Path{Steps: s.Leaves[i].Names, Kind: shape.Kind(i)})
				}
			}
			return mustNew(t, list)
		},
		Bad: map[string]codectest.Bad{
			"nothing":        {Payload: nil, Code: schemas.CodeTruncated},
			"a scalar":       {Payload: []byte(`"canary"`), Code: schemas.CodeType},
			"lone surrogate": {Payload: []byte(`{"name":"\ud800canary"}`), Code: schemas.CodeUTF8},
			"not UTF-8":      {Payload: []byte("{\"canary\xff\":1}"), Code: schemas.CodeUTF8},
			"an object":      {Payload: []byte(`{"name":{"canary":1}}`), Code: schemas.CodeType},
			"deep":           {Payload: []byte(`{"canary":` + strings.Repeat("[", 200)), Code: schemas.CodeUndeclared},
			"leading zero":   {Payload: []byte(`{"n":01}`), Code: schemas.CodeMalformed},
			"a comma more":   {Payload: []byte(`{"n":1,}`), Code: schemas.CodeMalformed},
		},
		Unknown: &codectest.Unknown{Spans: 4, With: []byte(`{"canary1":{"name":[1]},"id":1,"canary2":"x","addr":{"canary3":null},"canary4":2}`),
			Without: []byte(`{"id":1,"addr":{}}`)},
	})
}

const conformanceJSONSchema = `{"type":"object","title":"shop.Row","required":["id"],"additionalProperties":false,"properties":{
	"id":{"type":"integer"},"name":{"type":"string"},"phone":{"oneOf":[{"type":"null"},{"type":"string"}]},
	"level":{"type":"integer","connect.type":"int32"},"ratio":{"type":"number","connect.type":"float32"},
	"score":{"type":["number","null"],"connect.type":"float64"},"big":{"type":"number"},"ok":{"type":"boolean"},
	"grade":{"type":"string","enum":["LOW","HIGH"]},"raw":{"type":"string","contentEncoding":"base64"},
	"uid":{"type":"string","format":"uuid"},"day":{"type":"string","format":"date"},"at":{"type":"string","format":"date-time"},
	"born":{"type":"integer","title":"io.debezium.time.Date","connect.type":"int32"},
	"ticks":{"type":"integer","title":"io.debezium.time.MicroTimestamp","connect.type":"int64"},
	"paid":{"type":"string","title":"org.apache.kafka.connect.data.Decimal","connect.type":"bytes","connect.parameters":{"scale":"2"}},
	"either":{"type":["string","integer"]},"tags":{"type":"array","items":{"type":"string"}},
	"attrs":{"type":"object","additionalProperties":{"type":["integer","null"]}},
	"addr":{"oneOf":[{"type":"null"},{"type":"object","properties":{"city":{"type":"string"},"lines":{"type":"array","items":{"type":"object","additionalProperties":{"type":"string"}}}}}]},
	"end":{"type":["string","null"]}}}`

func TestConformanceJSONSchema(t *testing.T) {
	codectest.Run(t, codectest.Subject{
		Schema: func(t testing.TB) *schemas.Schema { return mustSchema(t, conformanceJSONSchema) },
		Reopen: func(t testing.TB, _ *schemas.Schema, shape schemas.Shape) *schemas.Schema {
			return mustSchema(t, shape.Schema())
		},
		Trailing: trailing,
		Docs: []codectest.Doc{{Name: "full", Payload: []byte(`{"id":7,"name":"canary-1","phone":"canary\u002d2","level":-3,"ratio":0.1,"score":1e21,"big":0.50,` +
			`"ok":true,"grade":"LOW","raw":"AP8=","uid":"7D444840-9dc0-11d1-b245-5ffdce74fad2","day":"2024-02-29","at":"2024-01-01T01:00:00.5+01:00",` +
			`"born":-1,"ticks":1700000000000001,"paid":"A+g=","either":12,"tags":["t1","t2"],"attrs":{"a":1,"b":null},` +
			`"addr":{"city":"c","lines":[{"k1":"v1","k2":"v2"}]},"end":"z"}`), Want: []string{`id long "7"`, `name string "canary-1"`, `phone string "canary-2"`,
			`level int "-3"`, `ratio float "0.1"`, `score double "1000000000000000000000"`, `big number "0.5"`, `ok bool "true"`, `grade enum "LOW"`,
			`raw bytes "\x00\xff"`, `uid uuid "7d444840-9dc0-11d1-b245-5ffdce74fad2"`, `day date "2024-02-29"`, `at instant "2024-01-01T00:00:00.5Z"`,
			`born date "1969-12-31"`, `ticks local "2023-11-14T22:13:20.000001"`, `paid decimal "10"`, `either long "12"`, `tags array …`,
			`tags[] string "t1"`, `tags[] string "t2"`, `attrs map …`, `attrs{#} string "a"`, `attrs{} long "1"`, `attrs{#} string "b"`, `attrs{} long null`,
			`addr record …`, `addr.city string "c"`, `addr.lines array …`, `addr.lines[] map …`, `addr.lines[]{#} string "k1"`, `addr.lines[]{} string "v1"`,
			`addr.lines[]{#} string "k2"`, `addr.lines[]{} string "v2"`, `end string "z"`}},
			{Name: "few", Payload: []byte(`{"end":null,"either":"canary","addr":null,"id":1}`),
				Want: []string{`end string null`, `either string "canary"`, `addr record null`, `id long "1"`}}},
		Bad: map[string]codectest.Bad{
			"null":       {Payload: []byte(`{"name":null}`), Code: schemas.CodeType},
			"a number":   {Payload: []byte(`{"name":7}`), Code: schemas.CodeType},
			"an object":  {Payload: []byte(`{"name":{}}`), Code: schemas.CodeType},
			"not a list": {Payload: []byte(`{"tags":"canary"}`), Code: schemas.CodeType},
		},
		Unknown: &codectest.Unknown{Spans: 2, With: []byte(`{"id":1 ,"canary":"x", "canary2" : [null]}`), Without: []byte(`{"id":1 }`)},
	})
}

func TestConformanceConnect(t *testing.T) {
	payload := strings.NewReplacer(`"NaN"`, `-2.5`, `"138"`, `"canary-1"`, `{"x":null}`, `{"x":"canary-2"}`, `"i16":null`, `"i16":2`).Replace(everyTypePayload)
	nulls := strings.NewReplacer(`"NaN"`, `null`, `"138"`, `null`, `"p",null`, `"canary"`, `{"k":1}`, `{}`).Replace(everyTypePayload)
	want := []string{`i8 int "1"`, `i16 int "2"`, `i32 int "3"`, `i64 long "9007199254740993"`, `f float "0.1"`, `d double "-2.5"`, `b bool "true"`,
		`s string "canary-1"`, `bin bytes "\x00\xff"`, `dec decimal "10"`, `date date "2024-02-29"`, `mt time "01:02:03.000001"`,
		`ts instant "2023-11-14T22:13:20.123Z"`, `nts local "1969-12-31T23:59:59.999999999"`, `zts instant "2024-01-01T00:00:00Z"`,
		`uuid uuid "7d444840-9dc0-11d1-b245-5ffdce74fad2"`, `enum enum "a"`, `arr array …`, `arr[] string "p"`, `arr[] string null`,
		`m map …`, `m{#} string "k"`, `m{} int "1"`, `pairs map …`, `pairs{#} int "1"`, `pairs{} record …`, `pairs{}.v string "q"`,
		`pairs{#} int "2"`, `pairs{} record …`, `pairs{}.v string "r"`, `st record …`, `st.x string "canary-2"`}
	wantNulls := strings.Split(strings.NewReplacer(`i16 int "2"`, `i16 int null`, `"-2.5"`, `null`, `"canary-1"`, `null`, "arr[] string \"p\"\narr[] string null",
		`arr[] string "canary"`, "m{#} string \"k\"\nm{} int \"1\"\n", "", `"canary-2"`, `null`).Replace(strings.Join(want, "\n")), "\n")
	codectest.Run(t, codectest.Subject{
		Schema: func(t testing.TB) *schemas.Schema { return mustConnect(t, everyTypeBlock) },
		Reopen: func(t testing.TB, _ *schemas.Schema, shape schemas.Shape) *schemas.Schema {
			return mustConnect(t, shape.Schema())
		},
		Docs: []codectest.Doc{{Name: "full", Payload: []byte(envelope(everyTypeBlock, payload)), Want: want},
			{Name: "nulls", Payload: []byte(`{ "payload":` + nulls + ` , "schema":` + everyTypeBlock + `}`), Want: wantNulls}},
		Trailing: trailing,
		Fixed:    []string{"pairs{#}"},
		Bad: map[string]codectest.Bad{
			"another block": {Payload: []byte(envelope(`{"type":"string"}`, `"canary"`)), Code: schemas.CodeSchema},
			"no envelope":   {Payload: []byte(payload), Code: schemas.CodeUndeclared},
			"no payload":    {Payload: []byte(`{"schema":` + everyTypeBlock + `}`), Code: schemas.CodeMalformed},
		},
		Unknown: &codectest.Unknown{Spans: 2, With: []byte(envelope(everyTypeBlock, `{"canary":1,"b":true,"x":{"y":[]}}`)),
			Without: []byte(envelope(everyTypeBlock, `{"b":true}`))},
		Spellings: connectSpellings,
	})
}

// numbersOf are the same number in other digits.
func numbersOf(t testing.TB, text string) []string {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatal(text)
	}
	out := []string{text, text + "e0", text + "E+00"}
	if strings.Contains(text, ".") {
		out = append(out, text+"00", text+"0e-0")
	} else {
		out = append(out, text+".0", text+".000e0")
	}
	ten := big.NewRat(10, 1)
	up := new(big.Rat).Mul(r, ten)
	out = append(out, up.FloatString(len(text)+2)+"e-1", new(big.Rat).Quo(r, ten).FloatString(len(text)+2)+"E1")
	if text == "0" {
		out = append(out, "-0", "-0.0", "0e999999999999", "-0E-5")
	}
	return out
}

// floatsOf are the same float with more digits than it takes to read it back,
// as Java before 19 writes some.
func floatsOf(t testing.TB, kind schemas.Kind, text string) []string {
	bits, digits := 64, 16
	if kind == schemas.KindFloat {
		bits, digits = 32, 8
	}
	f, err := strconv.ParseFloat(text, bits)
	if err != nil {
		t.Fatal(err)
	}
	return append(numbersOf(t, text), strconv.FormatFloat(f, 'e', digits, bits), strconv.FormatFloat(f, 'E', -1, bits))
}

// jsonString is text as another implementation writes it, and with every
// character escaped.
func jsonString(t testing.TB, text string) []string {
	plain, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	var escaped strings.Builder
	for _, r := range text {
		if r > 0xffff {
			r -= 0x10000
			escaped.WriteString(`\u` + hex4(0xd800+r>>10) + `\u` + hex4(0xdc00+r&0x3ff))
			continue
		}
		escaped.WriteString(`\u` + hex4(r))
	}
	return []string{string(plain), `"` + escaped.String() + `"`}
}

func hex4(r rune) string {
	return ("0000" + strconv.FormatInt(int64(r), 16))[len(strconv.FormatInt(int64(r), 16)):]
}

func schemalessSpellings(t testing.TB, v codectest.Value) []codectest.Spelling {
	var texts []string
	kinds := []schemas.Kind{v.Kind}
	switch {
	case v.Kind == schemas.KindFloat || v.Kind == schemas.KindDouble:
		texts = floatsOf(t, v.Kind, v.Text)
	case v.Kind.Numeric():
		texts = numbersOf(t, v.Text)
		if v.Kind == schemas.KindNumber {
			kinds = append(kinds, schemas.KindAny)
		}
	case v.Kind == schemas.KindBool:
		texts, kinds = []string{v.Text}, append(kinds, schemas.KindAny)
	case v.Kind == schemas.KindBytes:
		texts = []string{`"` + base64.StdEncoding.EncodeToString([]byte(v.Text)) + `"`}
	case v.Kind == schemas.KindString:
		texts, kinds = jsonString(t, v.Text), append(kinds, schemas.KindAny)
	default:
		texts = jsonString(t, v.Text)
	}
	var out []codectest.Spelling
	for _, k := range kinds {
		for _, text := range texts {
			s := mustNew(t, []Path{{Steps: []string{"v"}, Kind: k}})
			out = append(out, codectest.Spelling{Name: k.String(), Schema: s, Payload: []byte(`{"v":` + text + `}`), Path: "v"})
		}
	}
	return out
}

func connectSpellings(t testing.TB, v codectest.Value) []codectest.Spelling {
	var out []codectest.Spelling
	add := func(typ, text string) {
		block := `{"type":"struct","fields":[{` + typ + `,"optional":true,"field":"v"}]}`
		out = append(out, codectest.Spelling{Name: typ, Schema: mustConnect(t, block), Payload: []byte(envelope(block, `{"v":`+text+`}`)), Path: "v"})
	}
	named := func(typ, name, text string) { add(`"type":"`+typ+`","name":"`+name+`"`, text) }
	switch v.Kind {
	case schemas.KindInt:
		add(`"type":"int32"`, v.Text)
	case schemas.KindLong:
		add(`"type":"int64"`, v.Text)
	case schemas.KindFloat, schemas.KindDouble:
		for _, text := range floatsOf(t, v.Kind, v.Text) {
			add(`"type":"`+v.Kind.String()+`"`, text)
		}
	case schemas.KindDecimal:
		connectDecimals(t, v.Text, add)
	case schemas.KindBool:
		add(`"type":"boolean"`, v.Text)
	case schemas.KindString:
		for _, text := range jsonString(t, v.Text) {
			add(`"type":"string"`, text)
		}
	case schemas.KindBytes:
		add(`"type":"bytes"`, `"`+base64.StdEncoding.EncodeToString([]byte(v.Text))+`"`)
	case schemas.KindUUID:
		named("string", "io.debezium.data.Uuid", `"`+strings.ToUpper(v.Text)+`"`)
	case schemas.KindDate, schemas.KindTime, schemas.KindInstant, schemas.KindLocal:
		connectTimes(t, v, named)
	}
	return out
}

// connectDecimals writes a decimal in base64, with more scale and more bytes than needed, and as a number.
func connectDecimals(t testing.TB, text string, add func(typ, text string)) {
	whole, frac, _ := strings.Cut(text, ".")
	for _, more := range []int{0, 3} {
		n, ok := new(big.Int).SetString(whole+frac+strings.Repeat("0", more), 10)
		if !ok {
			t.Fatal(text)
		}
		typ := `"type":"bytes","name":"` + decimalName + `","parameters":{"scale":"` + strconv.Itoa(len(frac)+more) + `"}`
		for _, size := range []int{n.BitLen()/8 + 1, n.BitLen()/8 + 3} {
			two := new(big.Int).Set(n)
			if n.Sign() < 0 {
				two.Add(two, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
			}
			add(typ, `"`+base64.StdEncoding.EncodeToString(two.FillBytes(make([]byte, size)))+`"`)
		}
		for _, number := range numbersOf(t, text) {
			add(typ, number) // decimal.format: NUMERIC
		}
	}
}

func connectTimes(t testing.TB, v codectest.Value, named func(typ, name, text string)) {
	layout := map[schemas.Kind]string{schemas.KindDate: "2006-01-02", schemas.KindTime: "15:04:05.999999999",
		schemas.KindInstant: "2006-01-02T15:04:05.999999999Z", schemas.KindLocal: "2006-01-02T15:04:05.999999999"}[v.Kind]
	at, err := time.Parse(layout, v.Text)
	if err != nil {
		t.Fatal(err)
	}
	sec, nanos := at.Unix(), int64(at.Nanosecond())
	if v.Kind == schemas.KindTime {
		sec = int64(at.Hour()*3600 + at.Minute()*60 + at.Second())
	}
	ticks := func(name string, perSecond int64) {
		if step := 1_000_000_000 / perSecond; nanos%step == 0 {
			typ := "int64"
			if strings.HasSuffix(name, ".Time") {
				typ = "int32"
			}
			named(typ, name, strconv.FormatInt(sec*perSecond+nanos/step, 10))
		}
	}
	switch v.Kind {
	case schemas.KindDate:
		named("int32", "io.debezium.time.Date", strconv.FormatInt(sec/86400, 10))
		named("int32", "org.apache.kafka.connect.data.Date", strconv.FormatInt(sec/86400, 10))
	case schemas.KindTime:
		ticks("io.debezium.time.Time", 1e3)
		ticks("org.apache.kafka.connect.data.Time", 1e3)
		ticks("io.debezium.time.MicroTime", 1e6)
		ticks("io.debezium.time.NanoTime", 1e9)
	case schemas.KindInstant:
		ticks("org.apache.kafka.connect.data.Timestamp", 1e3)
		named("string", "io.debezium.time.ZonedTimestamp", `"`+at.In(time.FixedZone("", -90*60)).Format("2006-01-02T15:04:05.000000000-07:00")+`"`)
	case schemas.KindLocal:
		ticks("io.debezium.time.Timestamp", 1e3)
		ticks("io.debezium.time.MicroTimestamp", 1e6)
		ticks("io.debezium.time.NanoTimestamp", 1e9)
	}
}
