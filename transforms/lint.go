package transforms

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/keys"
	"weir/schemas"
)

// Severity is how bad a Problem is.
type Severity uint8

// The severities.
const (
	SeverityError   Severity = iota // the policy is refused
	SeverityWarning                 // a person should look
)

// Problem is something lint says about a policy without seeing a schema.
type Problem struct {
	Severity Severity
	Code     schemas.Code
	Pos      Pos
	Msg      string
}

// untilWarning is how long before a recipient's last day lint warns (contract
// 7).
const untilWarning = 14 * 24 * time.Hour

// unkeyed are names by which people ask for a hash without a key. A hash of a
// phone number is the phone number: all of them fit on a disk.
var unkeyed = []string{"hash", "md5", "sha", "sha1", "sha256", "sha512", "sha3", "sm3", "crc32", "blake2", "blake3", "xxhash", "murmur"}

// Lint checks what can be said of a policy without schemas. notBuilt names
// treatments that later work brings; now is the time for `until`.
func Lint(p *Policy, kinds map[string]Factory, notBuilt []string, now time.Time) []Problem {
	l := &linter{policy: p, kinds: kinds, notBuilt: notBuilt}
	rs := parseRules(p, kinds, l.refuse)
	l.ties("catalog", len(rs.catalog), func(i int) (string, Pos) { return rs.catalog[i].text, rs.catalog[i].Pos })
	for i := range p.Recipients {
		r, list := &p.Recipients[i], rs.treat[i]
		l.ties("treat", len(list), func(i int) (string, Pos) { return list[i].Match, list[i].Pos })
		l.recipient(r, now)
		for j := range list {
			l.options(r, &list[j])
		}
	}
	l.topics()
	slices.SortStableFunc(l.out, func(a, b Problem) int {
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return a.Pos.Col - b.Pos.Col
	})
	return l.out
}

type linter struct {
	policy   *Policy
	kinds    map[string]Factory
	notBuilt []string
	out      []Problem
}

func (l *linter) add(s Severity, code schemas.Code, pos Pos, format string, args ...any) {
	l.out = append(l.out, Problem{s, code, pos, fmt.Sprintf(format, args...)})
}

// refuse takes what parseRules refuses; unknown treatments get a better reason
// where there is one.
func (l *linter) refuse(err *PolicyError) {
	if err.Code == "unknown_treatment" && l.better(l.treatmentAt(err.Pos), err.Pos) {
		return
	}
	l.add(SeverityError, err.Code, err.Pos, "%s", err.Msg)
}

// better refuses a treatment that has a reason of its own to be refused; false
// when it has none.
func (l *linter) better(name string, pos Pos) bool {
	switch {
	case slices.Contains(l.notBuilt, name):
		l.add(SeverityError, "not_built", pos, "%s is not built yet", name)
	case slices.Contains(unkeyed, name):
		l.add(SeverityError, "unkeyed_hash", pos, "%s has no key, so whoever can list the values can undo it: use token", name)
	default:
		return false
	}
	return true
}

func (l *linter) treatmentAt(pos Pos) string {
	for i := range l.policy.Recipients {
		for _, r := range l.policy.Recipients[i].Treat {
			if r.Pos == pos && l.kinds[r.Treatment] == nil {
				return r.Treatment
			}
		}
	}
	return ""
}

// ties finds lines with one text: they cover the same fields equally. Globs
// that overlap only on some field are found when a schema is there.
func (l *linter) ties(what string, n int, at func(int) (string, Pos)) {
	first := map[string]Pos{}
	for i := range n {
		text, pos := at(i)
		if other, ok := first[text]; ok {
			l.add(SeverityError, CodeTie, pos, "%s has %q twice: here and at %s", what, text, other)
			continue
		}
		first[text] = pos
	}
}

