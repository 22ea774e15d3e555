package main

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	"github.com/linkedin/goavro/v2"

	"weir/schemas/avro"
)

// codecAvro: weir's walk and splice beside goavro's decode, edit and encode of
// the same bytes, and beside touching every byte once.
func codecAvro(r *R) error {
	text, payload, edits := avroFixture()
	schema, err := avro.Parse(text)
	if err != nil {
		return err
	}
	var rs []replacement
	for _, image := range []string{"before.", "after."} {
		for _, e := range edits {
			rs = append(rs, replacement{image + e.path, []byte(e.text)})
		}
	}
	w, err := newRewriter(schema, payload, rs)
	if err != nil {
		return err
	}
	codec, err := goavro.NewCodec(text)
	if err != nil {
		return err
	}
	peer := &goavroPeer{codec: codec, src: payload, edits: edits}
	if err := sameAvro(w, peer); err != nil {
		return err
	}
	r.Note("%d B in, %d B out, %d fields replaced", len(payload), len(w.dst), len(rs))
	samples, err := r.Sides(Side{"weir", "ours", w.op}, walk(payload), Side{"goavro", "peer", peer.op})
	if err != nil {
		return err
	}
	r.Ratio("goavro / weir", samples["goavro"], samples["weir"])
	r.Ratio("weir / memory walk", samples["weir"], samples["memory walk"])
	return r.Allocs("weir allocations", w.op)
}

// sameAvro checks that both sides do the same work before they are timed: read
// by goavro, their outputs are equal.
func sameAvro(w *rewriter, peer *goavroPeer) error {
	if err := w.once(); err != nil {
		return err
	}
	if err := peer.once(); err != nil {
		return err
	}
	ours, rest, err := peer.codec.NativeFromBinary(w.dst)
	if err != nil || len(rest) > 0 {
		return fmt.Errorf("goavro cannot read what weir wrote (%d bytes left): %w", len(rest), err)
	}
	theirs, _, err := peer.codec.NativeFromBinary(peer.dst)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(ours, theirs) || bytes.Equal(w.dst, w.src) {
		return errors.New("the sides do not do the same work")
	}
	return nil
}

// goavroPeer decodes to maps, sets the fields, encodes.
type goavroPeer struct {
	codec *goavro.Codec
	src   []byte
	dst   []byte
	edits []avroEdit
}

func (g *goavroPeer) op(n int) error {
	for range n {
		if err := g.once(); err != nil {
			return err
		}
	}
	return nil
}

func (g *goavroPeer) once() error {
	native, _, err := g.codec.NativeFromBinary(g.src)
	if err != nil {
		return err
	}
	envelope := native.(map[string]any)
	for _, image := range []string{"before", "after"} {
		for _, row := range envelope[image].(map[string]any) { // the union's branch
			for _, e := range g.edits {
				setUnion(row.(map[string]any), e.path, e.text)
			}
		}
	}
	g.dst, err = g.codec.BinaryFromNative(g.dst[:0], envelope)
	return err
}

// setUnion replaces a value, inside its branch where the field is a union.
func setUnion(row map[string]any, field, text string) {
	if branch, ok := row[field].(map[string]any); ok {
		for k := range branch {
			branch[k] = text
		}
		return
	}
	row[field] = text
}
