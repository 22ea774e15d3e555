package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"weir/schemas/jsonrec"
)

// codecJSON: weir's scanner beside a walk over jsontext's tokens with the same
// splicing, and beside encoding/json's way through a map.
func codecJSON(r *R) error {
	payload, paths, edits := jsonFixture()
	schema, err := jsonrec.New(paths)
	if err != nil {
		return err
	}
	rs := make([]replacement, len(edits))
	quoted := map[string][]byte{}
	for i, e := range edits {
		rs[i] = replacement{e.Path, []byte(e.Text)}
		q, err := json.Marshal(e.Text)
		if err != nil {
			return err
		}
		quoted[e.Path] = q
	}
	w, err := newRewriter(schema, payload, rs)
	if err != nil {
		return err
	}
	peer := &tokenWalk{edits: quoted, src: payload}
	if err := sameJSON(w, peer, payload, edits); err != nil {
		return err
	}
	r.Note("%d B, %d of %d declared leaves replaced", len(payload), len(edits), len(paths))
	samples, err := r.Sides(
		Side{"weir", "ours", w.op},
		walk(payload),
		Side{"jsontext", "peer", peer.op},
		Side{"encoding/json", "peer", func(n int) error { return mapRoundTrip(payload, edits, n) }},
	)
	if err != nil {
		return err
	}
	r.Ratio("jsontext / weir", samples["jsontext"], samples["weir"])
	r.Ratio("encoding/json / weir", samples["encoding/json"], samples["weir"])
	r.Ratio("weir / memory walk", samples["weir"], samples["memory walk"])
	return r.Allocs("weir allocations", w.op)
}

// sameJSON checks that the sides do the same work before they are timed.
func sameJSON(w *rewriter, peer *tokenWalk, payload []byte, edits []jsonEdit) error {
	if err := w.once(); err != nil {
		return err
	}
	if err := peer.once(); err != nil {
		return err
	}
	var ours, theirs, want any
	if json.Unmarshal(w.dst, &ours) != nil || json.Unmarshal(peer.dst, &theirs) != nil || json.Unmarshal(payload, &want) != nil {
		return errors.New("a side wrote something that is not JSON")
	}
	for _, e := range edits {
		set(want.(map[string]any), strings.Split(e.Path, "."), e.Text)
	}
	a, _ := json.Marshal(ours)
	b, _ := json.Marshal(theirs)
	c, _ := json.Marshal(want)
	if !bytes.Equal(a, c) || !bytes.Equal(b, c) {
		return errors.New("the sides do not do the same work")
	}
	return nil
}

func set(m map[string]any, path []string, v any) {
	for _, p := range path[:len(path)-1] {
		m, _ = m[p].(map[string]any)
	}
	m[path[len(path)-1]] = v
}

// mapRoundTrip is the plain way: decode into a map, set, encode.
func mapRoundTrip(payload []byte, edits []jsonEdit, n int) error {
	for range n {
		var m map[string]any
		d := json.NewDecoder(bytes.NewReader(payload))
		d.UseNumber()
		if err := d.Decode(&m); err != nil {
			return err
		}
		for _, e := range edits {
			set(m, strings.Split(e.Path, "."), e.Text)
		}
		if _, err := json.Marshal(m); err != nil {
			return err
		}
	}
	return nil
}

// tokenWalk walks jsontext's tokens, keeps the path, and splices replacements
// between untouched runs: the same idea with a trusted parser.
type tokenWalk struct {
	edits map[string][]byte
	src   []byte
	in    bytes.Reader
	dec   jsontext.Decoder
	path  []byte
	marks []int // of path, by depth
	dst   []byte
}

func (t *tokenWalk) op(n int) error {
	for range n {
		if err := t.once(); err != nil {
			return err
		}
	}
	return nil
}

func (t *tokenWalk) once() error {
	t.in.Reset(t.src)
	t.dec.Reset(&t.in, jsontext.AllowDuplicateNames(true))
	t.path, t.marks, t.dst = t.path[:0], t.marks[:0], t.dst[:0]
	copied := 0
	for {
		kind := t.dec.PeekKind()
		if kind == '{' || kind == '[' || kind == '}' || kind == ']' {
			if _, err := t.dec.ReadToken(); err != nil {
				return err
			}
			t.nest(kind)
			continue
		}
		v, err := t.dec.ReadValue()
		if errors.Is(err, io.EOF) {
			t.dst = append(t.dst, t.src[copied:]...)
			return nil
		}
		if err != nil {
			return err
		}
		if k, n := t.dec.StackIndex(t.dec.StackDepth()); k == '{' && n%2 == 1 { // a name was read
			t.name(v)
			continue
		}
		if q, ok := t.edits[string(t.path)]; ok {
			end := int(t.dec.InputOffset())
			t.dst = append(append(t.dst, t.src[copied:end-len(v)]...), q...)
			copied = end
		}
	}
}

func (t *tokenWalk) nest(kind jsontext.Kind) {
	switch kind {
	case '{', '[':
		t.marks = append(t.marks, len(t.path))
	default:
		t.path = t.path[:t.marks[len(t.marks)-1]]
		t.marks = t.marks[:len(t.marks)-1]
	}
}

// name puts a member's name at the end of the path of its object.
func (t *tokenWalk) name(quoted []byte) {
	t.path = t.path[:t.marks[len(t.marks)-1]]
	if len(t.path) > 0 {
		t.path = append(t.path, '.')
	}
	if slices.Contains(quoted, '\\') {
		t.path, _ = jsontext.AppendUnquote(t.path, quoted)
		return
	}
	t.path = append(t.path, quoted[1:len(quoted)-1]...)
}
