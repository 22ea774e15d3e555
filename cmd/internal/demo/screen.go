package demo

import (
	"fmt"
	"io"
	"strings"
	"time"

	"weir/stream/streamtest"
)

// screen shows a demo to people, in width columns. Events scroll; the last line
// is the progress, where the output is a terminal.
type screen struct {
	out    io.Writer
	width  int
	color  bool
	total  int
	footer bool // a progress line stands at the bottom
	last   time.Time
}

// The styles: SGR parameters.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "36"
)

func (s *screen) paint(style, text string) string {
	if !s.color || style == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// print writes whole lines, above the progress line if there is one.
func (s *screen) print(lines ...string) {
	var b strings.Builder
	if s.footer {
		b.WriteString("\r\x1b[2K")
		s.footer = false
	}
	for _, l := range lines {
		b.WriteString(strings.TrimRight(l, " "))
		b.WriteByte('\n')
	}
	_, _ = io.WriteString(s.out, b.String())
}

// rule is a line across the screen with a title in it.
func (s *screen) rule(title, right string) string {
	n := s.width - columns(title) - columns(right) - 6
	if right != "" {
		right = " " + right + " "
		n -= 2
	}
	return s.paint(dim, "── ") + title + " " + s.paint(dim, strings.Repeat("─", max(0, n))+right+"──")
}

func (s *show) topics() []string {
	out := s.shop.Topics()
	for _, r := range recipients() {
		for _, t := range []string{"customers", "orders", "payments"} {
			out = append(out, r.Prefix+t)
		}
	}
	return out
}

func (s *screen) open(d *show) {
	addr := d.cluster.Brokers()[0]
	lines := []string{"",
		"  " + s.paint(bold, "weir demo") + "   raw change events in, one sanitised copy per recipient out",
		"",
		"  broker    " + s.paint(bold, addr) + "   embedded, gone when the demo ends",
		"  registry  " + s.paint(bold, d.cluster.RegistryURL()),
		"  topics    cdc.shop.{customers,orders,payments}        " + s.paint(dim, "raw, as Debezium writes"),
		"            clean.analytics.shop.{…}                    " + s.paint(dim, "joins and counts"),
		"            clean.partner.shop.{…}                      " + s.paint(dim, "rows where country = CN"),
		"",
		"  look for yourself, in another terminal:",
		s.paint(blue, "    kcat -b "+addr+" -L"),
		s.paint(blue, "    kcat -b "+addr+" -C -e -o beginning -t clean.partner.shop.customers"),
		s.paint(dim, "    (Avro: add -s avro -r "+d.cluster.RegistryURL()+" if your kcat knows it)"), "",
	}
	s.print(lines...)
	if d.o.Break != "" {
		s.scene("--break " + d.o.Break + ": made to misbehave on purpose; the verdict must see it")
	}
}

func (s *screen) scene(text string) {
	var lines []string
	line := ""
	for _, w := range strings.Fields(text) {
		if line != "" && columns(line)+1+columns(w) > s.width-6 {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimLeft(line+" "+w, " ")
	}
	lines = append(lines, line)
	out := make([]string, 0, len(lines)+1)
	for i, l := range lines {
		out = append(out, s.paint(bold+";"+yellow, []string{"  ▶ ", "    "}[min(i, 1)]+l))
	}
	s.print(append(out, "")...)
}

// shownColumns are the columns of a table that are worth a line, in order.
func shownColumns(table string) []string {
	switch table {
	case "customers":
		return strings.Fields("id name phone backup_phone email id_card birthday country")
	case "orders":
		return strings.Fields("id customer_id amount status ship_to contact country")
	}
	return strings.Fields("id order_id amount method card_no holder country")
}

// opWord is an operation in words, with its style.
func opWord(op byte) (word, style string) {
	switch op {
	case streamtest.Read:
		return "snapshot", blue
	case streamtest.Create:
		return "insert", green
	case streamtest.Update:
		return "update", yellow
	case streamtest.Delete:
		return "delete", red
	}
	return "tombstone", dim
}

const labelColumns = 15

// event shows one event: a line a column of its table, raw and each copy side
// by side.
func (s *screen) event(e *sample) {
	word, style := opWord(e.raw.Op)
	title := s.paint(bold+";"+style, word) + " " + s.paint(bold, e.raw.Table)
	rule := s.rule("", fmt.Sprintf("%s/%d@%d", e.topic, e.partition, e.offset))
	plain := word + " " + e.raw.Table
	rule = s.paint(dim, "── ") + title + strings.TrimPrefix(rule, s.paint(dim, "── "))
	rule = s.shorten(rule, columns(plain))
	lines := []string{rule, s.row("", s.heads(e))}
	raw := rowOf(e.raw)
	for _, c := range shownColumns(e.raw.Table) {
		v, there := raw[c]
		if !there || v == nil {
			continue
		}
		lines = append(lines, s.row(c, s.values(e, c, text(c, v))))
	}
	s.print(append(lines, "")...)
}

// shorten takes n dashes out of a rule, to make place for a title.
func (s *screen) shorten(rule string, n int) string {
	return strings.Replace(rule, strings.Repeat("─", n+1), "─", 1)
}

func rowOf(d *streamtest.Decoded) map[string]any {
	if d.After != nil {
		return d.After
	}
	return d.Before
}

// painted is a text and its style, apart, so that it can be cut to columns.
type painted struct{ text, style string }

func (s *screen) cellWidth() int {
	n := 1 + len(recipients())
	return (s.width - labelColumns - 2*(n-1)) / n
}

func (s *screen) row(label string, cells []painted) string {
	b := s.paint(dim, fit("  "+label, labelColumns))
	for i, c := range cells {
		if i > 0 {
			b += s.paint(dim, "│ ")
		}
		b += s.paint(c.style, fit(c.text, s.cellWidth()))
	}
	return b
}

func (s *screen) heads(e *sample) []painted {
	out := []painted{{"raw", bold}}
	for i := range e.cells {
		out = append(out, painted{recipients()[i].Name, bold})
		if ops := e.cells[i].ops(); ops != "" && ops != string(e.raw.Op) {
			word, _ := opWord(ops[0])
			out[i+1].text += " → " + word
		}
	}
	return out
}

func (c *cell) ops() string {
	b := ""
	for _, o := range c.outs {
		b += string(o.Op)
	}
	return b
}

// values are one column's raw value and what each recipient has in its place.
func (s *screen) values(e *sample, column, raw string) []painted {
	out := []painted{{raw, ""}}
	for i := range e.cells {
		c := &e.cells[i]
		switch c.fate() {
		case "published":
			out = append(out, treated(c.outs[0], column, raw))
		case "quarantined":
			out = append(out, first(column, painted{"⚠ quarantine", bold + ";" + yellow}, painted{"  " + c.code, yellow}))
		default:
			out = append(out, first(column, painted{"∅ filtered", dim}, painted{"  not its rows", dim}))
		}
	}
	return out
}

// first gives the first two lines of an event something to say.
func first(column string, one, two painted) painted {
	switch column {
	case "id":
		return one
	case "name", "customer_id", "order_id":
		return two
	}
	return painted{}
}

func treated(d *streamtest.Decoded, column, raw string) painted {
	v, there := rowOf(d)[column]
	switch {
	case !there:
		return painted{"—", dim}
	case v == nil:
		return painted{"null", dim}
	}
	if t := text(column, v); t != raw {
		return painted{t, green}
	}
	return painted{raw, dim}
}

// text is a value for people.
func text(column string, v any) string {
	if days, ok := streamtest.Int(v); ok && column == "birthday" {
		if _, isText := v.(string); !isText {
			return time.Unix(days*86_400, 0).UTC().Format("2006-01-02")
		}
	}
	return fmt.Sprint(v)
}

// progress redraws the last line, ten times a second at most.
func (s *screen) progress(d *show) {
	if !s.color || time.Since(s.last) < 100*time.Millisecond {
		return
	}
	s.last = time.Now()
	c := d.watch.seen()
	line := "  " + c.text()
	if s.total > 0 {
		line = "  " + bar(c.in, s.total, 16) + line
	} else {
		line += "   Ctrl-C: verdict"
	}
	s.footer = true
	_, _ = io.WriteString(s.out, "\r\x1b[2K"+s.paint(blue, strings.TrimRight(fit(line, s.width-1), " ")))
}

// text is what has come in and gone out so far, in words.
func (c *counts) text() string {
	parts := []string{"in " + thousands(c.in)}
	for i, n := range c.out {
		parts = append(parts, recipients()[i].Name+" "+thousands(n))
	}
	return strings.Join(append(parts, "quarantine "+thousands(c.quarantined)), "  ")
}

// recap is the line of totals that stays, where the progress line does not. It
// names the broker again: the head of the screen has long scrolled away.
func (s *screen) recap(d *show, since time.Duration) {
	c := d.watch.seen()
	head := fmt.Sprintf("  ▪ %d:%02d  %s", int(since.Minutes()), int(since.Seconds())%60, c.text())
	s.print(s.paint(bold, head), s.paint(dim, "    broker "+d.cluster.Brokers()[0]+", registry "+d.cluster.RegistryURL()), "")
}

func bar(n, total, width int) string {
	full := min(width, n*width/max(total, 1))
	return strings.Repeat("▰", full) + strings.Repeat("▱", width-full)
}

// thousands prints 12,345.
func thousands(n int) string {
	t := fmt.Sprint(n)
	for i := len(t) - 3; i > 0; i -= 3 {
		t = t[:i] + "," + t[i:]
	}
	return t
}

func (s *screen) summary(sum *Summary) {
	lines := []string{s.rule(s.paint(bold, "summary"), ""), ""}
	if s.color { // the rule counted the paint
		lines[0] = s.paint(dim, "── ") + s.paint(bold, "summary") + " " + s.paint(dim, strings.Repeat("─", s.width-12))
	}
	line := func(label, style string, n func(*streamtest.Tally) int) {
		b := fit("  "+label, 26)
		for i := range sum.Recipients {
			v := n(&sum.Recipients[i])
			st := style
			if v == 0 {
				st = dim
			}
			b += s.paint(st, fmt.Sprintf("%12s", thousands(v)))
		}
		lines = append(lines, b)
	}
	head := fit(fmt.Sprintf("  events in %s", thousands(sum.In)), 26)
	for _, r := range sum.Recipients {
		head += s.paint(bold, fmt.Sprintf("%12s", r.Name))
	}
	lines = append(lines, head)
	line("published", bold, func(t *streamtest.Tally) int { return t.Delivered })
	line("filtered, not its rows", "", func(t *streamtest.Tally) int { return t.Filtered })
	line("quarantined", yellow, func(t *streamtest.Tally) int { return t.Quarantined })
	line("lost", bold+";"+red, func(t *streamtest.Tally) int { return t.Lost })
	line("doubled", bold+";"+red, func(t *streamtest.Tally) int { return t.Doubled })
	line("out of order", bold+";"+red, func(t *streamtest.Tally) int { return t.Misordered })
	line("not asked for", bold+";"+red, func(t *streamtest.Tally) int { return t.Wrong })
	line("records written", "", func(t *streamtest.Tally) int { return t.Out })
	lines = append(lines, "")
	lines = append(lines, s.facts(sum)...)
	s.print(append(lines, s.verdict(sum)...)...)
}

func (s *screen) facts(sum *Summary) []string {
	out := []string{}
	for i, r := range sum.Reasons {
		out = append(out, fit([]string{"  why quarantined", ""}[min(i, 1)], 20)+
			fmt.Sprintf("%s: %s %s", r.Topic, r.Code, thousands(r.Records)))
	}
	if sum.Kills > 0 {
		out = append(out, fmt.Sprintf("  worker killed     everything delivered again after %.1f s", sum.Recovery))
	}
	out = append(out, fmt.Sprintf("  leaks             %s raw values looked for, plain and disguised: %s found",
		thousands(sum.Searched), thousands(sum.Leaked)))
	for _, f := range sum.Findings[:min(5, len(sum.Findings))] {
		out = append(out, s.paint(red, "  ! "+strings.TrimRight(fit(f, s.width-5), " ")))
	}
	if !sum.Drained {
		out = append(out, s.paint(red, "  ! the workers had not caught up after a minute"))
	}
	return append(out, "")
}

func (s *screen) verdict(sum *Summary) []string {
	yes := func(ok bool, good, bad string) string {
		if ok {
			return s.paint(bold+";"+green, "✔ "+good)
		}
		return s.paint(bold+";"+red, "✘ "+bad)
	}
	return []string{
		"  " + yes(sum.ExactlyOnce, "exactly once", "NOT exactly once") + "   " + yes(sum.Leaked == 0, "nothing leaked", "LEAKED"),
		s.paint(dim, "  judged by a separate read-committed reader against the generator's ledger"), "",
	}
}
