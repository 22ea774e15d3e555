package transforms

import (
	"bytes"
	"errors"

	"weir/schemas"
)

// Scratch is one goroutine's working memory: views, texts, outputs and hash
// states. Everything that Protect answers stands in it until the next call.
type Scratch struct {
	payloads [payloadCount]payload
	text     []byte // canonical texts and treated results
	out      []byte // outputs
	edits    []schemas.Edit
	outs     []Out
	copies   []Copy
	memo     []memo
	gen      uint64 // of the record: memos of others are stale
	field    Field
	rows     rowEval
	facts    facts

	keyView schemas.View // of KeyText
	keyText []byte

	slots *Slots // of the plan in use: slot numbers are a plan's own
	owner *Plan
	known map[*planID]*Slots
}

// NewScratch makes the working memory of one goroutine.
func NewScratch() *Scratch { return &Scratch{known: map[*planID]*Slots{}} }

// maxKnownPlans bounds the plans whose hash states a Scratch keeps; they are
// made again when they are needed.
const maxKnownPlans = 1_024

// The payloads of one record.
const (
	payloadKey = iota
	payloadValue
	payloadNewKey
	payloadOldKey
	payloadCount
)

// payload is one scanned payload.
type payload struct {
	side    *side // nil: not there, or opaque
	view    schemas.View
	texts   []text // by span
	unknown bool   // it has names that no leaf declares
}

// text is a span's canonical text in Scratch.text, taken when first asked for.
type text struct {
	start, end  int
	taken       bool
	placeholder bool
}

// memo is the last result of a treatment in this record (contract 21).
type memo struct {
	gen                uint64
	kind               schemas.Kind
	src, srcEnd        int
	result, resultEnds int
}

// failure is why a record cannot go to a recipient.
type failure struct {
	code schemas.Code
	path string
}

func failed(err error, code schemas.Code, path string) failure {
	var e *schemas.Error
	if errors.As(err, &e) {
		return failure{e.Code, orElse(path, e.Path)}
	}
	return failure{code, path}
}

// begin clears what the last record left behind and readies s for p.
func (s *Scratch) begin(p *Plan) {
	clear(s.text)
	clear(s.out)
	clear(s.rows.text[:cap(s.rows.text)])
	s.text, s.out, s.edits, s.outs, s.copies = s.text[:0], s.out[:0], s.edits[:0], s.outs[:0], s.copies[:0]
	s.gen++
	if len(s.memo) < p.memos {
		s.memo = append(s.memo, make([]memo, p.memos-len(s.memo))...)
	}
	for i := range s.payloads {
		s.payloads[i].side, s.payloads[i].unknown = nil, false
	}
	if s.owner == p {
		return
	}
	s.owner = p
	if s.slots = s.known[p.id]; s.slots != nil {
		return
	}
	if len(s.known) >= maxKnownPlans {
		clear(s.known)
	}
	s.slots = &Slots{}
	s.known[p.id] = s.slots
}

// scan reads one payload to its end.
func (s *Scratch) scan(which int, sd *side, src []byte) error {
	pl := &s.payloads[which]
	pl.side = sd
	if err := sd.schema.Codec.Scan(&pl.view, src, &sd.want); err != nil {
		return err
	}
	n := len(pl.view.Spans)
	if cap(pl.texts) < n {
		pl.texts = make([]text, n+n/2)
	}
	pl.texts = pl.texts[:n]
	clear(pl.texts)
	if sd.want.Unknown {
		for i := range pl.view.Spans {
			if pl.view.Spans[i].Leaf == schemas.Unknown {
				pl.unknown = true
				break
			}
		}
	}
	return nil
}

// textOf is span i's canonical text, valid until s.text grows; the record's
// recipients share it.
func (s *Scratch) textOf(pl *payload, i int, p *Plan) (*text, error) {
	t := &pl.texts[i]
	if t.taken {
		return t, nil
	}
	start := len(s.text)
	out, err := pl.side.schema.Codec.Text(s.text, &pl.view, i)
	if err != nil {
		return nil, err
	}
	s.text = out
	*t = text{start: start, end: len(out), taken: true}
	t.placeholder = p.isPlaceholder(out[start:], pl.view.Spans[i].Kind)
	return t, nil
}

// isPlaceholder recognises Debezium's unavailable value: as text, as its bytes,
// or as JSON without a schema writes its bytes.
func (p *Plan) isPlaceholder(text []byte, k schemas.Kind) bool {
	switch k {
	case schemas.KindString, schemas.KindBytes:
	default:
		return false
	}
	if p.in.Dataset.Placeholder == "" {
		return false
	}
	return string(text) == p.in.Dataset.Placeholder || len(text) == len(p.placeholder64) && string(text) == p.placeholder64
}

// recall finds the result of the same treatment for the same text in this
// record.
func (s *Scratch) recall(t *treatment, kind schemas.Kind, ref *text) ([]byte, bool) {
	m := &s.memo[t.memo]
	if m.gen != s.gen || m.kind != kind || !bytes.Equal(s.text[m.src:m.srcEnd], s.text[ref.start:ref.end]) {
		return nil, false
	}
	return s.text[m.result:m.resultEnds], true
}

func (s *Scratch) remember(t *treatment, kind schemas.Kind, ref *text, start int) {
	s.memo[t.memo] = memo{gen: s.gen, kind: kind, src: ref.start, srcEnd: ref.end, result: start, resultEnds: len(s.text)}
}
