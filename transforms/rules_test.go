package transforms

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/schemas"
	"weir/schemas/jsonrec"
)

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		glob, name string
		want       bool
	}{
		{"shop.*", "shop.t.a", true}, {"*.phone", "shop.t.phone", true}, {"*.phone", "shop.t.phone2", false},
		{"shop.?.a", "shop.t.a", true}, {"shop.?.a", "shop.tt.a", false}, {"*", "", true}, {"a*b*c", "aXbYc", true},
		{"a*b*c", "aXbY", false}, {"*[]", "shop.t.tags[]", true}, {"**", "x", true}, {`a\.b`, `a\.b`, true},
		{strings.Repeat("a*", 30) + "b", strings.Repeat("a", 5_000), false},
	} {
		p := parsePattern(c.glob)
		if got := p.match(c.name); got != c.want {
			t.Errorf("%q on %q: %v", c.glob, c.name, got)
		}
	}
}

func TestSplitPathUndoesJoinPath(t *testing.T) {
	step := rapid.OneOf(rapid.StringMatching(`[a-z$_一-十.]{1,6}`), rapid.SampledFrom([]string{"[]", "{}", "{#}", `\[]`, "x"}))
	rapid.Check(t, func(t *rapid.T) {
		steps := append([]string{"c"}, rapid.SliceOfN(step, 0, 5).Draw(t, "steps")...)
		if path := schemas.JoinPath(steps); schemas.JoinPath(splitPath(path)) != path {
			t.Fatalf("%q became %q", path, splitPath(path))
		}
	})
}

// table is a JSON Schema of shop.t: plain, no envelope.
const table = `{"type":"object","title":"t","properties":{
	"phone":{"type":"string"},
	"tagged":{"type":"string","confluent:tags":["contact.email","PII"]},
	"low":{"type":"string","confluent:tags":["public"]},
	"two":{"type":"string","confluent:tags":["person.name","contact.email"]},
	"under":{"type":"string","confluent:tags":["contact_email"]},
	"tags":{"type":"array","items":{"type":"string"}},
	"addr":{"type":"object","properties":{"city":{"type":"string"},"zip":{"type":"string"}}},
	"attrs":{"type":"object","additionalProperties":{"type":"string"}}}}`

func tablePlan(t *testing.T, text string) *Plan {
	t.Helper()
	s, err := jsonrec.FromJSONSchema(table)
	if err != nil {
		t.Fatal(err)
	}
	return compile(t, Input{Policy: policy(t, text), Dataset: Dataset{Name: "shop.t"}, Value: s})
}

