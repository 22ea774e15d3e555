package schemas

import (
	"fmt"
	"strings"
	"testing"
)

func TestDefaultTaxonomy(t *testing.T) {
	tax, err := DefaultTaxonomy()
	if err != nil {
		t.Fatal(err)
	}
	for id, grade := range map[string]int{
		"public": 1, "internal": 2, "person.name": 3, "id.hkid": 4, "id.twid": 4, "web.cookie": 3, "web.history": 3,
		"contact.mobile_cn": 3, "secret.credential": 5, "finance.card_sad": 4, "text.free": 4, "important.geo": 5,
	} {
		if c := tax.Class(id); c == nil || c.Grade != grade {
			t.Errorf("%s: %+v, want grade %d", id, c, grade)
		}
	}
	if n := len(tax.Classes()); n != 73 {
		t.Errorf("%d classes", n)
	}
	for _, c := range tax.Classes() {
		if c.ZH == "" || c.EN == "" || c.Treatment == "" || c.Grade < 1 || c.Grade > 5 || tax.Class(c.ID) != c {
			t.Errorf("%+v is incomplete", c)
		}
		for standard, f := range c.Flags {
			if f.Verified || f.Flag == "" || f.Clause == "" {
				t.Errorf("%s %s: %+v", c.ID, standard, f)
			}
		}
	}
	for id, form := range map[string]Canonical{"contact.mobile_cn": CanonicalDigitsCN, "contact.phone": CanonicalDigitsCN,
		"finance.bank_card": CanonicalDigits, "contact.email": CanonicalLower, "person.name": CanonicalNone} {
		if got := tax.Class(id).Canonical; got != form {
			t.Errorf("%s: %v, want %v", id, got, form)
		}
	}
	if f := tax.Class("health.record").Flags["GDPR"]; f.Clause != "Art. 9" {
		t.Errorf("health.record under GDPR: %+v", f)
	}
}

