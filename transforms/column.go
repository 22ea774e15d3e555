package transforms

import (
	"fmt"
	"maps"

	"weir/keys"
	"weir/schemas"
)

// treatment is what one recipient's copy does to one column: compiled once for
// key, before, after and headers (Invariant 2).
type treatment struct {
	act          action
	transform    Transform // actTreat only
	out          schemas.Kind
	scale        int
	replacesNull bool
	keySafe      bool
	memo         int  // Scratch's slot for the last result in a record
	asks         bool // KindAny: Out is asked for the kind that occurs

	name, options, domain, why string // for explain
	class                      *classified
	bad                        *verdict // actBlocked only
}

func blockedTreatment(v *verdict) *treatment { return &treatment{act: actBlocked, bad: v, why: v.why} }

func (c *compiler) classified(f *fieldName, tags []string) *classified {
	if got := c.classes[f.full]; got != nil {
		return got
	}
	got := c.rules.classify(f, tags)
	c.classes[f.full] = &got
	return &got
}

// column is recipient r's treatment of a column.
func (c *compiler) column(r int, f *fieldName, l *schemas.Leaf) *treatment {
	key := columnKey{r, f.full, l.Kind, l.Scale, l.Unit}
	if t := c.columns[key]; t != nil {
		return t
	}
	tags := c.tags[f.full]
	class := c.classified(f, tags)
	t := c.build(r, class, c.rules.choose(r, &c.in.Policy.Recipients[r], f, tags, class), l)
	t.class, t.memo = class, c.plan.memos
	c.plan.memos++
	c.columns[key] = t
	return t
}

// keyColumn is the treatment of a column in the record key: the body's, when
// that is one-to-one (contract 8) and the key's schema alone leads to it too,
// since a tombstone has nothing else.
func (c *compiler) keyColumn(r int, f *fieldName, l *schemas.Leaf) *treatment {
	t := c.column(r, f, l)
	if len(c.tags[f.full]) > len(l.Tags) {
		rec := &c.in.Policy.Recipients[r]
		own := c.rules.classify(f, l.Tags)
		alone := c.rules.choose(r, rec, f, l.Tags, &own)
		joint := c.rules.choose(r, rec, f, c.tags[f.full], t.class)
		if own.class != t.class.class || !sameChoice(&alone, &joint) {
			return keyBlocked(t, &verdict{code: CodeKeyDisagrees, why: "the value's schema has tags for this column that the key's lacks: give the field a class in the catalog"})
		}
	}
	switch {
	case t.act == actPass || t.act == actBlocked || t.act == actTreat && t.keySafe:
		return t
	}
	return keyBlocked(t, &verdict{code: CodeKeyUnsafe, why: fmt.Sprintf(
		"%s (%s) would merge or lose rows in the record key: only pass and one-to-one treatments (token) may stand there", t.name, t.why)})
}

func keyBlocked(t *treatment, v *verdict) *treatment {
	out := blockedTreatment(v)
	out.class = t.class
	return out
}

func sameChoice(a, b *choice) bool {
	return a.rule == b.rule && a.pass == b.pass && a.drop == b.drop && (a.undecided == nil) == (b.undecided == nil)
}

// build makes the treatment that a choice asks for.
func (c *compiler) build(r int, class *classified, ch choice, l *schemas.Leaf) *treatment {
	switch {
	case ch.undecided != nil:
		return blockedTreatment(ch.undecided)
	case ch.pass:
		return &treatment{act: actPass, name: treatPass, why: ch.why}
	case ch.drop:
		return &treatment{act: actCut, name: "drop", why: ch.why}
	}
	refuse := func(err error) *treatment {
		return blockedTreatment(&verdict{code: CodeRefused, pos: ch.rule.Pos,
			why: fmt.Sprintf("%s (%s): %v", ch.rule.Treatment, ch.why, err)})
	}
	env := &Env{Ring: c.in.Ring, Keyspace: c.in.Policy.Keyspace, Recipient: c.in.Policy.Recipients[r].Name,
		Class: class.class, Leaf: l, Slot: c.slot}
	args := shared(&c.in.Policy.Recipients[r], ch.rule.Rule, class.class)
	tr, err := c.in.Kinds[ch.rule.Treatment](env, args)
	if err != nil {
		return refuse(err)
	}
	if isPass(tr) && (ch.rule.kind != ruleField || ch.rule.glob) {
		return refuse(fmt.Errorf("only field:<full name> may pass"))
	}
	t := &treatment{act: actTreat, name: ch.rule.Treatment, why: ch.why, options: describe(args)}
	t.traits(tr)
	if t.act != actTreat {
		return t
	}
	if l.Kind == schemas.KindNull && !t.replacesNull {
		t.act = actPass // null stays null, and there is nothing else
		return t
	}
	t.transform = tr
	if err := t.setOut(l); err != nil {
		return refuse(err)
	}
	return t
}

// shared are a token's options with the group that the recipient shares its
// domain with (contract 19), unless the rule names one itself.
func shared(rec *Recipient, ru *Rule, class *schemas.Class) Args {
	domain, _ := ru.Args["domain"].(string)
	if domain == "" && class != nil {
		domain = class.ID
	}
	group := rec.Share[domain]
	if ru.Treatment != "token" || group == "" || ru.Args["share"] != nil {
		return ru.Args
	}
	out := maps.Clone(ru.Args)
	if out == nil {
		out = Args{}
	}
	out["share"] = group
	return out
}

// traits asks the transform's optional interfaces.
func (t *treatment) traits(tr Transform) {
	if v, ok := tr.(Passer); ok && v.Passes() {
		t.act = actPass
	}
	if v, ok := tr.(Nullifier); ok && v.Nulls() {
		t.act = actNull
	}
	if v, ok := tr.(Dropper); ok && v.Drops() {
		t.act = actCut
	}
	if v, ok := tr.(Nuller); ok {
		t.replacesNull = v.ReplacesNull()
	}
	if v, ok := tr.(KeySafe); ok {
		t.keySafe = v.KeySafe()
	}
	if v, ok := tr.(Describer); ok {
		t.options = v.Describe()
	}
	if v, ok := tr.(interface{ Domain() string }); ok {
		t.domain = v.Domain()
	}
}

// jsonKinds are the kinds that can occur at a KindAny leaf.
var jsonKinds = [...]schemas.Kind{schemas.KindString, schemas.KindNumber, schemas.KindBool}

// setOut settles the kind of the results. Where any kind can occur, either all
// give one kind, or each keeps its own.
func (t *treatment) setOut(l *schemas.Leaf) error {
	if l.Kind != schemas.KindAny {
		var err error
		t.out, t.scale, err = t.transform.Out(l.Kind)
		return err
	}
	t.asks = true
	one, keeps, n := schemas.KindAny, true, 0
	var refused error
	for _, k := range jsonKinds {
		out, _, err := t.transform.Out(k)
		if err != nil {
			refused = err
			continue
		}
		if n++; n == 1 {
			one = out
		} else if out != one {
			one = schemas.KindAny
		}
		keeps = keeps && out == k
	}
	switch {
	case n == 0:
		return refused
	case keeps && n > 1:
		one = schemas.KindAny
	case one == schemas.KindAny:
		return fmt.Errorf("the kind of its result would depend on the value, and no schema says which kind the field has")
	}
	t.out = one
	return nil
}

// slot claims a hash state; equal uses share one.
func (c *compiler) slot(u keys.Use) int {
	i, ok := c.slots[u]
	if !ok {
		i = len(c.slots)
		c.slots[u] = i
	}
	return i
}
