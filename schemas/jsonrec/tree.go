package jsonrec

import (
	"slices"

	"weir/schemas"
)

// tree is a JSON value of a schema's text, its members in order. Schemas are
// small and compiled once; records never become trees.
type tree struct {
	class   class
	raw     string // scalars but strings: as written
	str     string // strings: the characters
	members []treeMember
	elems   []*tree
}

type treeMember struct {
	name string
	val  *tree
}

func textTree(s string) *tree { return &tree{class: clsString, str: s} }

func rawTree(raw string) *tree { return &tree{class: firstByte[raw[0]], raw: raw} }

func object(members ...treeMember) *tree { return &tree{class: clsObject, members: members} }

// parseTree reads a schema's text. Names that stand twice in an object are
// refused: parsers differ on which of them counts.
func parseTree(text string) (*tree, error) {
	p := treeParser{lexer{src: []byte(text)}}
	i := p.skip(p.space(0), 0)
	if i >= 0 {
		i = p.end(i)
	}
	if i < 0 || len(text) > schemas.MaxPayload {
		return nil, schemas.FailAt(schemas.CodeSchema, "", p.at)
	}
	t, _ := p.value(p.space(0))
	if t == nil {
		return nil, schemas.Fail(schemas.CodeSchema, "")
	}
	return t, nil
}

// treeParser reads text that skip has checked. A nil tree is a failure.
type treeParser struct{ lexer }

func (p *treeParser) value(i int) (*tree, int) {
	cls := firstByte[p.src[i]]
	switch cls {
	case clsObject, clsArray:
		return p.container(cls, i)
	}
	end := p.scalar(i)
	if cls == clsString {
		return textTree(string(appendUnescaped(nil, p.src[i+1:end-1]))), end
	}
	return &tree{class: cls, raw: string(p.src[i:end])}, end
}

func (p *treeParser) container(cls class, i int) (*tree, int) {
	t := &tree{class: cls}
	closing := byte('}')
	if cls == clsArray {
		closing = ']'
	}
	names := map[string]bool{}
	if i = p.space(i + 1); p.src[i] == closing {
		return t, i + 1
	}
	for more := true; more; {
		name := ""
		if cls == clsObject {
			value, start, end := p.key(i)
			name, i = string(appendUnescaped(nil, p.src[start:end])), value
			if names[name] {
				return nil, -1
			}
			names[name] = true
		}
		var v *tree
		if v, i = p.value(i); v == nil {
			return nil, -1
		}
		if cls == clsObject {
			t.members = append(t.members, treeMember{name, v})
		} else {
			t.elems = append(t.elems, v)
		}
		i, more = p.next(i, closing)
	}
	return t, i
}

// get is the member of that name, nil when there is none.
func (t *tree) get(name string) *tree {
	if t == nil {
		return nil
	}
	for _, m := range t.members {
		if m.name == name {
			return m.val
		}
	}
	return nil
}

// text is the string that the member of that name is, else "".
func (t *tree) text(name string) string {
	if v := t.get(name); v != nil {
		return v.str
	}
	return ""
}

func (t *tree) is(raw string) bool { return t != nil && t.class != clsString && t.raw == raw }

// set gives a member a value, a new member at the end.
func (t *tree) set(name string, v *tree) {
	for i := range t.members {
		if t.members[i].name == name {
			t.members[i].val = v
			return
		}
	}
	t.members = append(t.members, treeMember{name, v})
}

func (t *tree) remove(names ...string) {
	t.members = slices.DeleteFunc(t.members, func(m treeMember) bool { return slices.Contains(names, m.name) })
}

// keep removes all members but those.
func (t *tree) keep(names ...string) {
	t.members = slices.DeleteFunc(t.members, func(m treeMember) bool { return !slices.Contains(names, m.name) })
}

// size counts t's nodes, up to limit.
func (t *tree) size(limit int) int {
	n := 1
	for i := 0; i < len(t.members) && n < limit; i++ {
		n += t.members[i].val.size(limit - n)
	}
	for i := 0; i < len(t.elems) && n < limit; i++ {
		n += t.elems[i].size(limit - n)
	}
	return n
}

func (t *tree) clone() *tree {
	c := *t
	c.members = slices.Clone(t.members)
	for i := range c.members {
		c.members[i].val = c.members[i].val.clone()
	}
	c.elems = slices.Clone(t.elems)
	for i := range c.elems {
		c.elems[i] = c.elems[i].clone()
	}
	return &c
}

// append writes t without white space.
func (t *tree) append(dst []byte) []byte {
	switch t.class {
	case clsString:
		return appendTreeText(dst, t.str)
	case clsObject:
		dst = append(dst, '{')
		for i, m := range t.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendTreeText(dst, m.name), ':')
			dst = m.val.append(dst)
		}
		return append(dst, '}')
	case clsArray:
		dst = append(dst, '[')
		for i, e := range t.elems {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = e.append(dst)
		}
		return append(dst, ']')
	}
	return append(dst, t.raw...)
}

// appendTreeText cannot fail: a tree's text was UTF-8 when it was parsed.
func appendTreeText(dst []byte, s string) []byte {
	dst, _ = appendQuoted(dst, []byte(s))
	return dst
}