func TestExtend(t *testing.T) {
	base, err := DefaultTaxonomy()
	if err != nil {
		t.Fatal(err)
	}
	tax, err := base.Extend([]byte("classes:\n  - {id: contact.email, grade: 4}\n  - id: shop.loyalty_no\n    en: loyalty number\n    grade: 3\n    canonical: digits\n" +
		"    flags: {house rule: {flag: a, clause: b, verified: true}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c := tax.Class("contact.email"); c.Grade != 4 || c.Canonical != CanonicalLower || c.EN == "" {
		t.Errorf("%+v", c)
	}
	if c := tax.Class("shop.loyalty_no"); c == nil || c.Grade != 3 || c.Canonical != CanonicalDigits || !c.Flags["house rule"].Verified {
		t.Errorf("%+v", c)
	}
	if base.Class("contact.email").Grade != 3 || base.Class("shop.loyalty_no") != nil || len(tax.Classes()) != len(base.Classes())+1 {
		t.Error("the base changed")
	}
}

func TestExtendRefuses(t *testing.T) {
	base, err := DefaultTaxonomy()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, want string }{
		{"classes:\n  - {id: a.b, en: x, grade: 3}\n  - {id: contact.email, grade: 2}\n", "line 3: class contact.email has grade 3"},
		{"classes:\n  - {id: a.b, en: x}\n", "line 2: class a.b: grade is"},
		{"classes:\n  - {id: a.b, en: x, grade: 6}\n", "grade is a number from 1 to 5"},
		{"classes:\n  - {id: a.b, grade: 3}\n", "line 2: class a.b needs a name"},
		{"classes:\n  - {id: A b, en: x, grade: 3}\n", "lower-case words"},
		{"classes:\n  - {id: a.b, en: x, grade: 3, canonical: soundex}\n", "canonical is none"},
		{"classes:\n  - {id: contact.email, en: mail, grade: 4}\n", "only its grade"},
		{"classes:\n  - {id: contact.email, canonical: none, grade: 4}\n", "only its grade"},
		{"classes:\n  - {id: a.b, en: x, grade: 3}\n  - {id: a.b, en: x, grade: 3}\n", "line 3: class a.b stands in line 2 already"},
		{"classes:\n  - {id: a.b, en: x, grade: 3, colour: red}\n", "colour"},
		{"classes:\n  - {id: a.b, id: a.c, en: x, grade: 3}\n", "reading taxonomy"},
		{"kinds: []\n", "reading taxonomy"},
		{"classes: {a: b}\n", "reading taxonomy"},
		{"classes:\n  - 5\n", "reading taxonomy"},
		{"classes: &a\n !0 ", "reading taxonomy"}, // go-yaml panics
		{"\x00", "reading taxonomy"},
		{strings.Repeat("#", maxTaxonomy+1), "at most"},
	} {
		if _, err := base.Extend([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: %v, want %q", c.text, err, c.want)
		}
	}
	var many strings.Builder
	many.WriteString("classes:\n")
	for i := range maxClasses {
		fmt.Fprintf(&many, "- {id: a.b%d, en: x, grade: 3}\n", i)
	}
	if _, err := base.Extend([]byte(many.String())); err == nil {
		t.Error("too many classes were taken")
	}
}

func TestCanonicalForms(t *testing.T) {
	for _, c := range []struct {
		form     Canonical
		in, want string
	}{
		{CanonicalDigitsCN, "+86 138-0013-8000", "13800138000"}, {CanonicalDigitsCN, "0086 13800138000", "13800138000"},
		{CanonicalDigitsCN, "(+86)138 0013 8000", "13800138000"}, {CanonicalDigitsCN, "13800138000", "13800138000"},
		{CanonicalDigitsCN, "+1 (212) 555-0100", "12125550100"}, {CanonicalDigitsCN, "8613800138000", "8613800138000"},
		{CanonicalDigitsCN, "+86", "86"}, {CanonicalDigitsCN, "n/a", "n/a"}, {CanonicalDigitsCN, "-", "-"}, {CanonicalDigitsCN, "", ""},
		{CanonicalDigitsCN, "021-12345678 ext 5", "021-12345678 ext 5"}, {CanonicalDigitsCN, "1+2", "1+2"}, {CanonicalDigitsCN, "１３８", "１３８"},
		{CanonicalDigits, "6222 0200 1234 5678", "6222020012345678"}, {CanonicalDigits, "+6222", "+6222"}, {CanonicalDigits, "0086 1", "00861"},
		{CanonicalLower, "Zhang.San@Example.COM", "zhang.san@example.com"}, {CanonicalLower, "ÄB@x", "Äb@x"},
		{CanonicalNone, " A ", " A "},
	} {
		got := c.form.Append([]byte(">"), []byte(c.in))
		if string(got) != ">"+c.want {
			t.Errorf("%v %q: %q, want %q", c.form, c.in, got, c.want)
		}
	}
	buf, in := make([]byte, 0, 64), []byte("+86 138-0013-8000")
	if n := testing.AllocsPerRun(100, func() { buf = CanonicalDigitsCN.Append(buf[:0], in) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzExtend(f *testing.F) {
	base, err := DefaultTaxonomy()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("classes:\n  - {id: contact.email, grade: 4}\n"))
	f.Add([]byte("classes: &a\n  - *a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		tax, err := base.Extend(text)
		if err != nil {
			return
		}
		for _, c := range base.Classes() {
			if tax.Class(c.ID).Grade < c.Grade {
				t.Fatalf("%s was lowered", c.ID)
			}
		}
	})
}

func FuzzCanonical(f *testing.F) {
	f.Add([]byte("+86 138"), uint8(2))
	f.Fuzz(func(t *testing.T, text []byte, form uint8) {
		c := Canonical(form % 4)
		out := c.Append([]byte(">"), text)
		if out[0] != '>' || len(out) > len(text)+1 || len(text) > 0 && len(out) == 1 {
			t.Fatalf("%v %q: %q", c, text, out)
		}
	})
}
