package streamtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Recipient is what the checker knows of one recipient.
type Recipient struct {
	Name   string
	Prefix string // of its topics: Prefix + table
	// Keep is its `rows` filter; nil takes every row.
	Keep func(*Image) bool
	// Partial: the source is declared `before: partial`, so that a filter looks at
	// after images alone.
	Partial bool
}

// Note is a quarantined record's clear part.
type Note struct {
	Topic      string
	Partition  int32
	Offset     int64
	Code       string
	Recipients []string // nil: all
}

// FrameRun is one run of a lineage frame: what became of Count records from
// Offset on.
type FrameRun struct {
	Topic         string
	Partition     int32
	Recipient     string
	Offset, Count int64
	Fate          string // published, filtered, quarantined
}

// Check judges what came out against what went in.
type Check struct {
	Ledger     *Ledger
	Recipients []Recipient
	Decoder    *Decoder
	Quarantine string // topic
	// Note reads a quarantine record; nil: ConnectNote.
	Note func(*kgo.Record) (Note, bool)
	// Lineage is the topic of the frames, Frames reads one record of it; without
	// them, filtered and lost are told apart by the ledger alone.
	Lineage string
	Frames  func(*kgo.Record) ([]FrameRun, error)
}

// Tally is what became of the input for one recipient. Filtered, Quarantined
// and Delivered count input records, Out counts output records; an update that
// leaves `rows` has two.
type Tally struct {
	Name        string `json:"name"`
	Out         int    `json:"out"`
	Delivered   int    `json:"delivered"`
	Filtered    int    `json:"filtered"`
	Quarantined int    `json:"quarantined"`
	Lost        int    `json:"lost"`
	Doubled     int    `json:"doubled"`
	Misordered  int    `json:"misordered"`
	Wrong       int    `json:"wrong"` // an output that nothing asked for, or of another record's content
}

// exact: every record had the one fate that it should have.
func (t *Tally) exact() bool { return t.Lost+t.Doubled+t.Misordered+t.Wrong == 0 }

// Report is the verdict.
type Report struct {
	In          int            `json:"in"`
	Recipients  []Tally        `json:"recipients"`
	Quarantined map[string]int `json:"quarantined"` // records by code
	Leaks       map[string]int `json:"leaks"`       // by kind and disguise, e.g. "phone (base64)"
	FrameErrors int            `json:"frame_errors"`
	Findings    []string       `json:"findings,omitempty"` // the first 20, places and codes only

	leaked int
}

const maxFindings = 20

func (r *Report) find(format string, args ...any) {
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
	}
}

// ExactlyOnce reports whether in = out + filtered + quarantined holds record by
// record for every recipient, with nothing lost, doubled, out of order or made
// up.
func (r *Report) ExactlyOnce() bool {
	for i := range r.Recipients {
		if !r.Recipients[i].exact() {
			return false
		}
	}
	return r.FrameErrors == 0 && r.In > 0
}

// Leaked is how many outputs hold a raw value, each counted once a value.
func (r *Report) Leaked() int { return r.leaked }

// at prints a record's place.
func at(r *kgo.Record) string { return fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset) }

// judgement is the work of one Judge.
type judgement struct {
	c       *Check
	report  *Report
	entries []*Entry
	byLSN   map[int64]*Entry
	bySeq   map[uint64]*Entry
	byPlace map[place]*Entry
	sources map[string]bool
	// parked is how often an entry was quarantined, by recipient and place.
	parked map[string]map[place]int
	frames map[string]map[place]string // fate by recipient and place
}

