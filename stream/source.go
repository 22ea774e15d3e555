package stream

import (
	"fmt"
	"regexp"
	"strings"

	"weir/transforms"
)

// Names are the internal topics of a pipeline (contract 1).
type Names struct{ Group, State, Control, Quarantine, Lineage, Claim string }

// InternalNames are the names that pipeline `name` fixes.
func InternalNames(name string) Names {
	p := "_weir." + name + "."
	return Names{
		Group: "weir." + name, State: p + "state", Control: p + "control",
		Quarantine: p + "quarantine", Lineage: p + "lineage", Claim: "weir." + name + ".claim",
	}
}

// Topics lists the internal topics.
func (n Names) Topics() []string { return []string{n.State, n.Control, n.Quarantine, n.Lineage} }

// instanceID is the transactional and the static member id of worker n.
func instanceID(name string, slot, n int) string { return fmt.Sprintf("weir.%s.%d.%d", name, slot, n) }

// matcher is a compiled Source: which topics it names and what their names say.
type matcher struct {
	src   *Source
	glob  *regexp.Regexp
	name  *regexp.Regexp // captures {placeholders} of Source.Name
	holes []string
}

var placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)

// compileSources compiles the sources in the file's order; the first that
// matches a topic owns it.
func compileSources(sources []Source) ([]matcher, error) {
	out := make([]matcher, len(sources))
	for i := range sources {
		s := &sources[i]
		m := matcher{src: s, glob: regexp.MustCompile(globRegexp(s.Topics))}
		if s.Name != "" {
			var pattern strings.Builder
			rest := s.Name
			for _, loc := range placeholder.FindAllStringSubmatchIndex(s.Name, -1) {
				at := len(s.Name) - len(rest)
				pattern.WriteString(regexp.QuoteMeta(s.Name[at:loc[0]]))
				pattern.WriteString(`([^.]+)`)
				m.holes = append(m.holes, s.Name[loc[2]:loc[3]])
				rest = s.Name[loc[1]:]
			}
			pattern.WriteString(regexp.QuoteMeta(rest))
			re, err := regexp.Compile("^" + pattern.String() + "$")
			if err != nil {
				return nil, &Refused{Why: fmt.Sprintf("source %q: name %q cannot be compiled", s.Topics, s.Name)}
			}
			m.name = re
		}
		out[i] = m
	}
	return out, nil
}

// globRegexp anchors a glob: * is any run of characters, ? is one.
func globRegexp(glob string) string {
	var b strings.Builder
	b.WriteByte('^')
	for _, r := range glob {
		switch r {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteByte('.')
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	b.WriteByte('$')
	return b.String()
}

// binding is what a topic's name says under its source.
type binding struct {
	src    *Source
	topic  string
	values map[string]string // placeholder → text
}

// bind finds the source of a topic. ok is false when none names it or its name
// does not fit the source's pattern.
func bind(ms []matcher, topic string) (*binding, bool) {
	for i := range ms {
		m := &ms[i]
		if !m.glob.MatchString(topic) {
			continue
		}
		b := &binding{src: m.src, topic: topic, values: map[string]string{"topic": topic}}
		if m.name == nil {
			return b, true
		}
		found := m.name.FindStringSubmatch(topic)
		if found == nil {
			return nil, false
		}
		for j, h := range m.holes {
			b.values[h] = found[j+1]
		}
		return b, true
	}
	return nil, false
}

// render fills a recipient's topic pattern.
func (b *binding) render(pattern string) (string, error) {
	var missing string
	out := placeholder.ReplaceAllStringFunc(pattern, func(h string) string {
		v, ok := b.values[h[1:len(h)-1]]
		if !ok {
			missing = h
		}
		return v
	})
	if missing != "" {
		return "", &Refused{Why: fmt.Sprintf("recipient topic %q uses %s, which the source %q does not name", pattern, missing, b.src.Topics)}
	}
	return out, nil
}

// dataset is the topic as a plan sees it: named by its placeholders in order,
// or by the topic itself when there are none.
func (b *binding) dataset() transforms.Dataset {
	name := b.topic
	var parts []string
	for _, h := range placeholder.FindAllStringSubmatch(b.src.Name, -1) {
		parts = append(parts, b.values[h[1]])
	}
	if len(parts) > 0 {
		name = strings.Join(parts, ".")
	}
	return transforms.Dataset{
		Topic: b.topic, Name: name, Envelope: b.src.Envelope, Events: b.src.Events,
		BeforeFull: b.src.BeforeFull, Placeholder: b.src.Placeholder,
	}
}

// internalTopic reports whether a topic is Weir's own or Kafka's.
func internalTopic(t string) bool {
	return strings.HasPrefix(t, "_weir.") || strings.HasPrefix(t, "__consumer_offsets") || strings.HasPrefix(t, "__transaction_state")
}
