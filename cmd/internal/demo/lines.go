package demo

import (
	"encoding/json"
	"time"

	"weir/stream/streamtest"
)

// ui is how a demo is shown: screen for people, lines for machines.
type ui interface {
	open(*show)
	event(*sample)
	scene(text string)
	progress(*show)
	recap(s *show, since time.Duration)
	summary(*Summary)
}

func newUI(o *Options) ui {
	if o.JSON {
		return &lines{enc: json.NewEncoder(o.Out)}
	}
	return &screen{out: o.Out, width: o.Width, color: o.Color, total: o.Events}
}

// lines writes one JSON object a line.
type lines struct{ enc *json.Encoder }

type lineImage struct {
	Op     string         `json:"op"`
	Key    any            `json:"key"`
	Before map[string]any `json:"before,omitempty"`
	After  map[string]any `json:"after,omitempty"`
}

type lineCopy struct {
	Recipient string      `json:"recipient"`
	Fate      string      `json:"fate"`
	Code      string      `json:"code,omitempty"`
	Records   []lineImage `json:"records,omitempty"`
}

func image(d *streamtest.Decoded) lineImage {
	return lineImage{string(d.Op), d.Key, d.Before, d.After}
}

// put ignores errors of the output, as fmt.Println does: the verdict is the
// exit code.
func (l *lines) put(v any) { _ = l.enc.Encode(v) }

func (l *lines) open(s *show) {
	l.put(map[string]any{"type": "start", "brokers": s.cluster.Brokers(), "registry": s.cluster.RegistryURL(),
		"events": s.o.Events, "seed": s.o.Seed, "topics": s.topics(), "break": s.o.Break})
}

func (l *lines) event(e *sample) {
	copies := make([]lineCopy, len(e.cells))
	for i := range e.cells {
		c := &e.cells[i]
		copies[i] = lineCopy{Recipient: recipients()[i].Name, Fate: c.fate(), Code: c.code}
		for _, o := range c.outs {
			copies[i].Records = append(copies[i].Records, image(o))
		}
	}
	l.put(map[string]any{"type": "event", "topic": e.topic, "partition": e.partition, "offset": e.offset,
		"raw": image(e.raw), "copies": copies})
}

func (l *lines) scene(text string) { l.put(map[string]any{"type": "scene", "text": text}) }

func (l *lines) progress(*show) {}

func (l *lines) recap(s *show, since time.Duration) {
	c := s.watch.seen()
	out := map[string]int{}
	for i, n := range c.out {
		out[recipients()[i].Name] = n
	}
	l.put(map[string]any{"type": "progress", "seconds": int(since.Seconds()), "in": c.in, "out": out, "quarantined": c.quarantined})
}

func (l *lines) summary(s *Summary) { l.put(s) }
