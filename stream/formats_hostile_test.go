package stream

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
)

const canary = "13912345678"

// TestHostileJSON: what readers of JSON disagree about is treated in every
// reading or held under a stable code; never published as it is.
func TestHostileJSON(t *testing.T) {
	f := newForms(t, customerPolicy("j"), Source{Topics: "j", Encoding: EncodingJSON, KeyEncoding: EncodingJSON})
	f.knows = []string{"7", canary, "1" + strings.Repeat("0", 400), "100", "-0.5", "true"}
	deep := func(n int) string {
		return `{"id":7,"phone":` + strings.Repeat("[", n) + `"` + canary + `"` + strings.Repeat("]", n) + `}`
	}
	phone := func(s string) string { return `{"id":7,"phone":` + s + `}` }
	out := func(s string) string { return `{"id":"‹7›","phone":` + s + `}` }
	cases := []struct{ value, out, code string }{
		// Published, every occurrence treated.
		{`{"id":7,"phone":"` + canary + `","phone":"` + canary + `"}`, `{"id":"‹7›","phone":"‹` + canary + `›","phone":"‹` + canary + `›"}`, ""},
		{`{"id":7,"\u0070hone":"` + canary + `","ph\u006Fne":null}`, `{"id":"‹7›","\u0070hone":"‹` + canary + `›","ph\u006Fne":null}`, ""},
		{" {\t\"id\" : 7 ,\r\n\"phone\":\"\\u00313912345678\" } ", " {\t\"id\" : \"‹7›\" ,\r\n\"phone\":\"‹" + canary + "›\" } ", ""},
		{phone(canary), out(`"‹` + canary + `›"`), ""},
		{phone("1.3912345678e10"), out(`"‹` + canary + `›"`), ""},
		{`{"id":1e400,"phone":null}`, `{"id":"‹1` + strings.Repeat("0", 400) + `›","phone":null}`, ""},
		{`{"id":-0.50,"city":1E+2}`, `{"id":"‹-0.5›","city":1E+2}`, ""},
		{phone("true"), out(`"‹true›"`), ""},
		// Held.
		{`{"id":7,"phone":"` + canary + `"}x`, "", "trailing_data"},
		{`{"id":7}{"phone":"` + canary + `"}`, "", "trailing_data"},
		{`{"id":7}` + "\x00", "", "trailing_data"},
		{"\ufeff" + phone(`"`+canary+`"`), "", "malformed"},
		{deep(1), "", "wrong_type phone"},
		{deep(100_000), "", "wrong_type phone"},
		{strings.Replace(deep(200), "phone", "other", 1), "", "too_deep"},
		{strings.Replace(deep(100_000), "phone", "other", 1), "", "too_deep"},
		{`{"id":1e1001}`, "", "number_too_long j.t.id"},
		{`{"id":` + strings.Repeat("9", 1_001) + `}`, "", "number_too_long j.t.id"},
		{`{"id":1e999999999999999999999}`, "", "number_too_long j.t.id"},
		{phone("NaN"), "", "malformed phone"},
		{phone("-Infinity"), "", "malformed phone"},
		{phone("+13912345678"), "", "malformed phone"},
		{phone("013912345678"), "", "malformed"},
		{phone("0x33D"), "", "malformed"},
		{phone(`'` + canary + `'`), "", "malformed phone"},
		{phone(`"\ud800` + canary + `"`), "", "invalid_utf8 phone"},
		{phone(`"\udc00\ud800"`), "", "invalid_utf8 phone"},
		{phone("\"\xc0\xaf" + canary + "\""), "", "invalid_utf8 phone"},
		{phone("\"" + canary + "\n\""), "", "malformed phone"},
		{phone(`"\x31"`), "", "malformed phone"},
		{phone(`"` + canary), "", "truncated phone"},
		{phone(`"` + canary + `",`), "", "malformed"},
		{`{"id":7 /* ` + canary + ` */}`, "", "malformed"},
		{`[{"phone":"` + canary + `"}]`, "", "wrong_type"},
		{`"` + canary + `"`, "", "wrong_type"},
		{canary, "", "wrong_type"},
		{"", "", "truncated"},
		{" ", "", "truncated"},
		{`{"id":7,"Phone":"` + canary + `"}`, "", "undeclared_field *"},
		{`{"id":7,"phone\u0000":"` + canary + `"}`, "", "undeclared_field *"},
		{`{"id":7,"` + canary + `":1}`, "", "undeclared_field *"},
		{`{"id":7,"phone":{"` + canary + `":1}}`, "", "wrong_type phone"},
		{`{"id":7,"a":{"phone":"` + canary + `"}}`, "", "undeclared_field *"},
	}
	var want []string
	var held []string
	for i, c := range cases {
		f.put("j", &kgo.Record{Key: []byte(`{"id":7}`), Value: []byte(c.value)})
		if c.code == "" {
			want = append(want, c.out)
		} else {
			who := "a,b"
			if strings.HasPrefix(c.code, "number_too_long") {
				who = "a" // b's id passes as it is
			}
			held = append(held, fmt.Sprintf("%d %s %s", i, c.code, who))
		}
	}
	f.drain()
	var got []string
	for _, r := range f.out("a", "j") {
		text := string(r.Value) // as it is: an output keeps its bytes, duplicates too
		sorted(t, r.Value)
		for token, name := range f.tokens("a") {
			text = strings.ReplaceAll(text, token, name)
		}
		got = append(got, text)
	}
	compare(t, "published", want, got)
	compare(t, "held", held, f.notes("j"))
	if n := len(f.out("b", "j")); n != len(want)+3 {
		t.Errorf("b got %d records", n)
	}
	f.leaks(canary)
}

