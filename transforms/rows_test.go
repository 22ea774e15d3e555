package transforms

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const rowsPolicy = `
catalog shop.customers.id      internal
catalog shop.customers.country internal
catalog shop.customers.n       internal
catalog shop.customers.nested.x internal
recipient cn grade=2 rows=after.country == 'CN'
`

// images of a row: inside the filter, outside, not there.
var images = map[string]string{"in": `{"id":1,"country":"CN"}`, "out": `{"id":1,"country":"US"}`, "no": "null"}

// TestRowsTransitions is contract 6: before × after × op, with full and partial
// before images.
func TestRowsTransitions(t *testing.T) {
	const (
		same     = "same"        // as it is
		noBefore = "no before"   // as it is, before null
		create   = "create"      // op c, before null
		deleted  = "delete"      // op d, after null, before as it is; and tombstone
		bare     = "bare delete" // op d, both null; and tombstone
		filtered = "filtered rows"
		bad      = "quarantined bad_image"
	)
	for _, c := range []struct{ op, before, after, full, partial string }{
		{"c", "no", "in", noBefore, noBefore}, {"c", "no", "out", filtered, filtered}, {"c", "no", "no", bad, bad},
		{"c", "in", "in", noBefore, noBefore}, {"c", "out", "in", noBefore, noBefore}, {"c", "in", "out", filtered, filtered},
		{"c", "out", "out", filtered, filtered}, {"c", "in", "no", bad, bad}, {"c", "out", "no", bad, bad},
		{"r", "no", "in", noBefore, noBefore}, {"r", "no", "out", filtered, filtered}, {"r", "no", "no", bad, bad},
		{"u", "in", "in", same, noBefore}, {"u", "in", "out", deleted, bare}, {"u", "in", "no", bad, bad},
		{"u", "out", "in", create, noBefore}, {"u", "out", "out", filtered, bare}, {"u", "out", "no", bad, bad},
		{"u", "no", "in", noBefore, noBefore}, {"u", "no", "out", bare, bare}, {"u", "no", "no", bad, bad},
		{"d", "in", "no", same, noBefore}, {"d", "out", "no", filtered, noBefore}, {"d", "no", "no", noBefore, noBefore},
		{"d", "in", "in", bad, bad}, {"d", "out", "out", bad, bad}, {"d", "no", "in", bad, bad},
		{"d", "in", "out", bad, bad}, {"d", "out", "in", bad, bad}, {"d", "no", "out", bad, bad},
		{"t", "no", "no", same, same}, {"m", "no", "no", "filtered logical_message", "filtered logical_message"},
		{"x", "no", "in", "quarantined bad_op", "quarantined bad_op"},
	} {
		for _, full := range []bool{true, false} {
			d := customers()
			d.BeforeFull = full
			event := func(op, before, after string) string {
				return fmt.Sprintf(`{"before":%s,"after":%s,"op":"%s"}`, before, after, op)
			}
			before, after := images[c.before], images[c.after]
			expect := c.partial
			if full {
				expect = c.full
			}
			const key = `{"id":1}`
			want := map[string]string{
				same: key + " → " + event(c.op, before, after), noBefore: key + " → " + event(c.op, "null", after),
				create:  key + " → " + event("c", "null", after),
				deleted: key + " → " + event("d", before, "null") + " | " + key + " → null",
				bare:    key + " → " + event("d", "null", "null") + " | " + key + " → null",
			}[expect]
			if want == "" {
				want = expect
			}
			t.Run(fmt.Sprintf("%s %s-%s full=%v", c.op, c.before, c.after, full), func(t *testing.T) {
				p := schemaless(t, d, rowsPolicy)
				wantCopies(t, p, change(key, event(c.op, before, after)), want)
			})
		}
	}
}

// TestRowsOutsideNeverLeaves: whatever the images, nothing of a row outside the
// filter is in a copy.
func TestRowsOutsideNeverLeaves(t *testing.T) {
	for _, full := range []bool{true, false} {
		d := customers()
		d.BeforeFull = full
		p := schemaless(t, d, rowsPolicy)
		for _, op := range []string{"c", "r", "u", "d"} {
			for _, before := range images {
				for _, after := range images {
					for _, c := range protect(t, p, change(`{"id":1}`, `{"before":`+before+`,"after":`+after+`,"op":"`+op+`"}`)) {
						if strings.Contains(c, "US") {
							t.Errorf("op %s, before %s, after %s: %s", op, before, after, c)
						}
					}
				}
			}
		}
	}
}

// TestRowsDeclareTheirFields: what an expression reads is there to be read,
// although nobody classified it; it is still not sent.
func TestRowsDeclareTheirFields(t *testing.T) {
	p := schemaless(t, customers(), "recipient a unknown=drop rows=after.country == 'CN' && after.deep.x > 1")
	wantCopies(t, p, change("", `{"op":"c","after":{"country":"CN","deep":{"x":2}}}`), `null → {"op":"c","after":{}}`)
	wantCopies(t, p, change("", `{"op":"c","after":{"country":"US","deep":{"x":2}}}`), `filtered rows`)
}

