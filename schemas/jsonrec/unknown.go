package jsonrec

import (
	"slices"
	"strings"

	"weir/schemas"
)

// maxLearned bounds what UnknownLeaves lists of one span.
const maxLearned = 2_000

// UnknownSpan is an Unknown span of a view with the names that lead to it.
type UnknownSpan struct {
	Span int
	Path []string // as UnknownPath gives it
}

// Unknowns is the Unknown spans of v with their paths, in order. It reads the
// record once for all of them: a record may hold a million. s must come from
// this package and have scanned v.
func Unknowns(s *schemas.Schema, v *schemas.View) ([]UnknownSpan, error) {
	c, ok := s.Codec.(*codec)
	if !ok {
		return nil, schemas.Fail(schemas.CodeUnsupported, "")
	}
	f := finder{lexer: lexer{src: v.Src}}
	for i := range v.Spans {
		if v.Spans[i].Leaf < 0 {
			f.targets = append(f.targets, int(v.Spans[i].Open))
			f.found = append(f.found, UnknownSpan{Span: i})
		}
	}
	return f.found, f.run(c)
}

// UnknownPath is the path of an Unknown span of v, step by step as in
// [schemas.Leaf] Names. It reads the record again: [Unknowns] is for more than
// one. The steps are undeclared names: they are never printed. s must come from
// this package and have scanned v.
func UnknownPath(s *schemas.Schema, v *schemas.View, i int) ([]string, error) {
	c, ok := s.Codec.(*codec)
	if !ok || i < 0 || i >= len(v.Spans) || v.Spans[i].Leaf >= 0 {
		return nil, schemas.Fail(schemas.CodeUnsupported, "")
	}
	f := finder{lexer: lexer{src: v.Src}, targets: []int{int(v.Spans[i].Open)}, found: []UnknownSpan{{Span: i}}}
	err := f.run(c)
	return f.found[0].Path, err
}

// UnknownLeaves is the paths of all scalars inside an Unknown span: that of
// UnknownPath alone when it is a scalar itself. Elements of arrays share the
// path that ends in "[]"; a path is listed once, in the order of its first
// occurrence. [Extend] with all of them makes the span's content known; an
// empty object has no leaf to learn and gives its own path, under which it
// stays refused. More than 2,000 paths give CodeTooLarge.
func UnknownLeaves(s *schemas.Schema, v *schemas.View, i int) ([][]string, error) {
	steps, err := UnknownPath(s, v, i)
	if err != nil {
		return nil, err
	}
	return LeavesBelow(v, UnknownSpan{i, steps})
}

// LeavesBelow is UnknownLeaves of a span whose path is known.
func LeavesBelow(v *schemas.View, u UnknownSpan) ([][]string, error) {
	l := lister{lexer: lexer{src: v.Src}, seen: map[string]bool{}}
	if l.list(u.Path, int(v.Spans[u.Span].Open)) < 0 {
		return nil, schemas.Fail(l.code, "*")
	}
	return l.paths, nil
}

// finder descends to where values begin. The record was scanned before.
type finder struct {
	lexer
	targets []int // ascending
	next    int   // target
	found   []UnknownSpan
	steps   []string
}

func (f *finder) run(c *codec) error {
	if len(f.targets) == 0 {
		return nil
	}
	p := f.space(0)
	if c.block != nil {
		p = f.payload(p)
	}
	if p < 0 || !f.find(c.root, p, 0) || f.next < len(f.targets) {
		return schemas.Fail(schemas.CodeMalformed, "")
	}
	return nil
}

func (f *finder) payload(p int) int {
	p = f.space(p + 1)
	for more := true; more && p >= 0; {
		value, start, end := f.key(p)
		if value < 0 || envelopeMember(f.src[start:end]) == memberPayload {
			return value
		}
		if p = f.skip(value, 1); p >= 0 {
			p, more = f.lexer.next(p, '}')
		}
	}
	return -1
}

