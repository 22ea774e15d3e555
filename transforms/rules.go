package transforms

import (
	"fmt"
	"strings"

	"weir/schemas"
)

// ruleKind is the order in which a recipient's rules are asked (contract 5).
type ruleKind uint8

const (
	ruleField ruleKind = iota
	ruleTag
	ruleClass
	ruleStar
)

// lowestProtecting is the grade from which a class protects (contract 4).
const lowestProtecting = 3

// rule is one line of treat, parsed.
type rule struct {
	*Rule
	kind ruleKind
	pattern
}

// rules are a policy's catalog and one recipient's treat map, parsed.
type rules struct {
	catalog []catalogRule
	treat   [][]rule // by recipient
	byTag   map[string]*schemas.Class
}

type catalogRule struct {
	*CatalogRule
	pattern
	class *schemas.Class
}

// parseRules parses what a policy says of fields. Problems that no schema can
// mend are reported to refuse; the rule is left out then.
func parseRules(p *Policy, kinds map[string]Factory, refuse func(*PolicyError)) *rules {
	out := &rules{byTag: map[string]*schemas.Class{}}
	for _, c := range p.Taxonomy.Classes() {
		out.byTag[c.ID] = c
		out.byTag[strings.ReplaceAll(c.ID, ".", "_")] = c
	}
	for i := range p.Catalog {
		c := &p.Catalog[i]
		parsed := catalogRule{CatalogRule: c, pattern: parsePattern(c.Match), class: p.Taxonomy.Class(c.Class)}
		if err := checkCatalog(&parsed); err != nil {
			refuse(err)
			continue
		}
		out.catalog = append(out.catalog, parsed)
	}
	for i := range p.Recipients {
		out.treat = append(out.treat, parseTreat(p, &p.Recipients[i], kinds, refuse))
	}
	return out
}

func checkCatalog(c *catalogRule) *PolicyError {
	switch {
	case c.class == nil:
		return &PolicyError{"unknown_class", c.Pos, fmt.Sprintf("no class is called %q", c.Class)}
	case c.glob && c.class.Grade < lowestProtecting:
		return &PolicyError{"glob_lowers", c.Pos, fmt.Sprintf(
			"a glob may only protect: %s is grade %d, so name the field in full", c.class.ID, c.class.Grade)}
	}
	return nil
}

func parseTreat(p *Policy, r *Recipient, kinds map[string]Factory, refuse func(*PolicyError)) []rule {
	var out []rule
	for i := range r.Treat {
		parsed, err := parseRule(p, &r.Treat[i])
		if err == nil {
			err = checkTreatment(&parsed, kinds)
		}
		if err != nil {
			refuse(err)
			continue
		}
		out = append(out, parsed)
	}
	return out
}

func parseRule(p *Policy, r *Rule) (rule, *PolicyError) {
	out := rule{Rule: r, kind: ruleClass}
	text := r.Match
	if rest, ok := strings.CutPrefix(r.Match, "field:"); ok {
		out.kind, text = ruleField, rest
	} else if rest, ok := strings.CutPrefix(r.Match, "tag:"); ok {
		out.kind, text = ruleTag, rest
	} else if r.Match == "*" {
		out.kind = ruleStar
	}
	out.pattern = parsePattern(text)
	switch {
	case text == "":
		return out, &PolicyError{"empty_match", r.Pos, fmt.Sprintf("%q names nothing", r.Match)}
	case out.kind == ruleTag && out.glob:
		return out, &PolicyError{"tag_glob", r.Pos, "a tag is named in full"}
	case out.kind == ruleClass && !anyClass(p.Taxonomy, &out.pattern):
		return out, &PolicyError{"unknown_class", r.Pos, fmt.Sprintf("no class is called %q; a field is written field:%s", text, text)}
	}
	return out, nil
}

func anyClass(t *schemas.Taxonomy, p *pattern) bool {
	for _, c := range t.Classes() {
		if p.match(c.ID) {
			return true
		}
	}
	return false
}

// treatPass is the treatment that lets a field be; unlike every other it
// protects nothing, so only a field's full name may ask for it (contract 4).
const treatPass = "pass"

func checkTreatment(r *rule, kinds map[string]Factory) *PolicyError {
	if kinds[r.Treatment] == nil {
		return &PolicyError{"unknown_treatment", r.Pos, fmt.Sprintf("no treatment is called %q", r.Treatment)}
	}
	if r.Treatment == treatPass && (r.kind != ruleField || r.glob) {
		return &PolicyError{"pass_not_in_full", r.Pos, "only field:<full name> may pass; a recipient's grade lets classes pass"}
	}
	return nil
}

// classified is what a field is and who said so.
type classified struct {
	class *schemas.Class
	from  string // for explain
	// undecided is why there is no answer although there are rules for one.
	undecided *verdict
	// hint is a rule that names a container but may not lower what it holds.
	hint string
}

