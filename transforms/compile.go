package transforms

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"weir/keys"
	"weir/schemas"
)

// Plan is schema and policy, compiled: everything that the two can decide is
// decided. It is immutable and shared by all workers.
type Plan struct {
	in    Input
	id    *planID
	rules *rules
	// placeholder64 is Dataset.Placeholder as JSON writes bytes.
	placeholder64 string
	all           schemas.Code // every record is filtered under it, "" when none is
	sides         [sideCount]*side
	copies        []copyPlan // by recipient
	facts         factLeaves
	memos         int // results that Scratch remembers within a record
}

// planID is a plan's identity: a Scratch that knows it keeps no plan alive.
type planID struct{ _ byte }

// side is what all recipients share of one payload's schema.
type side struct {
	kind   sideKind
	schema *schemas.Schema
	places []place
	want   schemas.Wanted
	every  schemas.Wanted // all leaves, of keys: one for the plan, since codecs compile each anew
	// declared: the leaves are only those that the policy names (JSON without a
	// schema), so what is undecided concerns the records that have it.
	declared bool
}

// copyPlan is one recipient's part of a plan.
type copyPlan struct {
	*Recipient
	sides  [sideCount]sideCopy
	rows   *rowFilter // nil: all rows
	until  int64      // first millisecond that is too late, 0: none
	opaque *treatment // of a key that has no schema
}

// sideCopy is what one recipient's copy does to one payload.
type sideCopy struct {
	act     []action     // by leaf
	treat   []*treatment // by leaf; nil for the envelope and for containers
	shape   schemas.Shape
	same    bool     // no leaf is touched: the bytes pass as they are
	soft    bool     // some leaves are blocked, and records are looked through for them
	blocked *verdict // every record is quarantined
	path    string   // printable place of blocked
}

// action is what happens to a leaf in a copy.
type action uint8

const (
	actPass    action = iota
	actCut            // out of value and schema
	actNull           // null
	actTreat          // the transform's result
	actBlocked        // no decision
	actCovered        // a container around it is cut or nulled
)

// factLeaves are the leaves that the envelope's written rules read.
type factLeaves struct {
	op, before, after []int32
	images            bool // some recipient has rows: images are looked at
}

// Compile makes the plan of one topic's schemas. Its error is a *PolicyError:
// the policy can never run, whatever the schema. What the schema's leaves lack
// is in Undecided, and quarantines the records of the recipients concerned.
func Compile(in Input) (*Plan, error) {
	var refused *PolicyError
	rs := parseRules(in.Policy, in.Kinds, func(err *PolicyError) {
		if refused == nil {
			refused = err
		}
	})
	if refused != nil {
		return nil, refused
	}
	c := &compiler{in: in, rules: rs, plan: &Plan{in: in, id: new(planID), rules: rs,
		placeholder64: base64.StdEncoding.EncodeToString([]byte(in.Dataset.Placeholder))}, tags: map[string][]string{},
		classes: map[string]*classified{}, columns: map[columnKey]*treatment{}, slots: map[keys.Use]int{}}
	if err := c.recipients(); err != nil {
		return nil, err
	}
	if in.Dataset.Events == EventsSchemaChange {
		c.plan.all = CodeSchemaChange
		return c.plan, nil
	}
	c.sides()
	return c.plan, nil
}

type compiler struct {
	in      Input
	rules   *rules
	plan    *Plan
	tags    map[string][]string // by full name: of key and body together
	classes map[string]*classified
	columns map[columnKey]*treatment
	slots   map[keys.Use]int
}

// columnKey is what a treatment is compiled for: key, before, after and header
// share one (Invariant 2).
type columnKey struct {
	recipient   int
	full        string
	kind        schemas.Kind
	scale, unit int
}

func (c *compiler) recipients() error {
	for i := range c.in.Policy.Recipients {
		r := &c.in.Policy.Recipients[i]
		cp := copyPlan{Recipient: r}
		if !r.Until.IsZero() {
			cp.until = r.Until.AddDate(0, 0, 1).UnixMilli()
		}
		if r.Rows != "" && c.in.Dataset.Events == EventsRows {
			f, err := compileRows(r)
			if err != nil {
				return err
			}
			cp.rows = f
			c.plan.facts.images = true
		}
		c.plan.copies = append(c.plan.copies, cp)
	}
	return nil
}

