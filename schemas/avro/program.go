package avro

import "weir/schemas"

// op is what a scan does with one value.
type op uint8

const (
	opEnd    op = iota
	opNull      // nothing
	opFixed     // n bytes
	opBool      // one byte, 0 or 1
	opInt       // varint, at most 5 bytes
	opLong      // varint, at most 10 bytes
	opBytes     // length and bytes
	opString    // the same; UTF-8 where it is reported
	opEnum      // varint below n
	opRecord    // the program at to
	opArray     // blocks of the program at to; n is an item's least width
	opMap       // the same, with a key before each item
	opUnion     // varint below n, then the program that tab[to+branch] names
	opInline    // an optional record whose fields stand in line, up to null
)

// quick is how scanner.usual reads a value; it leaves quickNo to scanner.step.
type quick uint8

const (
	quickNo quick = iota
	quickInline
	quickBytes
	quickLong
	quickInt
	quickFixed
	quickBool
)

// quicks are the values that usual knows.
var quicks = [...]quick{opFixed: quickFixed, opBool: quickBool, opInt: quickInt, opLong: quickLong,
	opBytes: quickBytes, opString: quickBytes, opInline: quickInline}

// mode is what stands before a value.
type mode uint8

const (
	modePlain     mode = 0
	modeBranch    mode = 1 // a branch number that opUnion has read; it began at scanner.open
	modeNullFirst mode = 2 // the branch number of a union of null and this
	modeNullLast  mode = 4 // the branch number of a union of this and null
)

// null is the byte that says null, for modeNullFirst and modeNullLast.
func (m mode) null() byte { return byte(m - modeNullFirst) }

// ins is one instruction. Programs are flat: the fields of a record that is not
// reported stand in line.
type ins struct {
	op     op
	mode   mode
	quick  quick
	kind   schemas.Kind
	report bool
	leaf   int32 // where errors and spans belong
	to     int32
	null   int32 // what follows a null of modeNullFirst and modeNullLast
	key    int32 // opMap: leaf of the keys when they are reported, else -1
	n      int
}

// program is a codec compiled for one Wanted. It is immutable.
type program struct {
	ins  []ins
	tab  []int32
	bits []uint32 // the leaves it reports
	err  error
}

// cached is a program and the Wanted it was made for, which keeps the pointer
// from being used again.
type cached struct {
	want *schemas.Wanted
	prog *program
}

// maxPrograms bounds what a codec remembers; one is in use for each plan.
const maxPrograms = 16

// program finds or compiles the program of want.
func (c *codec) program(want *schemas.Wanted) *program {
	list := *c.programs.Load()
	for i := range list {
		if list[i].want == want {
			return list[i].prog
		}
	}
	return c.compile(want)
}

func (c *codec) compile(want *schemas.Wanted) *program {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := *c.programs.Load()
	for i := range old {
		if old[i].want == want {
			return old[i].prog
		}
	}
	list := append(make([]cached, 0, len(old)+1), cached{want, newProgram(c, want)})
	list = append(list, old[:min(len(old), maxPrograms-1)]...)
	c.programs.Store(&list)
	return list[0].prog
}

// compiler writes a program. What is called from several places, or in a loop,
// is queued and becomes a program of its own in the same list.
type compiler struct {
	c      *codec
	want   []bool
	out    program
	queue  []task
	bodies map[*body]int32
	target int // the last instruction that something jumps to
}

// task is code that is still to be written, and the slot that waits for its
// address: an instruction's to, or an entry of tab.
type task struct {
	tab    bool
	slot   int
	body   *body
	place  *place
	branch *branch
	report bool
	leaf   int32
}

func newProgram(c *codec, want *schemas.Wanted) *program {
	if len(want.Leaf) != len(c.leaves) {
		return &program{err: schemas.Fail(schemas.CodeUnsupported, "")}
	}
	k := &compiler{c: c, want: want.Leaf, bodies: map[*body]int32{}}
	k.out.bits = make([]uint32, (len(c.leaves)+31)/32)
	k.place(c.root)
	k.emit(ins{op: opEnd})
	for len(k.queue) > 0 {
		t := k.queue[0]
		k.queue = k.queue[1:]
		k.task(t)
	}
	return &k.out
}

func (k *compiler) emit(in ins) int {
	at := len(k.out.ins)
	in.null = int32(at) + 1
	if (in.mode != modeBranch || !in.report) && int(in.op) < len(quicks) {
		in.quick = quicks[in.op]
	}
	k.out.ins = append(k.out.ins, in)
	return at
}

func (k *compiler) task(t task) {
	pc := int32(len(k.out.ins))
	switch {
	case t.body != nil:
		if at, ok := k.bodies[t.body]; ok {
			k.patch(t, at)
			return
		}
		k.bodies[t.body] = pc
		k.fields(t.body)
	case t.branch != nil:
		k.value(t.branch, modeBranch, t.report, t.leaf)
	default:
		k.place(t.place)
	}
	k.emit(ins{op: opEnd})
	k.patch(t, pc)
}

