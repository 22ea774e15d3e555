package transforms

import (
	"strings"

	"weir/schemas"
)

// pattern is a rule's name: a full name, or an anchored glob in which "*"
// stands for any run of characters (dots too) and "?" for one byte.
type pattern struct {
	text    string
	glob    bool
	literal int // characters that are not wildcards: the longer wins
}

func parsePattern(text string) pattern {
	wild := strings.Count(text, "*") + strings.Count(text, "?")
	return pattern{text: text, glob: wild > 0, literal: len(text) - wild}
}

// match reports whether all of name is what p says.
func (p *pattern) match(name string) bool {
	if !p.glob {
		return p.text == name
	}
	return globMatch(p.text, name)
}

// globMatch backtracks to the last star only, so it takes at most
// len(glob)·len(name) steps whatever the two hold.
func globMatch(glob, name string) bool {
	g, n, star, mark := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case g < len(glob) && glob[g] == '*':
			star, mark = g, n
			g++
		case g < len(glob) && (glob[g] == '?' || glob[g] == name[n]):
			g++
			n++
		case star >= 0:
			mark++
			g, n = star+1, mark
		default:
			return false
		}
	}
	for g < len(glob) && glob[g] == '*' {
		g++
	}
	return g == len(glob)
}

// fieldName is a column's full name with those of the containers around it: a
// rule that names a container covers what it holds.
type fieldName struct {
	full string
	// outer are the names from the outermost column to full itself.
	outer []string
	// whole is the first of outer that differs from full by array steps only: a
	// rule that names it has named this field in full (contract 4).
	whole int
	// printable: a schema or the policy declares every step (contract 15).
	printable bool
}

// newFieldName names the column at steps (none: the root) of dataset.
func newFieldName(dataset, root string, steps []string, printable bool) *fieldName {
	if len(steps) == 0 {
		full := dataset + "." + root
		return &fieldName{full: full, outer: []string{full}, printable: printable}
	}
	f := &fieldName{printable: printable}
	for i := range steps {
		f.outer = append(f.outer, dataset+"."+schemas.JoinPath(steps[:i+1]))
		if steps[i] != stepElem {
			f.whole = i
		}
	}
	f.full = f.outer[len(f.outer)-1]
	return f
}

// Path steps that are not names.
const (
	stepElem = "[]"
	stepItem = "{}"
	stepKey  = "{#}"
)

// print is the name for people.
func (f *fieldName) print() string {
	if f.printable {
		return f.full
	}
	return "*"
}

// covers reports whether p names the field or a container around it, and
// whether it names the field in full, as what lowers protection must.
func (p *pattern) covers(f *fieldName) (covers, inFull bool) {
	for i, name := range f.outer { // outermost first: an exact rule matches one only
		if p.match(name) {
			return true, !p.glob && i >= f.whole
		}
	}
	return false, false
}

// best keeps the winner among the rules of one kind that cover a field: one
// that names it in full, else the longer literal.
type best struct {
	index   int // of the winner, -1 when there is none
	inFull  bool
	literal int
	tied    int // another rule as good, -1 when there is none
}

func noBest() best { return best{index: -1, tied: -1} }

func (b *best) offer(index int, inFull bool, literal int) {
	switch {
	case b.index < 0 || inFull && !b.inFull || inFull == b.inFull && literal > b.literal:
		*b = best{index: index, inFull: inFull, literal: literal, tied: -1}
	case inFull == b.inFull && literal == b.literal:
		b.tied = index
	}
}

// splitPath takes a path that [schemas.JoinPath] made apart again.
func splitPath(path string) []string {
	var steps []string
	var name []byte
	begun := false
	flush := func() {
		if begun {
			steps = append(steps, literalStep(string(name)))
			name, begun = name[:0], false
		}
	}
	for i := 0; i < len(path); {
		if step := stepAt(path[i:]); step != "" {
			flush()
			steps = append(steps, step)
			i += len(step)
			continue
		}
		switch {
		case path[i] == '.':
			flush()
			i++
			continue
		case strings.HasPrefix(path[i:], `\0`):
			i += 2
		case path[i] == '\\' && i+1 < len(path) && strings.IndexByte(`.[{\`, path[i+1]) >= 0:
			name = append(name, path[i+1])
			i += 2
		default:
			name = append(name, path[i])
			i++
		}
		begun = true
	}
	flush()
	return steps
}

// literalStep keeps a name from being taken for a step, as the codecs do.
func literalStep(name string) string {
	switch strings.TrimLeft(name, `\`) {
	case stepElem, stepItem, stepKey:
		return `\` + name
	}
	return name
}

// stepAt is the array or map step that rest begins with and that ends there or
// before another step.
func stepAt(rest string) string {
	for _, step := range [...]string{stepElem, stepItem, stepKey} {
		if after, ok := strings.CutPrefix(rest, step); ok && (after == "" || strings.IndexByte(".[{", after[0]) >= 0) {
			return step
		}
	}
	return ""
}
