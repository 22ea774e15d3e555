package transforms

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// The tests of this file are named after the 13 leak sites of the README.

const leakPolicy = `
catalog shop.customers.id      contact.mobile_cn
catalog shop.customers.phone   contact.mobile_cn
catalog shop.customers.city    internal
recipient analytics grade=2
  contact.* token
recipient partner grade=2
  field:shop.customers.phone drop
  contact.mobile_cn token
`

func TestLeakKey(t *testing.T) {
	p := schemaless(t, customers(), leakPolicy)
	wantCopies(t, p, change(`{"id":"139"}`, `{"op":"c","after":{"id":"139","city":"x"}}`),
		`{"id":"`+tokenOf("analytics/", "139")+`"} → {"op":"c","after":{"id":"`+tokenOf("analytics/", "139")+`","city":"x"}}`,
		`{"id":"`+tokenOf("partner/", "139")+`"} → {"op":"c","after":{"id":"`+tokenOf("partner/", "139")+`","city":"x"}}`)
}

func TestLeakBefore(t *testing.T) {
	p := schemaless(t, customers(), leakPolicy)
	tok := func(text string) string { return tokenOf("analytics/", text) }
	wantCopies(t, p, change(`{"id":"1"}`, `{"op":"u","before":{"id":"1","phone":"138"},"after":{"id":"1","phone":"139"}}`),
		`{"id":"`+tok("1")+`"} → {"op":"u","before":{"id":"`+tok("1")+`","phone":"`+tok("138")+`"},"after":{"id":"`+tok("1")+`","phone":"`+tok("139")+`"}}`,
		`{"id":"`+tokenOf("partner/", "1")+`"} → {"op":"u","before":{"id":"`+tokenOf("partner/", "1")+`"},"after":{"id":"`+tokenOf("partner/", "1")+`"}}`)
}

func TestLeakSourceQuery(t *testing.T) {
	p := schemaless(t, customers(), leakPolicy)
	got := protect(t, p, change("", `{"op":"c","source":{"db":"shop","query":"INSERT VALUES ('Anne')","new_in_debezium_9":1},"after":null,"ts_ms":5}`))
	for _, c := range got {
		if c != `null → {"op":"c","source":{"db":"shop","new_in_debezium_9":1},"after":null,"ts_ms":5}` {
			t.Error(c)
		}
	}
}

func TestLeakKeyChangeHeaders(t *testing.T) {
	p := schemaless(t, customers(), leakPolicy)
	ev := change(`{"id":"1"}`, `{"op":"d","before":{"id":"1"},"after":null}`)
	ev.NewKey = []byte(`{"id":"2"}`)
	got := protect(t, p, ev)
	if want := ` newkey {"id":"` + tokenOf("analytics/", "2") + `"}`; !strings.HasSuffix(got[0], want) {
		t.Errorf("got %s, want %s at its end", got[0], want)
	}
	ev.NewKey, ev.OldKey = nil, []byte(`{"id":`)
	wantCopies(t, p, ev, "quarantined truncated id", "quarantined truncated id")
	pol := policy(t, leakPolicy)
	none := compile(t, Input{Policy: pol, Dataset: customers(), Key: declared(t, pol, customers(), true), Value: declared(t, pol, customers(), false)})
	ev.OldKey = []byte(`{"id":"2"}`)
	for _, c := range protect(t, none, ev) {
		if strings.Contains(c, "oldkey") {
			t.Errorf("a header that no schema describes went out: %s", c)
		}
	}
}

func TestLeakSchemaChange(t *testing.T) {
	d := customers()
	d.Events = EventsSchemaChange
	p := schemaless(t, d, leakPolicy)
	wantCopies(t, p, change("", `{"ddl":"ALTER TABLE customers ADD x DEFAULT 'Anne'"}`), "filtered schema_change", "filtered schema_change")
}

func TestLeakLogicalMessage(t *testing.T) {
	p := schemaless(t, customers(), leakPolicy)
	wantCopies(t, p, change(`{"prefix":"x"}`, `{"op":"m","message":{"prefix":"x","content":"QW5uZQ=="}}`),
		"filtered logical_message", "filtered logical_message")
	// A message in an event of another kind is cut, whatever it is.
	for _, c := range protect(t, p, change("", `{"op":"c","message":{"prefix":"x","content":"QW5uZQ=="}}`)) {
		if strings.Contains(c, "QW5uZQ") {
			t.Error(c)
		}
	}
}

func TestLeakTruncate(t *testing.T) {
	p := schemaless(t, customers(), leakPolicy)
	wantCopies(t, p, change("", `{"op":"t","ts_ms":1}`), `null → {"op":"t","ts_ms":1}`, `null → {"op":"t","ts_ms":1}`)
}

func TestLeakTombstone(t *testing.T) {
	p := schemaless(t, customers(), leakPolicy)
	wantCopies(t, p, change(`{"id":"1"}`, ""), `{"id":"`+tokenOf("analytics/", "1")+`"} → null`, `{"id":"`+tokenOf("partner/", "1")+`"} → null`)
}

