package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"weir/transforms"
)

// Problem is one thing wrong with a policy file: where, what, and the line.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Col     int    `json:"col,omitempty"`
	Code    string `json:"code,omitempty"` // of transforms, where it is the one who refuses
	Text    string `json:"text"`
	Excerpt string `json:"-"` // the line with a caret under it, secrets masked
	Warning bool   `json:"warning,omitempty"`
}

// Error prints place, text and excerpt.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Col)
	}
	b.WriteString(": ")
	if p.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.Text)
	if p.Excerpt != "" {
		b.WriteString("\n" + p.Excerpt)
	}
	return b.String()
}

// Problems is everything wrong with a policy, in file order. As an error it
// stands for a configuration that is refused.
type Problems []*Problem

// Error prints all problems, one below the other.
func (ps Problems) Error() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "\n")
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
}

// sources holds the lines of the files read, for excerpts.
type sources map[string][]string

// problem makes a problem with its excerpt.
func (s sources) problem(pos transforms.Pos, format string, args ...any) *Problem {
	p := &Problem{File: pos.File, Line: pos.Line, Col: pos.Col, Text: fmt.Sprintf(format, args...)}
	p.Excerpt = s.excerpt(pos, false)
	return p
}

// excerpt is the line at pos with a caret below. hideValue masks whatever
// follows the key: an unknown key may be a misspelled password.
func (s sources) excerpt(pos transforms.Pos, hideValue bool) string {
	lines := s[pos.File]
	if pos.Line < 1 || pos.Line > len(lines) {
		return ""
	}
	line := maskedLine(lines, pos.Line-1)
	if hideValue {
		line = maskAfterKey(line, pos.Col)
	}
	line, at := window(strings.Map(printable, line), max(0, pos.Col-1))
	margin := fmt.Sprintf("%6d | ", pos.Line)
	return margin + line + "\n" + strings.Repeat(" ", len(margin)-2) + "| " + strings.Repeat(" ", at) + "^"
}

// printable keeps a file that is no text from writing to the terminal what the
// terminal obeys.
func printable(r rune) rune {
	switch {
	case r == '\t':
		return ' '
	case !unicode.IsPrint(r):
		return '·'
	}
	return r
}

// excerptWidth is how much of a long line an excerpt shows.
const excerptWidth = 120

// window cuts a long line so that the character at stays in sight, and answers
// where it stands then.
func window(line string, at int) (string, int) {
	r := []rune(line)
	if cut := at - excerptWidth*3/4; cut > 0 && cut < len(r) {
		r = append([]rune{'…'}, r[cut+1:]...)
		at -= cut
	}
	if len(r) > excerptWidth {
		r = append(r[:excerptWidth-1:excerptWidth-1], '…')
	}
	return string(r), at
}

const masked = "***"

var (
	// secretKey finds a key whose value may be secret, misspellings included.
	secretKey = regexp.MustCompile(`(?i)["']?\b[\w.-]*(pas+w|pwd|passphrase|secret|credential|tok?en)[\w.-]*["']?\s*:`)
	userinfo  = regexp.MustCompile(`://[^/\s"'@]*@`)
	mappingOf = regexp.MustCompile(`^\s*(-\s+)?["']?[\w.*:-]+["']?\s*:(\s|$)`)
)

// maskedLine is lines[i] without secrets: the value of a secret's key, and the
// lines that continue it.
func maskedLine(lines []string, i int) string {
	line := userinfo.ReplaceAllString(lines[i], "://"+masked+"@")
	for k := i - 1; k >= 0 && !mappingOf.MatchString(line); k-- {
		if strings.TrimSpace(lines[k]) == "" || indent(lines[k]) >= indent(lines[i]) && !mappingOf.MatchString(lines[k]) {
			continue
		}
		if loc := secretKey.FindStringIndex(lines[k]); loc != nil && !isTreatment(lines[k][loc[0]:loc[1]], lines[k][loc[1]:]) {
			return strings.Repeat(" ", indent(line)) + masked
		}
		break
	}
	for _, loc := range secretKey.FindAllStringIndex(line, -1) {
		rest := strings.TrimSpace(line[loc[1]:])
		if rest == "" || isTreatment(line[loc[0]:loc[1]], rest) || strings.HasPrefix(rest, "${") {
			continue
		}
		return line[:loc[1]] + " " + masked
	}
	return line
}

// isTreatment tells `token: {…}`, the treatment, from token: the secret.
func isTreatment(key, rest string) bool {
	return strings.Contains(strings.ToLower(key), "tok") && strings.HasPrefix(strings.TrimSpace(rest), "{")
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " \t")) }

// maskAfterKey masks what follows the key that begins at col.
func maskAfterKey(line string, col int) string {
	r := []rune(line)
	at := min(max(col-1, 0), len(r))
	head, tail := string(r[:at]), string(r[at:])
	if i := strings.IndexByte(tail, ':'); i >= 0 && strings.TrimSpace(tail[i+1:]) != "" {
		return head + tail[:i+1] + " …"
	}
	return line
}
