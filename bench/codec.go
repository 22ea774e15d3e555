package main

import (
	"encoding/binary"
	"errors"
	"fmt"

	"weir/schemas"
)

// replacement is one edit of a codec benchmark, by path.
type replacement struct {
	path string
	text []byte
}

// rewriter is Weir's side: what a worker does with a payload, without the
// treatments themselves: scan, then splice the same replacements each time.
type rewriter struct {
	codec schemas.Codec
	want  *schemas.Wanted
	shape schemas.Shape
	texts [][]byte // by leaf, as the engine has them; nil: no edit
	src   []byte
	view  schemas.View
	edits []schemas.Edit
	dst   []byte
}

func newRewriter(s *schemas.Schema, src []byte, rs []replacement) (*rewriter, error) {
	w := &rewriter{codec: s.Codec, src: src, want: &schemas.Wanted{Leaf: make([]bool, len(s.Leaves))}, texts: make([][]byte, len(s.Leaves))}
	var changes []schemas.Change
	for _, r := range rs {
		leaves := s.Find(r.path)
		if len(leaves) == 0 {
			return nil, fmt.Errorf("the fixture's schema has no leaf %s", r.path)
		}
		for _, l := range leaves {
			w.want.Leaf[l] = true
			w.texts[l] = r.text
			changes = append(changes, schemas.Change{Leaf: l, Op: schemas.Retype, Kind: s.Leaves[l].Kind, Scale: s.Leaves[l].Scale})
		}
	}
	var err error
	w.shape, err = s.Codec.Derive(schemas.ShapeOptions{Changes: changes})
	return w, err
}

var errNoEdits = errors.New("nothing was replaced: the fixture does not fit its schema")

// once scans and splices once; the result stays in w.dst.
func (w *rewriter) once() error {
	w.view.Reset(w.src)
	if err := w.codec.Scan(&w.view, w.src, w.want); err != nil {
		return err
	}
	w.edits = w.edits[:0]
	for i := range w.view.Spans {
		sp := &w.view.Spans[i]
		if sp.Flags&(schemas.Null|schemas.Container) != 0 || sp.Leaf < 0 || !w.want.Leaf[sp.Leaf] {
			continue
		}
		if text := w.texts[sp.Leaf]; text != nil {
			w.edits = append(w.edits, schemas.Edit{Span: int32(i), Data: text})
		}
	}
	if len(w.edits) == 0 {
		return errNoEdits
	}
	var err error
	w.dst, err = w.codec.Splice(w.dst[:0], &w.view, w.shape, w.edits)
	return err
}

func (w *rewriter) op(n int) error {
	for range n {
		if err := w.once(); err != nil {
			return err
		}
	}
	return nil
}

// walk is the floor: every byte of src is read once, eight at a time, and
// copied once. Nothing that looks at a payload and writes another can be faster.
func walk(src []byte) Side {
	dst := make([]byte, len(src))
	return Side{Name: "memory walk", Role: "floor", Op: func(n int) error {
		sum := uint64(0)
		for range n {
			sum += touch(src)
			copy(dst, src)
		}
		if sum == 0 {
			return errors.New("the fixture is empty")
		}
		return nil
	}}
}

// touch reads every byte of b.
func touch(b []byte) (sum uint64) {
	for len(b) >= 8 {
		sum += binary.LittleEndian.Uint64(b)
		b = b[8:]
	}
	for _, c := range b {
		sum += uint64(c)
	}
	return sum
}