// verdict is one code with its reason and place.
type verdict struct {
	code schemas.Code
	why  string
	pos  Pos
}

// classify finds a field's class: a catalog entry decides, else the tag of the
// highest grade (contract 4; evidence comes later).
func (rs *rules) classify(f *fieldName, tags []string) classified {
	win := noBest()
	hint := ""
	for i := range rs.catalog {
		c := &rs.catalog[i]
		covers, inFull := c.covers(f)
		if covers && c.class.Grade < lowestProtecting && !inFull {
			hint = fmt.Sprintf("catalog %s: %s does not reach into what it holds; name the field in full", c.text, c.class.ID)
			continue
		}
		if covers {
			win.offer(i, inFull, c.literal)
		}
	}
	switch {
	case win.tied >= 0:
		a, b := &rs.catalog[win.index], &rs.catalog[win.tied]
		return classified{undecided: tieOf("catalog entries", a.text, a.Pos, b.text, b.Pos)}
	case win.index >= 0:
		c := &rs.catalog[win.index]
		return classified{class: c.class, from: "catalog " + c.text}
	}
	out := rs.classByTag(tags)
	out.hint = hint
	return out
}

func tieOf(what, a string, aPos Pos, b string, bPos Pos) *verdict {
	return &verdict{code: CodeTie, pos: bPos, why: fmt.Sprintf(
		"%s %q (%s) and %q (%s) cover it equally: name the field in full", what, a, aPos, b, bPos)}
}

// classByTag takes the highest grade among tags that name a class, with dots or
// with underscores for them. A tag may only protect.
func (rs *rules) classByTag(tags []string) classified {
	var out classified
	for _, tag := range tags {
		c := rs.byTag[tag]
		if c == nil || c.Grade < lowestProtecting {
			continue
		}
		switch {
		case out.class == nil || c.Grade > out.class.Grade:
			out = classified{class: c, from: "tag " + tag}
		case c.Grade == out.class.Grade && c != out.class:
			out.undecided = &verdict{code: CodeTie, why: fmt.Sprintf(
				"tags give it two classes of grade %d: %s and %s", c.Grade, out.class.ID, c.ID)}
		}
	}
	if out.undecided != nil {
		out.class = nil
	}
	return out
}

// choice is what a recipient's rules say of a field: a rule, or one of the
// answers that have none.
type choice struct {
	rule      *rule
	pass      bool // by grade
	drop      bool // by unknown: drop
	undecided *verdict
	why       string
}

// choose asks a recipient's rules in contract 5's order.
func (rs *rules) choose(r int, rec *Recipient, f *fieldName, tags []string, c *classified) choice {
	for kind := ruleField; kind <= ruleClass; kind++ {
		if kind == ruleClass && c.class == nil {
			break
		}
		win, undecided := rs.bestOf(r, kind, f, tags, c.class)
		if undecided != nil {
			return choice{undecided: undecided}
		}
		if win != nil {
			return choice{rule: win, why: win.Match}
		}
	}
	switch {
	case c.undecided != nil:
		return choice{undecided: c.undecided}
	case c.class == nil && rec.Unknown == DropUnknown:
		return choice{drop: true, why: "unknown: drop"}
	case c.class == nil:
		return choice{undecided: &verdict{code: CodeUndecided, why: orElse(c.hint, "no class and no rule for the field")}}
	case c.class.Grade <= rec.Grade:
		return choice{pass: true, why: fmt.Sprintf("grade: %d", rec.Grade)}
	}
	for i := range rs.treat[r] {
		if rs.treat[r][i].kind == ruleStar {
			return choice{rule: &rs.treat[r][i], why: `"*"`}
		}
	}
	return choice{undecided: &verdict{code: CodeUndecided, why: "no rule for class " + c.class.ID}}
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// bestOf is the winner among a recipient's rules of one kind.
func (rs *rules) bestOf(r int, kind ruleKind, f *fieldName, tags []string, class *schemas.Class) (*rule, *verdict) {
	win := noBest()
	list := rs.treat[r]
	for i := range list {
		if list[i].kind != kind {
			continue
		}
		if covers, inFull := list[i].applies(f, tags, class); covers && (inFull || list[i].Treatment != treatPass) {
			win.offer(i, inFull, list[i].literal)
		}
	}
	switch {
	case win.tied >= 0:
		a, b := &list[win.index], &list[win.tied]
		return nil, tieOf("rules", a.Match, a.Pos, b.Match, b.Pos)
	case win.index >= 0:
		return &list[win.index], nil
	}
	return nil, nil
}

func (r *rule) applies(f *fieldName, tags []string, class *schemas.Class) (covers, inFull bool) {
	switch r.kind {
	case ruleField:
		return r.covers(f)
	case ruleTag:
		return listed(tags, r.text), true
	case ruleClass:
		return r.match(class.ID), !r.glob
	}
	return false, false
}
