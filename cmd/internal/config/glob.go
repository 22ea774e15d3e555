package config

import "strings"

// A topic pattern is a glob (* any run, ? one character) in which {name} stands
// for a run of characters without a dot, at least one.
type tokenKind uint8

const (
	literal  tokenKind = iota
	anyOne             // ?
	anyRun             // *
	noDotOne           // the first character of {name}
	noDotRun           // the others
)

type globToken struct {
	kind tokenKind
	char byte
}

func (t globToken) repeats() bool { return t.kind == anyRun || t.kind == noDotRun }

// meets reports whether some character fits both tokens.
func (t globToken) meets(u globToken) bool {
	if t.kind != literal {
		t, u = u, t
	}
	if t.kind != literal {
		return true
	}
	switch u.kind {
	case literal:
		return t.char == u.char
	case noDotOne, noDotRun:
		return t.char != '.'
	}
	return true
}

func globTokens(pattern string) []globToken {
	var out []globToken
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			out = append(out, globToken{kind: anyRun})
		case '?':
			out = append(out, globToken{kind: anyOne})
		case '{':
			if end := strings.IndexByte(pattern[i:], '}'); end > 0 {
				out = append(out, globToken{kind: noDotOne}, globToken{kind: noDotRun})
				i += end
				continue
			}
			fallthrough
		default:
			out = append(out, globToken{char: c})
		}
	}
	return out
}

// overlap reports whether some topic name fits both patterns.
func overlap(a, b string) bool {
	x, y := globTokens(a), globTokens(b)
	seen := make([]bool, (len(x)+1)*(len(y)+1))
	var walk func(i, j int) bool
	walk = func(i, j int) bool {
		if i == len(x) && j == len(y) {
			return true
		}
		at := i*(len(y)+1) + j
		if seen[at] {
			return false
		}
		seen[at] = true
		if i < len(x) && x[i].repeats() && walk(i+1, j) || j < len(y) && y[j].repeats() && walk(i, j+1) {
			return true
		}
		if i == len(x) || j == len(y) || !x[i].meets(y[j]) {
			return false
		}
		ni, nj := i+1, j+1
		if x[i].repeats() {
			ni = i
		}
		if y[j].repeats() {
			nj = j
		}
		return walk(ni, nj)
	}
	return walk(0, 0)
}
