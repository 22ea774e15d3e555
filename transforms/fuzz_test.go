package transforms

import (
	"encoding/json"
	"testing"
)

// FuzzProtect: whatever the bytes, a copy is JSON, holds nothing that is not
// decided, and a record has one fate a recipient.
func FuzzProtect(f *testing.F) {
	for _, value := range []string{
		`{"op":"u","before":{"id":"1","phone":"138"},"after":{"id":"1","phone":"139","x":[1,{"phone2":null}]}}`,
		`{"op":"t"}`, `{"op":"d","before":null}`, `{"op":"c","after":{"a":{"phone":"\u0031"}},"after":{}}`, `null`, `[`, `{"op":"m","message":{"content":"x"}}`,
	} {
		f.Add([]byte(`{"id":"1"}`), []byte(value))
	}
	p := schemaless(f, customers(), `
catalog shop.customers.id contact.email
catalog *phone*           contact.mobile_cn
recipient a unknown=drop rows=!has(after.phone) || after.phone != '1'
  * token
recipient b
  contact.email token
  contact.* null
`)
	f.Fuzz(func(t *testing.T, key, value []byte) {
		s := NewScratch()
		ev := &Event{Key: key, Value: value, NullKey: len(key) == 0, NullValue: len(value) == 0, OldKey: key}
		copies, next := p.Protect(s, ev, nil)
		if len(copies) != 2 {
			t.Fatalf("%d copies", len(copies))
		}
		for i := range copies {
			c := &copies[i]
			if (c.Fate == Published) != (len(c.Outs) > 0) || (c.Fate == Published) != (c.Code == "") {
				t.Fatalf("fate %v, code %q, %d outputs", c.Fate, c.Code, len(c.Outs))
			}
			for _, o := range c.Outs {
				if !o.NullValue && !json.Valid(o.Value) || !o.NullKey && !json.Valid(o.Key) {
					t.Fatalf("not JSON: %s %s", o.Key, o.Value)
				}
			}
		}
		if next != nil {
			if _, again := next.Protect(s, ev, nil); again != nil {
				t.Fatal("the same record teaches twice")
			}
		}
		if _, err := p.KeyText(nil, s, ev); err == nil && len(key) > 0 && !json.Valid(key) {
			t.Fatal("KeyText reads what is not JSON")
		}
	})
}