func TestRowsTombstonesGo(t *testing.T) {
	p := schemaless(t, customers(), rowsPolicy)
	wantCopies(t, p, change(`{"id":1}`, ""), `{"id":1} → null`)
}

func TestRowsWithoutKeyHaveNoTombstone(t *testing.T) {
	p := schemaless(t, customers(), rowsPolicy)
	wantCopies(t, p, change("", `{"after":{"country":"US"},"op":"u"}`), `null → {"after":null,"op":"d"}`)
	d := customers()
	d.BeforeFull = true
	p = schemaless(t, d, rowsPolicy)
	wantCopies(t, p, change("", `{"before":{"country":"CN"},"after":{"country":"US"},"op":"u"}`), `null → {"before":{"country":"CN"},"after":null,"op":"d"}`)
}

func TestRowsExpressions(t *testing.T) {
	for _, c := range []struct{ rows, after, want string }{
		{"after.n > 5", `{"n":7}`, "in"}, {"after.n > 5", `{"n":5.5}`, "in"}, {"after.n > 5", `{"n":5}`, "out"},
		{"after.n > 5", `{"n":"7"}`, "quarantined rows_error"},
		{"after.n > 5", `{"n":null}`, "quarantined rows_error"},
		{"after.n > 5", `{}`, "quarantined rows_error"},
		{"after.n == null", `{"n":null}`, "in"}, {"after.n == null", `{"n":1}`, "out"},
		{"has(after.n)", `{"n":1}`, "in"}, {"has(after.n)", `{"n":null}`, "out"}, {"has(after.n)", `{}`, "out"},
		{"!has(after.country) || after.country in ['CN', 'HK']", `{}`, "in"},
		{"after.nested.x == true", `{"nested":{"x":true}}`, "in"},
		{"after.nested.x == true", `{"nested":null}`, "quarantined rows_error"},
		{"after.country.startsWith('C')", `{"country":"CN"}`, "in"},
		{"after.country.matches('^C.$')", `{"country":"CN"}`, "in"},
		{"after.country == 'CN'", `{"country":"US","country":"CN"}`, "quarantined duplicate_name"},
		{"after.country == 'CN'", `{"country":"\u0043N"}`, "in"},
		{"after.country == 'CN'", `{"country":"` + placeholder + `"}`, "quarantined rows_error"},
		{"after.n / 0 == 1", `{"n":7}`, "quarantined rows_error"},
		{"[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, [1,2,3,4,5,6,7,8,9].all(e, a+b+c+d+e < after.n)))))", `{"n":1000}`, "quarantined rows_error"},
	} {
		text := strings.Replace(rowsPolicy, "after.country == 'CN'", c.rows, 1)
		p := schemaless(t, customers(), text)
		want := c.want
		switch want {
		case "in":
			want = `null → {"after":` + c.after + `,"op":"c"}`
		case "out":
			want = "filtered rows"
		}
		t.Run(c.rows+" on "+c.after, func(t *testing.T) {
			wantCopies(t, p, change("", `{"after":`+c.after+`,"op":"c"}`), want)
		})
	}
}

func TestRowsOfFlatAndPlain(t *testing.T) {
	d := customers()
	d.Envelope = EnvelopeFlat
	p := schemaless(t, d, rowsPolicy)
	wantCopies(t, p, change(`{"id":1}`, `{"id":1,"country":"CN","__op":"u"}`), `{"id":1} → {"id":1,"country":"CN","__op":"u"}`)
	wantCopies(t, p, change(`{"id":1}`, `{"id":1,"country":"US","__op":"u"}`), `{"id":1} → null`)
	wantCopies(t, p, change(`{"id":1}`, `{"id":1,"country":"US"}`), `{"id":1} → null`)
	wantCopies(t, p, change(`{"id":1}`, `{"id":1,"country":"US","__op":"c"}`), `filtered rows`)
	wantCopies(t, p, change(``, `{"id":1,"country":"US"}`), `filtered rows`)
	d.Envelope = EnvelopeNone
	p = schemaless(t, d, rowsPolicy)
	wantCopies(t, p, change(`{"id":1}`, `{"id":1,"country":"US"}`), `filtered rows`)
}

// TestUntil is contract 7: the last day is delivered whole, in UTC.
func TestUntil(t *testing.T) {
	p := schemaless(t, customers(), "recipient a until=2027-03-31")
	ev := change("", `{"op":"t"}`)
	for at, want := range map[string]string{
		"2027-03-31T23:59:59.999Z": `null → {"op":"t"}`, "2027-04-01T00:00:00Z": "filtered until",
		"2027-04-01T07:00:00+08:00": `null → {"op":"t"}`,
	} {
		when, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			t.Fatal(err)
		}
		ev.TimestampMillis = when.UnixMilli()
		wantCopies(t, p, ev, want)
	}
}
