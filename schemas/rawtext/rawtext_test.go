package rawtext

import (
	"errors"
	"testing"

	"weir/schemas"
)

func TestWholePayloadIsOneLeaf(t *testing.T) {
	s := New()
	var v schemas.View
	want := &schemas.Wanted{Leaf: []bool{true}}
	if err := s.Codec.Scan(&v, []byte("客户-7"), want); err != nil {
		t.Fatal(err)
	}
	text, err := s.Codec.Text([]byte(">"), &v, 0)
	if err != nil || string(text) != ">客户-7" {
		t.Fatalf("Text = %q, %v", text, err)
	}
	sh, err := s.Codec.Derive(schemas.ShapeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	same, _ := s.Codec.Splice(nil, &v, sh, nil)
	edited, _ := s.Codec.Splice([]byte("x"), &v, sh, []schemas.Edit{{Data: []byte("T")}})
	if string(same) != "客户-7" || string(edited) != "xT" {
		t.Fatalf("Splice = %q, %q", same, edited)
	}
}

func TestRefusals(t *testing.T) {
	s := New()
	var v schemas.View
	err := s.Codec.Scan(&v, []byte("\xff"), &schemas.Wanted{Leaf: []bool{true}})
	var e *schemas.Error
	if !errors.As(err, &e) || e.Code != schemas.CodeUTF8 {
		t.Errorf("Scan of bad UTF-8: %v", err)
	}
	if _, err := s.Codec.Derive(schemas.ShapeOptions{Changes: []schemas.Change{{Op: schemas.Cut}}}); err == nil {
		t.Error("the root was cut")
	}
	if _, err := s.Codec.Splice(nil, &v, nil, []schemas.Edit{{Null: true}}); err == nil {
		t.Error("the root was nulled")
	}
}