// TestOrder is contracts 4 and 5: which rule decides, one line a case.
func TestOrder(t *testing.T) {
	for name, c := range map[string]struct{ policy, field, want string }{
		"field before tag":             {"recipient r\n field:shop.t.tagged mask\n tag:PII drop\n contact.* null", "tagged", "mask"},
		"tag before class":             {"recipient r\n tag:PII drop\n contact.* null", "tagged", "drop"},
		"class before grade":           {"recipient r grade=5\n contact.* mask", "tagged", "mask"},
		"grade before star":            {"recipient r grade=3\n * mask", "tagged", "pass"},
		"star":                         {"recipient r grade=2\n * mask", "tagged", "mask"},
		"star covers classified only":  {"recipient r\n * mask", "phone", "undecided"},
		"unknown: drop":                {"recipient r unknown=drop\n * mask", "phone", "drop"},
		"no rule for the class":        {"recipient r\n person.* mask", "tagged", "undecided"},
		"longer class glob":            {"recipient r\n contact.* mask\n contact.e* drop", "tagged", "drop"},
		"class in full":                {"recipient r\n contact.email* mask\n contact.email drop", "tagged", "drop"},
		"longer field glob":            {"recipient r\n field:*.tagged mask\n field:shop.t.tag* drop", "tagged", "drop"},
		"field in full":                {"recipient r\n field:shop.t.phone mask\n field:shop.t.phone* drop", "phone", "mask"},
		"the longest of three":         {"recipient r\n field:*.t.phone mask\n field:shop.*.phone drop\n field:shop.t.phone* null", "phone", "null"},
		"a tie":                        {"recipient r\n field:*op.t.phone mask\n field:sh*.t.phone drop", "phone", "tie"},
		"catalog beats tag":            {"catalog shop.t.tagged internal\nrecipient r grade=2", "tagged", "pass"},
		"catalog in full beats glob":   {"catalog shop.t.* contact.email\ncatalog shop.t.phone internal\nrecipient r grade=2\n contact.* mask", "phone", "pass"},
		"longer catalog glob":          {"catalog shop.* person.name\ncatalog shop.t.* contact.email\nrecipient r\n contact.* mask\n person.* drop", "phone", "mask"},
		"catalog tie":                  {"catalog *op.t.phone person.name\ncatalog sh*.t.phone contact.email\nrecipient r\n * mask", "phone", "tie"},
		"a field rule settles it":      {"catalog *op.t.phone person.name\ncatalog sh*.t.phone contact.email\nrecipient r\n field:shop.t.phone mask", "phone", "mask"},
		"a tag may only protect":       {"recipient r grade=2", "low", "undecided"},
		"two tags of one grade":        {"recipient r\n * mask", "two", "tie"},
		"tags with underscores":        {"recipient r\n contact.email mask", "under", "mask"},
		"array by its name":            {"recipient r\n field:shop.t.tags mask", "tags[]", "mask"},
		"array by catalog":             {"catalog shop.t.tags contact.email\nrecipient r\n contact.* mask", "tags[]", "mask"},
		"array passes by its name":     {"recipient r\n field:shop.t.tags pass", "tags[]", "pass"},
		"array lowered by its name":    {"catalog shop.t.tags internal\nrecipient r grade=2", "tags[]", "pass"},
		"record by its name":           {"recipient r\n field:shop.t.addr mask", "addr.city", "mask"},
		"inner name is longer":         {"recipient r\n field:shop.t.addr mask\n field:shop.t.addr.city drop", "addr.city", "drop"},
		"pass does not reach in":       {"recipient r\n field:shop.t.addr pass", "addr.city", "undecided"},
		"low class does not reach in":  {"catalog shop.t.addr internal\nrecipient r grade=2", "addr.city", "undecided"},
		"map values in full":           {"catalog shop.t.attrs{} internal\nrecipient r grade=2", "attrs{}", "pass"},
		"map is not its values":        {"catalog shop.t.attrs internal\nrecipient r grade=2", "attrs{}", "undecided"},
		"map keys are fields":          {"catalog shop.t.attrs{} internal\nrecipient r grade=2", "attrs{#}", "undecided"},
		"protection reaches map keys":  {"catalog shop.t.attrs contact.email\nrecipient r\n contact.* mask", "attrs{#}", "mask"},
		"a kind that is refused":       {"recipient r\n field:shop.t.phone round", "phone", "treatment_refused"},
		"null on a map key is refused": {"recipient r\n field:shop.t.attrs{#} null\n field:shop.t.attrs{} mask", "attrs{#}", "treatment_refused"},
		"dropped map key":              {"recipient r\n field:shop.t.attrs{#} drop\n field:shop.t.attrs{} mask", "attrs{}", "drop"},
		"class tie, tag rule decides":  {"recipient r\n tag:person.name mask", "two", "mask"},
	} {
		t.Run(name, func(t *testing.T) {
			p := tablePlan(t, c.policy)
			for _, row := range p.Matrix() {
				if row.Field == "shop.t."+c.field {
					if row.Treatment != c.want {
						t.Errorf("%s, want %s: %s\n%s", row.Treatment, c.want, row.Why, p)
					}
					return
				}
			}
			t.Errorf("no such field\n%s", p)
		})
	}
}

// TestTieNamesBoth: a tie is refused with both places.
func TestTieNamesBoth(t *testing.T) {
	p := tablePlan(t, "recipient r\n field:*op.t.phone mask\n field:sh*.t.phone drop")
	for _, u := range p.Undecided() {
		if u.Code == CodeTie {
			if !strings.Contains(u.Why, "weir.yaml:2:1") || !strings.Contains(u.Why, "weir.yaml:3:1") || u.Pos.Line != 3 {
				t.Errorf("%+v", u)
			}
			return
		}
	}
	t.Error("no tie")
}