func (c *compiler) sides() {
	for k, s := range [sideCount]*schemas.Schema{c.in.Key, c.in.Value, c.in.Header} {
		if s != nil {
			c.plan.sides[k] = c.placeSide(sideKind(k), s)
		}
	}
	for i := range c.plan.copies {
		cp := &c.plan.copies[i]
		for k, s := range c.plan.sides {
			if s != nil {
				cp.sides[k] = c.sideCopy(i, s)
			}
		}
		if c.in.Key == nil {
			cp.opaque = c.opaqueKey(i)
		}
	}
	c.findFacts()
	for _, s := range c.plan.sides {
		if s != nil {
			c.shapes(s)
			c.wanted(s)
		}
	}
}

// placeSide places a schema's leaves and collects their tags by full name.
func (c *compiler) placeSide(kind sideKind, s *schemas.Schema) *side {
	out := &side{kind: kind, schema: s, places: make([]place, len(s.Leaves))}
	out.declared = s.Format == schemas.FormatJSON && s.Text == "" && (len(s.Leaves) != 1 || s.Leaves[0].Path != "")
	for i := range s.Leaves {
		l := &s.Leaves[i]
		out.places[i] = placeOf(&c.in.Dataset, kind, l.Names, l.Kind, l.Declared)
		if n := out.places[i].name; n != nil {
			for _, tag := range l.Tags {
				if !listed(c.tags[n.full], tag) {
					c.tags[n.full] = append(c.tags[n.full], tag)
				}
			}
		}
	}
	return out
}

// sideCopy decides every leaf of one side for one recipient.
func (c *compiler) sideCopy(r int, s *side) sideCopy {
	n := len(s.places)
	out := sideCopy{act: make([]action, n), treat: make([]*treatment, n)}
	for i := range s.places {
		pl, l := &s.places[i], &s.schema.Leaves[i]
		switch {
		case pl.role == roleDrop:
			out.act[i] = actCut
		case pl.role != roleColumn || l.Kind.Container():
		case s.kind == sideValue:
			out.treat[i] = c.column(r, pl.name, l)
		default:
			out.treat[i] = c.keyColumn(r, pl.name, l)
		}
		if t := out.treat[i]; t != nil {
			out.act[i] = t.act
		}
	}
	settle(s, &out)
	for i, t := range out.treat {
		if t == nil || out.act[i] != actBlocked {
			continue
		}
		if s.declared || !s.schema.Leaves[i].Declared {
			out.soft = true
		} else if out.blocked == nil {
			out.blocked, out.path = t.bad, s.places[i].name.print()
		}
	}
	return out
}

// settle gives containers their action and takes it from what they cover: a
// container of which nothing stays is cut, one of nulls is null.
func settle(s *side, sc *sideCopy) {
	leaves := s.schema.Leaves
	forced := cutTogether(leaves, sc.act)
	branches := map[string]int{} // that can stand where a leaf does
	for i := range leaves {
		branches[leaves[i].Path]++
	}
	type count struct{ all, cut, null int }
	kids := make([]count, len(leaves))
	for i := len(leaves) - 1; i >= 0; i-- {
		l, k := &leaves[i], kids[i]
		switch {
		case forced[i]:
			sc.act[i] = actCut
		case !l.Kind.Container() || k.all == 0 || s.places[i].role != roleColumn || s.places[i].depth == 0:
		case k.cut == k.all && branches[l.Path] == 1:
			sc.act[i] = actCut
		case k.null == k.all:
			sc.act[i] = actNull
		}
		cutWith(s, sc, i, forced)
		if l.Parent < 0 || l.Kind.Container() && k.all == 0 && sc.act[i] != actCut {
			continue // a shell, as a recursive type's reference back: it goes or stays with what is beside it
		}
		p := &kids[l.Parent]
		p.all++
		switch sc.act[i] {
		case actCut:
			p.cut++
		case actNull:
			p.null++
		}
	}
	cover(s, sc)
}