// Judge compares the committed records of all output and internal topics with
// the ledger. Records of source topics are left out.
func (c *Check) Judge(records []*kgo.Record) *Report {
	j := &judgement{c: c, entries: c.Ledger.Entries(), byLSN: map[int64]*Entry{}, bySeq: map[uint64]*Entry{}, byPlace: map[place]*Entry{},
		sources: map[string]bool{}, parked: map[string]map[place]int{}, frames: map[string]map[place]string{},
		report: &Report{Quarantined: map[string]int{}, Leaks: map[string]int{}}}
	j.report.In = len(j.entries)
	for _, e := range j.entries {
		j.sources[e.Topic] = true
		j.byPlace[place{e.Topic, e.Partition, e.Offset}] = e
		if e.Op != Tombstone {
			j.byLSN[e.LSN], j.bySeq[e.Seq] = e, e
		}
	}
	outputs := slices.DeleteFunc(slices.Clone(records), func(r *kgo.Record) bool { return j.sources[r.Topic] })
	slices.SortFunc(outputs, func(a, b *kgo.Record) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	j.leaks(outputs)
	j.quarantine(outputs)
	j.readFrames(outputs)
	for i := range c.Recipients {
		j.report.Recipients = append(j.report.Recipients, j.recipient(&c.Recipients[i], outputs))
	}
	return j.report
}

// leaks counts every canary in every place of every record.
func (j *judgement) leaks(records []*kgo.Record) {
	s := NewScanner(j.c.Ledger.Canaries())
	for _, r := range records {
		seen := map[int]bool{}
		scan := func(where string, b []byte) {
			s.find(b, func(n *needle) bool {
				if !seen[n.canary] {
					seen[n.canary] = true
					j.report.leaked++
					j.report.Leaks[n.kind+" ("+n.how+")"]++
					j.report.find("leak: %s (%s) in the %s of %s", n.kind, n.how, where, at(r))
				}
				return true
			})
		}
		scan("key", r.Key)
		scan("value", r.Value)
		for _, h := range r.Headers {
			scan("headers", []byte(h.Key))
			scan("headers", h.Value)
		}
	}
}

// ConnectNote reads a quarantine record's headers: Connect's names for the
// coordinates, and Weir's for the recipients.
func ConnectNote(r *kgo.Record) (Note, bool) {
	n := Note{Partition: -1, Offset: -1}
	for _, h := range r.Headers {
		v := string(h.Value)
		switch h.Key {
		case "__connect.errors.topic":
			n.Topic = v
		case "__connect.errors.partition":
			if p, ok := Int(v); ok {
				n.Partition = int32(p)
			}
		case "__connect.errors.offset":
			if o, ok := Int(v); ok {
				n.Offset = o
			}
		case "weir.code":
			n.Code = v
		case "weir.recipients":
			n.Recipients = strings.Split(v, ",")
		}
	}
	return n, n.Topic != "" && n.Partition >= 0 && n.Offset >= 0
}

func (j *judgement) quarantine(records []*kgo.Record) {
	read := j.c.Note
	if read == nil {
		read = ConnectNote
	}
	for i := range j.c.Recipients {
		j.parked[j.c.Recipients[i].Name] = map[place]int{}
	}
	for _, r := range records {
		if r.Topic != j.c.Quarantine {
			continue
		}
		n, ok := read(r)
		if !ok || j.byPlace[place{n.Topic, n.Partition, n.Offset}] == nil {
			j.report.FrameErrors++
			j.report.find("quarantine: no such input as that of %s", at(r))
			continue
		}
		j.report.Quarantined[n.Code]++
		for name, m := range j.parked {
			if n.Has(name) {
				m[place{n.Topic, n.Partition, n.Offset}]++
			}
		}
	}
}

// readFrames spreads the runs of the lineage frames over the records.
func (j *judgement) readFrames(records []*kgo.Record) {
	if j.c.Frames == nil {
		return
	}
	for _, r := range records {
		if r.Topic != j.c.Lineage {
			continue
		}
		runs, err := j.c.Frames(r)
		if err != nil {
			j.report.FrameErrors++
			j.report.find("lineage: unreadable frame at %s", at(r))
			continue
		}
		for _, run := range runs {
			j.addRun(r, run)
		}
	}
}

func (j *judgement) addRun(r *kgo.Record, run FrameRun) {
	m := j.frames[run.Recipient]
	if m == nil {
		m = map[place]string{}
		j.frames[run.Recipient] = m
	}
	for o := run.Offset; o < run.Offset+run.Count; o++ {
		p := place{run.Topic, run.Partition, o}
		if j.byPlace[p] == nil || m[p] != "" {
			j.report.FrameErrors++
			j.report.find("lineage: %s tells of %s/%d@%d, which did not happen or is told twice", at(r), run.Topic, run.Partition, o)
		}
		m[p] = run.Fate
	}
}

// fate checks that the frames say of e what the outputs say.
func (j *judgement) fate(recipient string, e *Entry, fate string) {
	if j.c.Frames == nil {
		return
	}
	if got := j.frames[recipient][place{e.Topic, e.Partition, e.Offset}]; got != fate {
		j.report.FrameErrors++
		j.report.find("lineage: %s/%d@%d is %q for %s in the frames, %s in the topics",
			e.Topic, e.Partition, e.Offset, got, recipient, fate)
	}
}

// Has reports whether the record is quarantined for a recipient.
func (n *Note) Has(recipient string) bool {
	return n.Recipients == nil || slices.Contains(n.Recipients, recipient)
}