func (l *linter) recipient(r *Recipient, now time.Time) {
	if r.Rows != "" {
		var refused *PolicyError
		if _, err := compileRows(r); errors.As(err, &refused) {
			l.add(SeverityError, refused.Code, refused.Pos, "%s", refused.Msg)
		}
	}
	if r.Grade < 0 || r.Grade > schemas.MaxGrade {
		l.add(SeverityError, "bad_grade", r.Pos, "grade of %s is a number from 1 to %d", r.Name, schemas.MaxGrade)
	}
	if r.Until.IsZero() {
		return
	}
	day, end := r.Until.Format("2006-01-02"), r.Until.AddDate(0, 0, 1)
	switch {
	case !now.Before(end):
		l.add(SeverityWarning, "until_past", r.Pos, "%s ended on %s: nothing is delivered any more", r.Name, day)
	case end.Sub(now) <= untilWarning:
		l.add(SeverityWarning, "until_soon", r.Pos, "%s ends on %s", r.Name, day)
	}
}

// lintKinds are tried where no schema says what a field holds.
var lintKinds = [...]schemas.Kind{schemas.KindString, schemas.KindLong, schemas.KindDecimal, schemas.KindDouble,
	schemas.KindDate, schemas.KindInstant, schemas.KindBytes, schemas.KindBool, schemas.KindAny, schemas.KindInt,
	schemas.KindNumber, schemas.KindFloat, schemas.KindFixed, schemas.KindEnum, schemas.KindUUID, schemas.KindTime,
	schemas.KindLocal, schemas.KindDuration}

// options compiles a treatment for a field of every kind; options that none of
// them takes are refused.
func (l *linter) options(r *Recipient, ru *rule) {
	var refused error
	for _, class := range l.classesOf(ru) {
		for _, k := range lintKinds {
			env := &Env{Keyspace: l.policy.Keyspace, Recipient: r.Name, Class: class, Slot: noSlot,
				Leaf: &schemas.Leaf{Kind: k, Declared: true, Parent: -1, Cut: -1}}
			tr, err := l.kinds[ru.Treatment](env, shared(r, ru.Rule, class))
			if err == nil {
				l.passes(ru, tr)
				return
			}
			if refused == nil {
				refused = err
			}
		}
	}
	if !l.better(ru.Treatment, ru.Pos) {
		l.add(SeverityError, CodeRefused, ru.Pos, "%s: %v", ru.Treatment, refused)
	}
}

// passes refuses what passes under another name than pass.
func (l *linter) passes(ru *rule, tr Transform) {
	if isPass(tr) && (ru.kind != ruleField || ru.glob) {
		l.add(SeverityError, "pass_not_in_full", ru.Pos, "only field:<full name> may pass")
	}
}

func isPass(t Transform) bool {
	p, ok := t.(Passer)
	return ok && p.Passes()
}

func noSlot(keys.Use) int { return 0 }

// classesOf are the classes that a rule's fields can have, nil for none: what a
// treatment takes may depend on the class, so each is tried. "*" covers
// classified fields only (contract 5).
func (l *linter) classesOf(ru *rule) []*schemas.Class {
	var out []*schemas.Class
	if ru.kind == ruleField || ru.kind == ruleTag {
		out = append(out, nil)
	}
	for _, c := range l.policy.Taxonomy.Classes() {
		if ru.kind != ruleClass || ru.match(c.ID) {
			out = append(out, c)
		}
	}
	return out
}

// topics refuses two recipients whose copies would land in one topic.
func (l *linter) topics() {
	first := map[string]*Recipient{}
	for i := range l.policy.Recipients {
		r := &l.policy.Recipients[i]
		if other := first[r.Topic]; other != nil {
			l.add(SeverityError, "same_topic", r.Pos, "%s and %s both write to %s", other.Name, r.Name, r.Topic)
			continue
		}
		first[r.Topic] = r
		if name := strayPlaceholder(r.Topic); name != "" {
			l.add(SeverityError, "topic_pattern", r.Pos, "topic of %s: %s is not {schema} or {table}; nothing of a record goes into a topic's name", r.Name, name)
			continue
		}
		if !strings.Contains(r.Topic, "{table}") {
			l.add(SeverityWarning, "one_topic", r.Pos, "all tables of %s share the topic %s, and their keys may meet", r.Name, r.Topic)
		}
	}
}

// strayPlaceholder is the first part of a topic's pattern that would not come
// from the source's name.
func strayPlaceholder(pattern string) string {
	for rest := pattern; ; {
		_, after, ok := strings.Cut(rest, "{")
		if !ok {
			return ""
		}
		name, tail, _ := strings.Cut(after, "}")
		if name != "schema" && name != "table" {
			return "{" + name + "}"
		}
		rest = tail
	}
}