func compare(t *testing.T, what string, want, got []string) {
	t.Helper()
	for i := range max(len(want), len(got)) {
		w, g := "nothing", "nothing"
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			t.Errorf("%s %d: got %.200q, want %.200q", what, i, g, w)
		}
	}
}

// TestHostileKeysAndFraming: undecodable keys and framings are held for all,
// under the key of their raw bytes.
func TestHostileKeysAndFraming(t *testing.T) {
	inHeader := func(s *Source) { s.HeaderFraming = true }
	block := func(s *Source) { s.SchemaBlock = true }
	f := newForms(t, customerPolicy("p", "h", "b", "s"), debezium("p", EncodingConfluentAvro, nil), debezium("h", EncodingConfluentAvro, inHeader),
		debezium("b", EncodingJSON, block), debezium("s", EncodingConfluentJSON, func(s *Source) { s.KeyEncoding = EncodingString }))
	keyID, id := f.register("in-key", customerKeyAvro, sr.TypeAvro), f.register("in-value", customerAvro, sr.TypeAvro)
	js := f.register("js-value", customerSchema, sr.TypeJSON)
	key, value := framed(keyID, avroOf(t, customerKeyAvro, `{"id":7}`)), framed(id, avroOf(t, customerAvro, customerEvents[1]))
	f.put("p",
		&kgo.Record{Key: key, Value: value[:4]}, &kgo.Record{Key: key, Value: append([]byte{1}, value[1:]...)}, &kgo.Record{Key: key, Value: framed(999, value[5:])},
		&kgo.Record{Key: key, Value: append(append([]byte(nil), value...), canary...)}, &kgo.Record{Key: key, Value: value[:len(value)-1]},
		&kgo.Record{Key: key, Value: framed(js, []byte(customerEvents[1]))}, &kgo.Record{Key: []byte(canary), Value: value}, &kgo.Record{Key: key[:5]},
		&kgo.Record{Key: []byte{}, Value: value}, &kgo.Record{Key: key, Value: []byte{}}, &kgo.Record{Key: key, Value: framed(id, bytes.Repeat([]byte{0xff}, 64))},
		&kgo.Record{Key: key, Value: append([]byte{0, 0xff}, value[2:]...)})
	h := func(v []byte) []kgo.RecordHeader {
		return []kgo.RecordHeader{f.idHeader("__key_schema_id", keyID, false), {Key: "__value_schema_id", Value: v}}
	}
	f.put("h", &kgo.Record{Key: key[5:], Value: value[5:]}, &kgo.Record{Key: key[5:], Value: value[5:], Headers: h(nil)}, &kgo.Record{Key: key[5:], Value: value[5:], Headers: h([]byte{1, 2})},
		&kgo.Record{Key: key[5:], Value: value[5:], Headers: h(append([]byte{1}, make([]byte, 16)...))}, &kgo.Record{Key: key[5:], Value: value[5:], Headers: h([]byte{2, 0, 0, 0, 1})})
	wrap := func(block, payload string) []byte {
		return []byte(`{"schema":` + block + `,"payload":` + payload + `}`)
	}
	kb := wrap(customerKeyBlock, `{"id":7}`)
	f.put("b", &kgo.Record{Key: kb, Value: []byte(customerEvents[1])}, &kgo.Record{Key: kb, Value: wrap("null", customerEvents[1])},
		&kgo.Record{Key: kb, Value: wrap(customerBlock, strings.Replace(customerEvents[1], `"id":7`, `"id":"`+canary+`"`, 1))},
		&kgo.Record{Key: kb, Value: wrap(customerBlock, strings.Replace(customerEvents[1], `"id":7`, `"id":7,"x":"`+canary+`"`, 1))},
		&kgo.Record{Key: kb, Value: []byte(`{"schema":` + customerBlock + `,"payload":` + customerEvents[1] + `,"payload":"` + canary + `"}`)},
		&kgo.Record{Key: kb, Value: []byte(`{"schema":` + customerBlock + `,"payload":` + customerEvents[1] + `,"` + canary + `":1}`)},
		&kgo.Record{Key: kb, Value: wrap(`{"type":"struct","fields":"`+canary+`"}`, `{}`)}, &kgo.Record{Key: kb, Value: wrap(`{"type":"`+canary+`"}`, `{}`)},
		&kgo.Record{Key: wrap(customerKeyBlock, `{"id":null}`)}, &kgo.Record{Key: kb, Value: wrap(customerBlock, `null`)})
	f.put("s", &kgo.Record{Key: []byte("\xff" + canary), Value: framed(js, []byte(customerEvents[1]))}, &kgo.Record{Value: framed(js, []byte(`{"op":5}`))},
		&kgo.Record{Value: framed(js, []byte(`{"op":"c","more":"`+canary+`"}`))}, &kgo.Record{Value: framed(js, []byte(`{"op":"c"}{}`))})
	f.drain()
	f.held("p", "0 bad_framing a,b", "1 bad_framing a,b", "2 unknown_schema_id a,b", "3 trailing_data a,b", "4 truncated op a,b", "5 bad_schema a,b", "6 bad_framing a,b",
		"7 truncated id a,b", "8 bad_framing a,b", "9 bad_framing a,b", "10 malformed before a,b", "11 bad_framing a,b")
	f.held("h", "0 bad_framing a,b", "1 bad_framing a,b", "2 bad_framing a,b", "3 unknown_schema_id a,b", "4 bad_framing a,b")
	f.held("b", "0 bad_schema a,b", "1 bad_schema a,b", "2 wrong_type after.id a,b", "3 undeclared_field * a,b", "4 malformed a,b", "5 undeclared_field * a,b", "6 bad_schema a,b", "7 bad_schema a,b",
		"8 wrong_type id a,b", "9 wrong_type a,b")
	f.held("s", "0 invalid_utf8 a,b", "1 wrong_type op a,b", "2 undeclared_field * a,b", "3 trailing_data a,b")
	for _, form := range []string{"p", "h", "b", "s"} {
		for _, r := range []string{"a", "b"} {
			f.want(r, form)
		}
	}
	f.leaks(canary)
}