// cutTogether finds the leaves that go because another branch of their union
// goes: a field is there for all its branches or for none.
func cutTogether(leaves []schemas.Leaf, act []action) []bool {
	cut := map[string]bool{}
	for i := range leaves {
		if act[i] == actCut {
			cut[leaves[i].Path] = true
		}
	}
	out := make([]bool, len(leaves))
	for i := range leaves {
		out[i] = cut[leaves[i].Path]
	}
	return out
}

// cutWith lets the field go of which a cut leaf is the element, key or value;
// the root cannot be dropped.
func cutWith(s *side, sc *sideCopy, i int, forced []bool) {
	l := &s.schema.Leaves[i]
	switch {
	case sc.act[i] == actCut && l.Cut < 0:
		sc.act[i] = actBlocked
		sc.treat[i] = blockedTreatment(&verdict{code: CodeRefused, why: "the whole payload cannot be dropped"})
	case sc.act[i] == actCut && l.Cut != int32(i):
		forced[l.Cut] = true
	}
}

// cover marks what stands inside cut and nulled containers, and refuses a null
// map key, which no format has.
func cover(s *side, sc *sideCopy) {
	for i := range s.schema.Leaves {
		l := &s.schema.Leaves[i]
		if l.Parent >= 0 {
			if up := sc.act[l.Parent]; up == actCut || up == actNull || up == actCovered {
				sc.act[i] = actCovered
				continue
			}
		}
		if sc.act[i] == actNull && len(l.Names) > 0 && l.Names[len(l.Names)-1] == stepKey {
			sc.act[i] = actBlocked
			sc.treat[i] = blockedTreatment(&verdict{code: CodeRefused, why: "a map's key cannot be null"})
		}
	}
}

// findFacts finds the leaves of op and of the images.
func (c *compiler) findFacts() {
	s := c.plan.sides[sideValue]
	if s == nil || c.in.Dataset.Envelope == EnvelopeNone || c.in.Dataset.Events != EventsRows {
		return
	}
	f, flat := &c.plan.facts, c.in.Dataset.Envelope == EnvelopeFlat
	for i := range s.schema.Leaves {
		l := &s.schema.Leaves[i]
		if len(l.Names) != 1 {
			continue
		}
		switch {
		case flat && l.Names[0] != "__op":
		case flat || l.Names[0] == stepOp && !l.Kind.Container():
			f.op = append(f.op, int32(i))
		case l.Names[0] == stepBefore:
			f.before = append(f.before, int32(i))
		case l.Names[0] == stepAfter:
			f.after = append(f.after, int32(i))
		}
	}
}

// shapes derives each recipient's copy of a side's schema. Equal copies share
// one shape.
func (c *compiler) shapes(s *side) {
	made := map[string]schemas.Shape{}
	for r := range c.plan.copies {
		cp := &c.plan.copies[r]
		sc := &cp.sides[s.kind]
		if sc.blocked != nil {
			continue
		}
		o := schemas.ShapeOptions{Changes: c.changes(s, cp, sc), DropUnknown: s.kind == sideValue &&
			s.schema.Format == schemas.FormatJSON && cp.Unknown == DropUnknown}
		id := fmt.Sprintf("%v %v", o.DropUnknown, o.Changes)
		shape, ok := made[id]
		if !ok {
			var err error
			if shape, err = s.schema.Codec.Derive(o); err != nil {
				sc.blocked, sc.path = failedShape(err), ""
				continue
			}
			made[id] = shape
		}
		sc.shape, sc.same = shape, len(o.Changes) == 0
	}
}

func failedShape(err error) *verdict {
	var e *schemas.Error
	if errors.As(err, &e) {
		return &verdict{code: e.Code, why: "its copy of the schema cannot be derived: " + e.Error()}
	}
	return &verdict{code: schemas.CodeSchema, why: "its copy of the schema cannot be derived"}
}