// TestUndecidedStopsOneRecipient is contract 11 and Invariant 1.
func TestUndecidedStopsOneRecipient(t *testing.T) {
	p := tablePlan(t, "recipient a unknown=drop\n contact.* drop\n person.* drop\nrecipient b\n contact.* mask")
	if p.Blocked(0) != CodeTie || p.Blocked(1) != CodeUndecided {
		t.Errorf("blocked %q, %q", p.Blocked(0), p.Blocked(1))
	}
	p = tablePlan(t, "catalog shop.t.two person.name\nrecipient a unknown=drop\n * drop\nrecipient b\n * mask")
	got := protect(t, p, change("", `{"phone":"1","tagged":"2"}`))
	if got[0] != "null → {}" || got[1] != "quarantined undecided shop.t.phone" {
		t.Errorf("%q", got)
	}
	if key, value := p.Shape(1); key != nil || value != nil {
		t.Error("a blocked recipient has a shape to register")
	}
}

// TestLint: what stands after ### is what lint says of that line.
func TestLint(t *testing.T) {
	text := `
catalog shop.t.a nothing ### unknown_class: no class is called "nothing"
catalog shop.* internal ### glob_lowers: .*name the field in full
catalog shop.t.b internal
catalog shop.t.b internal ### tie: catalog has "shop.t.b" twice
recipient a grade=2 until=2026-11-30 ### until_soon: a ends on 2026-11-30
  field:shop.t.* pass ### pass_not_in_full
  contact.* pass ### pass_not_in_full
  * pass ### pass_not_in_full
  tag:PII pass ### pass_not_in_full
  tag:P* mask ### tag_glob
  field: mask ### empty_match
  contact.nothing mask ### unknown_class: .*field:contact.nothing
  contact.email seal ### not_built: seal is not built yet
  person.* sha256 ### unkeyed_hash: .*use token
  id.* frobnicate ### unknown_treatment: .*"frobnicate"
  field:shop.t.c constant ### treatment_refused: constant: constant needs a value
  field:shop.t.d constant x
recipient b topic=clean.a.{schema}.{table} until=2026-11-20 ### until_past|same_topic
recipient c rows=after.country = 'CN' ### bad_rows
recipient d rows=size(after) > 1 ### bad_rows: .*not the row as a whole
recipient e rows='CN' ### bad_rows: .*not true or false
recipient f topic=all ### one_topic
recipient g rows=after.a == 1 && has(after.b.c) && after["d"] in ['x'] && [1].exists(i, i == after.e)
`
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	want := map[int]*regexp.Regexp{}
	for i, line := range strings.Split(text, "\n") {
		if _, re, ok := strings.Cut(line, "### "); ok {
			want[i+1] = regexp.MustCompile(re)
		}
	}
	hit := map[int]bool{}
	for _, p := range Lint(policy(t, text), fakes(), []string{"seal"}, now) {
		said := string(p.Code) + ": " + p.Msg
		if re := want[p.Pos.Line]; re == nil || !re.MatchString(said) {
			t.Errorf("line %d: %s", p.Pos.Line, said)
		}
		hit[p.Pos.Line] = true
	}
	for line, re := range want {
		if !hit[line] {
			t.Errorf("line %d: nothing, want %s", line, re)
		}
	}
}

// TestCompileRefuses: what lint refuses in every schema, Compile does too.
func TestCompileRefuses(t *testing.T) {
	for _, text := range []string{
		"catalog shop.t.a nothing\nrecipient a", "catalog shop.* internal\nrecipient a",
		"recipient a\n contact.* pass", "recipient a\n contact.* seal", "recipient a rows=1",
	} {
		_, err := Compile(Input{Policy: policy(t, text), Dataset: customers(), Kinds: fakes()})
		var pe *PolicyError
		if !errors.As(err, &pe) || pe.Pos.Line == 0 || !strings.HasPrefix(pe.Error(), "weir.yaml:") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
