package transforms

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// document draws a JSON object of random names in which every scalar is
// unlike any other; values maps each to its path in the row.
func document(t *rapid.T, at string, depth int, n *int, values map[string]string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range rapid.IntRange(0, 4).Draw(t, "members") {
		if i > 0 {
			b.WriteByte(',')
		}
		name := rapid.SampledFrom([]string{"pass", "tok", "secret1", "secret2", "x", "y", "a.b", "[]", "op", "after", "query"}).Draw(t, "name")
		path := at + "/" + name
		b.WriteString(quote(name) + ":" + scalarOr(t, path, depth, n, values))
	}
	b.WriteByte('}')
	return b.String()
}

func scalarOr(t *rapid.T, path string, depth int, n *int, values map[string]string) string {
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	switch {
	case kind == 0 && depth > 0:
		return document(t, path, depth-1, n, values)
	case kind == 1 && depth > 0:
		return "[" + scalarOr(t, path+"[]", depth-1, n, values) + "," + scalarOr(t, path+"[]", depth-1, n, values) + "]"
	case kind == 2:
		return "null"
	}
	*n++
	v := fmt.Sprintf("V%dV", *n)
	values[v] = path
	return quote(v)
}

// TestNothingUndecidedIsPublished is Invariant 1: whatever stands in a record,
// a published copy has no value but those of fields that pass by name.
func TestNothingUndecidedIsPublished(t *testing.T) {
	const text = `
catalog shop.customers.tok contact.email
catalog *secret*           contact.mobile_cn
recipient drops unknown=drop
  field:shop.customers.pass pass
  * token
recipient asks
  field:shop.customers.pass pass
  contact.email token
  contact.mobile_cn drop
recipient masks unknown=drop
  field:shop.customers.pass mask
  contact.* null
`
	plain := customers()
	plain.Envelope = EnvelopeNone
	published := 0
	for _, d := range []Dataset{customers(), plain} {
		p := schemaless(t, d, text)
		s := NewScratch()
		rapid.Check(t, func(t *rapid.T) {
			n, values := 0, map[string]string{}
			before, after := document(t, "", 3, &n, values), document(t, "", 3, &n, values)
			value := after
			if d.Envelope == EnvelopeDebezium {
				value = `{"op":"u","before":` + before + `,"after":` + after + `}`
			}
			copies, next := p.Protect(s, change(document(t, "", 1, &n, values), value), nil)
			if next != nil {
				p = next
			}
			for i := range copies {
				if copies[i].Fate == Published {
					published++
				}
				checkPublished(t, i, &copies[i], values)
			}
		})
	}
	if published == 0 {
		t.Error("nothing was ever published: the test shows nothing")
	}
}

func checkPublished(t *rapid.T, i int, c *Copy, values map[string]string) {
	for _, o := range c.Outs {
		text := string(o.Key) + string(o.Value)
		for v, path := range values {
			if strings.Contains(text, v) && (path != "/pass" || i == 2) {
				t.Fatalf("recipient %d got the value of %s: %s", i, path, text)
			}
		}
	}
	if strings.Contains(c.Path, "secret") || strings.Contains(c.Path, "V") {
		t.Fatalf("the place %q prints what no schema declares", c.Path)
	}
}
