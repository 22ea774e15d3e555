package config

import (
	"regexp"
	"strings"

	"weir/stream"
	"weir/transforms"
)

// Dataset says what a topic is to this policy: its dataset and its source. It
// reads names as package stream does: the first source whose glob fits owns
// the topic, and a placeholder is a run of characters without a dot.
func (c *Config) Dataset(topic string) (transforms.Dataset, *stream.Source, bool) {
	for i := range c.File.Sources {
		s := &c.File.Sources[i]
		if !overlap(s.Topics, topic) {
			continue
		}
		src := &c.sources()[i]
		name, ok := nameOf(s.Name, topic)
		return transforms.Dataset{
			Topic: topic, Name: name, Envelope: src.Envelope, Events: src.Events,
			BeforeFull: src.BeforeFull, Placeholder: src.Placeholder,
		}, src, ok
	}
	return transforms.Dataset{}, nil, false
}

// nameOf joins what the placeholders of a source's name stand for in a topic.
func nameOf(pattern, topic string) (string, bool) {
	if pattern == "" {
		return topic, true
	}
	var re strings.Builder
	rest := pattern
	for _, m := range holeRE.FindAllString(pattern, -1) {
		before, after, _ := strings.Cut(rest, m)
		re.WriteString(regexp.QuoteMeta(before) + `([^.]+)`)
		rest = after
	}
	re.WriteString(regexp.QuoteMeta(rest))
	found := regexp.MustCompile("^" + re.String() + "$").FindStringSubmatch(topic)
	if found == nil {
		return "", false
	}
	if len(found) == 1 {
		return topic, true
	}
	return strings.Join(found[1:], "."), true
}