func (k *compiler) patch(t task, pc int32) {
	if t.tab {
		k.out.tab[t.slot] = pc
	} else {
		k.out.ins[t.slot].to = pc
	}
}

func (k *compiler) fields(b *body) {
	for _, p := range b.fields {
		k.place(p)
	}
}

// wanted reports whether any branch of p is; the others then are too.
func (k *compiler) wanted(p *place) bool {
	for i := range p.branches {
		if l := p.branches[i].leaf; l >= 0 && k.want[l] {
			return true
		}
	}
	return false
}

func (k *compiler) mark(leaf int32) {
	if leaf >= 0 {
		k.out.bits[leaf/32] |= 1 << (leaf % 32)
	}
}

// place writes the code of one place.
func (k *compiler) place(p *place) {
	report, first := k.wanted(p), p.first()
	if report {
		for i := range p.branches {
			k.mark(p.branches[i].leaf)
		}
	}
	switch {
	case !p.union:
		k.value(&p.branches[0], modePlain, report, p.branches[0].leaf)
	case len(p.branches) == 2 && p.null == 0:
		k.value(&p.branches[1], modeNullFirst, report, first)
	case len(p.branches) == 2 && p.null == 1:
		k.value(&p.branches[0], modeNullLast, report, first)
	default:
		k.union(p, report, first)
	}
}

func (k *compiler) union(p *place, report bool, first int32) {
	base := len(k.out.tab)
	k.emit(ins{op: opUnion, n: len(p.branches), to: int32(base), leaf: first})
	k.out.tab = append(k.out.tab, make([]int32, len(p.branches))...)
	for i := range p.branches {
		b := &p.branches[i]
		leaf := b.leaf
		if leaf < 0 {
			leaf = first
		}
		k.queue = append(k.queue, task{tab: true, slot: base + i, branch: b, report: report, leaf: leaf})
	}
}

// value writes the code of one branch.
func (k *compiler) value(b *branch, m mode, report bool, leaf int32) {
	in := ins{mode: m, report: report, leaf: leaf, key: -1, kind: plainKinds[b.def.typ]}
	if leaf >= 0 {
		in.kind = k.c.wires[leaf].kind
	}
	switch b.def.typ {
	case tNull:
		in.op, in.kind = opNull, schemas.KindNull
		if leaf >= 0 {
			in.kind = k.c.wires[leaf].kind
		}
	case tBool:
		in.op = opBool
	case tInt:
		in.op = opInt
	case tLong:
		in.op = opLong
	case tFloat:
		in.op, in.n = opFixed, 4
	case tDouble:
		in.op, in.n = opFixed, 8
	case tFixed:
		in.op, in.n = opFixed, b.def.wire.size
	case tBytes:
		in.op = opBytes
	case tString:
		in.op = opString
	case tEnum:
		in.op, in.n = opEnum, len(b.def.wire.symbols)
	case tRecord:
		k.record(b, in)
		return
	case tArray, tMap:
		k.blocks(b, in)
		return
	}
	k.leaf(in)
}

// leaf writes a value that holds no other; runs of bytes that nobody wants
// become one.
func (k *compiler) leaf(in ins) {
	if in.mode == modePlain && !in.report {
		if in.op == opNull {
			return
		}
		if n := len(k.out.ins); in.op == opFixed && n > 0 && k.joinable(n-1) {
			k.out.ins[n-1].n += in.n
			return
		}
	}
	k.emit(in)
}

// joinable: the last instruction skips bytes and what follows it is reached only
// through it. Subprograms begin after an opEnd.
func (k *compiler) joinable(at int) bool {
	l := &k.out.ins[at]
	return at >= k.target && l.op == opFixed && !l.report && l.n < schemas.MaxPayload && l.mode == modePlain
}

func (k *compiler) record(b *branch, in ins) {
	switch {
	case in.report || b.body.recursive:
	case in.mode == modePlain:
		k.fields(b.body)
		return
	case in.mode != modeBranch && !b.body.insideRecursive():
		in.op = opInline
		at := k.emit(in)
		k.fields(b.body)
		k.target = len(k.out.ins)
		k.out.ins[at].null = int32(k.target)
		return
	}
	in.op = opRecord
	k.queue = append(k.queue, task{slot: k.emit(in), body: b.body})
}

// insideRecursive: an enclosing record can stand in itself, so that only the
// payload bounds the depth, and records have to be counted.
func (b *body) insideRecursive() bool {
	for up := b.parent; up != nil; up = up.parent {
		if up.recursive {
			return true
		}
	}
	return false
}

func (k *compiler) blocks(b *branch, in ins) {
	in.op, in.n = opArray, minWidth(b.def.items)
	if b.def.typ == tMap {
		in.op, in.n = opMap, in.n+1
		if k.want[b.key] {
			in.key = b.key
			k.mark(b.key)
		}
	}
	k.queue = append(k.queue, task{slot: k.emit(in), place: b.item})
}