// find descends into the value at p, which stands at n, a place of the schema
// or nil beyond them, as far as targets stand in it.
func (f *finder) find(n *node, p, depth int) bool {
	if p == f.targets[f.next] {
		f.found[f.next].Path = slices.Clone(f.steps)
		f.next++
		return true
	}
	var closing byte
	switch {
	case depth > schemas.MaxDepth:
		return false
	case f.src[p] == '{':
		closing = '}'
	case f.src[p] == '[':
		closing = ']'
	default:
		return false
	}
	isObject := closing == '}'
	p = f.space(p + 1)
	more := f.src[p] != closing
	for i := 0; more && f.next < len(f.targets); i++ {
		step, in := f.step(n, &p, isObject, i)
		if p < 0 {
			return false
		}
		end := f.skip(p, depth)
		if end < 0 {
			return false
		}
		if p <= f.targets[f.next] && f.targets[f.next] < end && !f.inside(step, in, isPair(n, isObject), p, depth) {
			return false
		}
		p, more = f.lexer.next(end, closing)
	}
	return true
}

// inside finds the targets in one member or element.
func (f *finder) inside(step string, in *node, pair bool, p, depth int) bool {
	n := len(f.steps)
	if !pair {
		f.steps = append(f.steps, step)
	}
	ok := f.find(in, p, depth+1)
	f.steps = f.steps[:n]
	return ok
}

// step is how the schema calls the member, or the element with index i, at p,
// and its place; p moves to the value. A pair in a map's array has no step, its
// first element is the map's key and its second the value.
func (f *finder) step(n *node, p *int, isObject bool, i int) (string, *node) {
	if !isObject {
		switch {
		case n == nil || n.arr == nil:
			return stepElem, nil
		case n.arr.pair && i == 0:
			return stepKey, n.arr.keys
		case n.arr.pair:
			return stepItem, n.arr.extra
		case !isPair(n, isObject):
			return stepElem, n.arr.elem
		}
		return "", &node{arr: &content{keys: n.arr.keys, extra: n.arr.extra, pair: true}}
	}
	value, start, end := f.key(*p)
	*p = value
	if value < 0 {
		return "", nil
	}
	name := string(appendUnescaped(nil, f.src[start:end]))
	if n != nil && n.obj != nil {
		if j, ok := n.obj.index[name]; ok {
			return nameStep(name), n.obj.fields[j].node
		}
		if n.obj.extra != nil {
			return stepItem, n.obj.extra
		}
	}
	return nameStep(name), nil
}

// isPair: what stands in the container at n is the pairs of a map.
func isPair(n *node, isObject bool) bool {
	return !isObject && n != nil && n.arr != nil && n.arr.keys != nil && !n.arr.pair
}

// lister collects leaf paths below an undeclared value.
type lister struct {
	lexer
	seen  map[string]bool
	paths [][]string
}

func (l *lister) list(steps []string, p int) int {
	if len(steps) > schemas.MaxDepth {
		return l.fail(schemas.CodeTooDeep, p)
	}
	closing := byte(']')
	switch l.src[p] {
	case '{':
		closing = '}'
	case '[':
	default:
		return l.leaf(steps, l.scalar(p))
	}
	first := l.space(p + 1)
	if l.src[first] == closing {
		if closing == ']' {
			steps = append(slices.Clip(steps), stepElem)
		}
		return l.leaf(steps, first+1)
	}
	p = first
	for more := true; more; {
		step := stepElem
		if closing == '}' {
			value, start, end := l.key(p)
			step, p = nameStep(string(appendUnescaped(nil, l.src[start:end]))), value
		}
		if p = l.list(append(slices.Clip(steps), step), p); p < 0 {
			return p
		}
		p, more = l.next(p, closing)
	}
	return p
}

func (l *lister) leaf(steps []string, end int) int {
	path := strings.Join(steps, "\x00.") // distinct for any names, the empty one too
	switch {
	case l.seen[path]:
		return end
	case len(l.paths) == maxLearned:
		return l.fail(schemas.CodeTooLarge, end)
	}
	l.seen[path] = true
	l.paths = append(l.paths, slices.Clone(steps))
	return end
}
