package avro

import (
	"slices"
	"strconv"

	"weir/schemas"
)

// neutral is the default that tells nothing and lets readers of older copies go
// on, nil for types that have none.
func neutral(b *newBranch) *jv {
	switch kind := b.kind(); {
	case kind == schemas.KindUUID:
		return nil
	case kind == schemas.KindDecimal && b.typ() == tBytes:
		return jstr("\x00") // Java reads no number in no bytes
	}
	switch b.typ() {
	case tNull:
		return jraw("null")
	case tBool:
		return jraw("false")
	case tInt, tLong, tFloat, tDouble:
		return jraw("0")
	case tString, tBytes:
		return jstr("")
	case tArray:
		return &jv{kind: '['}
	case tMap:
		return &jv{kind: '{'}
	}
	return nil
}

// kind is what the branch's values are in the copy.
func (b *newBranch) kind() schemas.Kind {
	switch {
	case b.fresh != nil:
		return b.fresh.kind
	case b.old == nil:
		return schemas.KindNull
	}
	return b.old.def.wire.kind
}

// fits reports whether a default value fits a branch of the copy. A default of a
// union belongs to its first branch.
func (d *deriver) fits(v *jv, b *newBranch) bool {
	switch b.typ() {
	case tNull:
		return v.kind == '#' && v.text == "null"
	case tBool:
		return v.kind == '#' && (v.text == "true" || v.text == "false")
	case tInt:
		_, err := strconv.ParseInt(v.text, 10, 32)
		return v.kind == '#' && err == nil
	case tLong:
		_, err := strconv.ParseInt(v.text, 10, 64)
		return v.kind == '#' && err == nil
	case tFloat, tDouble:
		_, err := strconv.ParseFloat(v.text, 64)
		return v.kind == '#' && err == nil
	case tString:
		return v.kind == '"'
	case tBytes:
		return v.kind == '"' && byteChars(v.text) >= 0
	case tFixed:
		return v.kind == '"' && byteChars(v.text) == b.old.def.wire.size
	case tEnum:
		return v.kind == '"' && slices.Contains(b.old.def.wire.symbols, v.text)
	}
	return d.fitsInside(v, b.old)
}

// byteChars counts the characters of a bytes default, which stand for a byte
// each; -1 when one does not.
func byteChars(s string) int {
	n := 0
	for _, r := range s {
		if r > 0xff {
			return -1
		}
		n++
	}
	return n
}

func (d *deriver) fitsInside(v *jv, b *branch) bool {
	switch b.def.typ {
	case tArray:
		return v.kind == '[' && d.allFit(v, b.item)
	case tMap:
		return v.kind == '{' && d.allFit(v, b.item)
	case tRecord:
		return v.kind == '{' && !b.back && d.recordFits(v, b)
	}
	return false
}

func (d *deriver) allFit(v *jv, item *place) bool {
	for _, e := range v.elems {
		if !d.fits(e, &d.places[item].list[0]) {
			return false
		}
	}
	return true
}

// recordFits wants a member for every field that has no default, and no others.
func (d *deriver) recordFits(v *jv, b *branch) bool {
	known := 0
	for i, p := range b.body.fields {
		f := b.def.fields[i]
		m := v.get(f.name)
		switch np := d.places[p]; {
		case np.cut:
			continue
		case m == nil && (f.src.get("default") == nil || np.dropDef):
			return false
		case m == nil:
			continue
		case !d.fits(m, &np.list[0]):
			return false
		}
		known++
	}
	return known == len(v.elems)
}