func (c *compiler) changes(s *side, cp *copyPlan, sc *sideCopy) []schemas.Change {
	var out []schemas.Change
	for i := range s.schema.Leaves {
		l := &s.schema.Leaves[i]
		switch sc.act[i] {
		case actCut:
			out = append(out, schemas.Change{Leaf: i, Op: schemas.Cut, Note: "drop"})
		case actNull:
			out = append(out, schemas.Change{Leaf: i, Op: schemas.Retype, Kind: l.Kind, Scale: l.Scale, Nullable: true, Note: "null"})
		case actTreat:
			t := sc.treat[i]
			out = append(out, schemas.Change{Leaf: i, Op: schemas.Retype, Kind: t.out, Scale: t.scale, Note: t.name})
		case actPass:
			if s.kind == sideValue && cp.rows != nil && l.Kind.Container() && !l.Optional && c.isImage(i) {
				out = append(out, schemas.Change{Leaf: i, Op: schemas.Retype, Kind: l.Kind, Nullable: true})
			}
		}
	}
	return out
}

func (c *compiler) isImage(leaf int) bool {
	return slices.Contains(c.plan.facts.before, int32(leaf)) || slices.Contains(c.plan.facts.after, int32(leaf))
}

// wanted is the union of what the recipients and the written rules read.
func (c *compiler) wanted(s *side) {
	s.want = schemas.Wanted{Leaf: make([]bool, len(s.places)), Unknown: s.schema.Format == schemas.FormatJSON}
	for r := range c.plan.copies {
		sc := &c.plan.copies[r].sides[s.kind]
		for i, a := range sc.act {
			if a == actNull || a == actTreat || a == actBlocked || a == actCut {
				s.want.Leaf[i] = true
			}
		}
	}
	if s.kind != sideValue {
		s.every = schemas.Wanted{Leaf: slices.Repeat([]bool{true}, len(s.places)), Unknown: s.want.Unknown}
		return
	}
	f := &c.plan.facts
	for _, i := range f.op {
		s.want.Leaf[i] = true
	}
	if f.images {
		for _, i := range slices.Concat(f.before, f.after) {
			s.want.Leaf[i] = true
		}
	}
	for r := range c.plan.copies {
		if rf := c.plan.copies[r].rows; rf != nil {
			rf.bind(c.in.Dataset.Envelope, s, &s.want)
		}
	}
}

// opaqueKey decides a key that has no schema, by its name <dataset>.$key.
func (c *compiler) opaqueKey(r int) *treatment {
	leaf := schemas.Leaf{Kind: schemas.KindBytes, Declared: true, Parent: -1, Cut: -1}
	name := newFieldName(c.in.Dataset.Name, rootKey, nil, true)
	t := c.keyColumn(r, name, &leaf)
	if t.act == actBlocked && t.bad.code == CodeUndecided {
		t = blockedTreatment(&verdict{code: CodeOpaqueKey, why: "an opaque key needs a rule for field:" + name.full})
	}
	return t
}

// Shape gives recipient i's copies of the schemas, nil where the side has no
// schema or is blocked.
func (p *Plan) Shape(i int) (key, value schemas.Shape) {
	s := &p.copies[i].sides
	return s[sideKey].shape, s[sideValue].shape
}

// HeaderShape is Shape for the key-change headers' payloads.
func (p *Plan) HeaderShape(i int) schemas.Shape { return p.copies[i].sides[sideHeader].shape }

// Blocked says why no record of these schemas can go to recipient i, "" when
// some can. Tombstones still go when only the value is blocked.
func (p *Plan) Blocked(i int) schemas.Code {
	for k := range p.copies[i].sides {
		if b := p.copies[i].sides[k].blocked; b != nil {
			return b.code
		}
	}
	return ""
}

// Schemas are what the plan was compiled for; a plan that learned names has
// other ones than it was given.
func (p *Plan) Schemas() (key, value *schemas.Schema) { return p.in.Key, p.in.Value }

func describe(args Args) string {
	if len(args) == 0 {
		return ""
	}
	var list []string
	for name, v := range args {
		if name == "" {
			list = append(list, fmt.Sprint(v))
			continue
		}
		list = append(list, fmt.Sprintf("%s: %v", name, v))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