func TestLeakNestedText(t *testing.T) {
	// A document inside a string is free text: it has no class until somebody
	// gives it one, so it does not pass.
	p := schemaless(t, customers(), leakPolicy)
	wantCopies(t, p, change("", `{"op":"c","after":{"remark":"{\"phone\":\"139\"}"}}`), "quarantined undeclared_field *", "quarantined undeclared_field *")
	p = schemaless(t, customers(), leakPolicy+"  text.free_with_pii mask\ncatalog *.remark text.free_with_pii\n")
	got := protect(t, p, change("", `{"op":"c","after":{"remark":"{\"phone\":\"139\"}"}}`))
	if got[1] != `null → {"op":"c","after":{"remark":"***"}}` || got[0] != "quarantined undecided *" {
		t.Error(got)
	}
}

func TestLeakSignals(t *testing.T) {
	// Signal and notification records are rows without an envelope whose fields
	// nobody classified.
	d := Dataset{Name: "dbz.signals", Envelope: EnvelopeNone}
	p := schemaless(t, d, leakPolicy)
	wantCopies(t, p, change("", `{"id":"1","data":{"additional-conditions":[{"filter":"name='Anne'"}]}}`),
		"quarantined undeclared_field *", "quarantined undeclared_field *")
}

func TestLeakPlaceholder(t *testing.T) {
	text := leakPolicy + "catalog shop.customers.tags[] contact.email\ncatalog shop.customers.attrs{} contact.email\ncatalog shop.customers.attrs{#} contact.email\n"
	p := schemaless(t, customers(), text)
	b64 := base64.StdEncoding.EncodeToString([]byte(placeholder))
	for _, after := range []string{
		`{"city":"x","phone":"` + placeholder + `"}`,
		`{"phone":"` + b64 + `"}`,
		`{"tags":["` + placeholder + `"]}`,
		`{"attrs":{"` + placeholder + `":"` + placeholder + `"}}`,
	} {
		in := `{"op":"u","after":` + after + `}`
		if got := protect(t, p, change("", in)); got[0] != "null → "+in {
			t.Errorf("%s became %s", in, got[0])
		}
	}
	if got := protect(t, p, change("", `{"op":"u","after":{"phone":"_`+placeholder+`"}}`)); strings.Contains(got[0], placeholder) {
		t.Error("something longer than the placeholder passed")
	}
}

func TestLeakErrors(t *testing.T) {
	const canary = "CANARY13912345678"
	p := schemaless(t, customers(), `
catalog shop.customers.phone contact.mobile_cn
catalog shop.customers.name  person.name
catalog shop.customers.n     finance.transaction
recipient a grade=2 rows=int(after.name) > 3
  * fail
recipient b grade=2
  * fail
recipient c
  * mask
recipient d rows=after.phone == 'x'
  * token
`)
	for _, value := range []string{
		`{"op":"c","after":{"phone":"` + canary + `","name":"` + canary + `"}}`,
		`{"op":"c","after":{"phone":"` + canary,
		`{"op":"c","after":{"` + canary + `":"` + canary + `"}}`,
		`{"op":"c","after":{"phone":{"` + canary + `":1}}}`,
		`{"op":"` + canary + `","after":{}}`,
		`{"op":"c","after":{"n":12345` + canary + `}}`,
		`"` + canary + `"`,
		canary,
	} {
		for _, key := range []string{`{"phone":"` + canary + `"}`, `{"` + canary + `":1}`, canary} {
			copies, _ := p.Protect(NewScratch(), change(key, value), nil)
			for i := range copies {
				c := &copies[i]
				if strings.Contains(c.Path, canary) || strings.Contains(string(c.Code), canary) {
					t.Errorf("%s %s quotes the record", c.Code, c.Path)
				}
				for _, o := range c.Outs {
					if bytes.Contains(o.Key, []byte(canary)) || bytes.Contains(o.Value, []byte(canary)) {
						t.Errorf("recipient %d got the canary: %s", i, o.Value)
					}
				}
			}
			if text, err := p.KeyText(nil, NewScratch(), change(key, value)); err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("KeyText quotes the key: %v (%d bytes)", err, len(text))
			}
		}
	}
}

func TestLeakNames(t *testing.T) {
	// A learned name may be a value: neither paths nor explain print it.
	p := schemaless(t, customers(), "catalog *.secret_* contact.email\nrecipient a\n  contact.mobile_cn drop\n")
	s := NewScratch()
	copies, next := p.Protect(s, change("", `{"op":"c","after":{"secret_139":"x"}}`), nil)
	if got := show(&copies[0]); got != "quarantined undecided *" || next == nil {
		t.Errorf("got %s, learned %v", got, next != nil)
	}
	for _, text := range []string{next.String(), next.Undecided()[0].Field} {
		if strings.Contains(text, "secret_139") {
			t.Errorf("prints a learned name: %s", text)
		}
	}
}

func TestLeakTopicName(t *testing.T) {
	// A topic's name comes from the source's name alone: a pattern that asks for
	// anything else is refused.
	for pattern, want := range map[string]bool{"clean.{schema}.{table}": false, "clean.{table}.{after.name}": true, "clean.{key}": true} {
		refused := false
		for _, p := range Lint(policy(t, "recipient a topic="+pattern), fakes(), nil, time.Now()) {
			refused = refused || p.Code == "topic_pattern" && p.Severity == SeverityError
		}
		if refused != want {
			t.Errorf("%s: refused %v", pattern, refused)
		}
	}
}
