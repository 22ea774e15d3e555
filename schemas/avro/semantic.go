package avro

import "weir/schemas"

// wire is how a value of one leaf is written. It is immutable.
type wire struct {
	typ     typ
	kind    schemas.Kind
	unit    int      // fraction digits of time kinds
	scale   int      // of decimals; may be negative in Connect
	prec    int      // of decimals, 0 when unknown
	size    int      // of fixed
	symbols []string // of enums
	zoned   bool     // an instant written as ISO 8601 text with its offset
}

var plainKinds = [...]schemas.Kind{
	tNull: schemas.KindNull, tBool: schemas.KindBool, tInt: schemas.KindInt, tLong: schemas.KindLong,
	tFloat: schemas.KindFloat, tDouble: schemas.KindDouble, tBytes: schemas.KindBytes, tString: schemas.KindString,
	tFixed: schemas.KindFixed, tEnum: schemas.KindEnum, tRecord: schemas.KindRecord, tArray: schemas.KindArray,
	tMap: schemas.KindMap,
}

// meaning is what a logical type or a Connect name makes of a base type.
type meaning struct {
	typ   typ
	kind  schemas.Kind
	unit  int
	zoned bool
}

// logical are Avro's logical types but decimal and those of fixed.
// Source: Apache Avro specification 1.12, "Logical Types".
var logical = map[string]meaning{
	"uuid":                   {typ: tString, kind: schemas.KindUUID},
	"date":                   {typ: tInt, kind: schemas.KindDate},
	"time-millis":            {typ: tInt, kind: schemas.KindTime, unit: 3},
	"time-micros":            {typ: tLong, kind: schemas.KindTime, unit: 6},
	"timestamp-millis":       {typ: tLong, kind: schemas.KindInstant, unit: 3},
	"timestamp-micros":       {typ: tLong, kind: schemas.KindInstant, unit: 6},
	"timestamp-nanos":        {typ: tLong, kind: schemas.KindInstant, unit: 9},
	"local-timestamp-millis": {typ: tLong, kind: schemas.KindLocal, unit: 3},
	"local-timestamp-micros": {typ: tLong, kind: schemas.KindLocal, unit: 6},
	"local-timestamp-nanos":  {typ: tLong, kind: schemas.KindLocal, unit: 9},
}

// connect are the semantic names of Kafka Connect and Debezium. Debezium's
// Timestamp family counts from the epoch, but stands for columns without a zone.
var connect = map[string]meaning{
	"org.apache.kafka.connect.data.Date":      {typ: tInt, kind: schemas.KindDate},
	"org.apache.kafka.connect.data.Time":      {typ: tInt, kind: schemas.KindTime, unit: 3},
	"org.apache.kafka.connect.data.Timestamp": {typ: tLong, kind: schemas.KindInstant, unit: 3},
	"io.debezium.time.Date":                   {typ: tInt, kind: schemas.KindDate},
	"io.debezium.time.Time":                   {typ: tInt, kind: schemas.KindTime, unit: 3},
	"io.debezium.time.MicroTime":              {typ: tLong, kind: schemas.KindTime, unit: 6},
	"io.debezium.time.NanoTime":               {typ: tLong, kind: schemas.KindTime, unit: 9},
	"io.debezium.time.Timestamp":              {typ: tLong, kind: schemas.KindLocal, unit: 3},
	"io.debezium.time.MicroTimestamp":         {typ: tLong, kind: schemas.KindLocal, unit: 6},
	"io.debezium.time.NanoTimestamp":          {typ: tLong, kind: schemas.KindLocal, unit: 9},
	"io.debezium.time.ZonedTimestamp":         {typ: tString, kind: schemas.KindInstant, unit: 9, zoned: true},
	"io.debezium.data.Uuid":                   {typ: tString, kind: schemas.KindUUID},
}

const connectDecimal = "org.apache.kafka.connect.data.Decimal"

// wireOf decides how d's values are written and what they mean. Connect's name
// wins over the logical type; what does not fit its base type is ignored.
func wireOf(d *def, j *jv) wire {
	w := wire{typ: d.typ, kind: plainKinds[d.typ], size: d.wire.size, symbols: d.wire.symbols}
	name := j.str("connect.name")
	if name == connectDecimal && d.typ == tBytes {
		if m, ok := connectScale(w, j); ok {
			return m
		}
	}
	for _, m := range []meaning{connect[name], logical[j.str("logicalType")]} {
		if m.kind != schemas.KindAny && m.typ == d.typ {
			w.kind, w.unit, w.zoned = m.kind, m.unit, m.zoned
			return w
		}
	}
	switch l := j.str("logicalType"); {
	case l == "decimal" && (d.typ == tBytes || d.typ == tFixed):
		return decimalOf(w, j)
	case l == "uuid" && d.typ == tFixed && w.size == 16:
		w.kind = schemas.KindUUID
	case l == "duration" && d.typ == tFixed && w.size == 12:
		w.kind = schemas.KindDuration
	}
	return w
}

// connectScale reads Connect's decimal, whose scale stands in connect.parameters
// and may be negative.
func connectScale(w wire, j *jv) (wire, bool) {
	scale, ok := intOf(j.get("connect.parameters").get("scale"))
	if !ok {
		scale, ok = intOf(j.get("scale"))
	}
	if !ok || scale < -schemas.MaxDigits || scale > schemas.MaxDigits {
		return w, false
	}
	w.kind, w.scale = schemas.KindDecimal, scale
	return w, true
}

// decimalOf reads Avro's decimal: 0 ≤ scale ≤ precision, or it is no decimal.
func decimalOf(w wire, j *jv) wire {
	prec, ok := intOf(j.get("precision"))
	scale, has := 0, true
	if s := j.get("scale"); s != nil {
		scale, has = intOf(s)
	}
	if !ok || !has || prec < 1 || scale < 0 || scale > prec || scale > schemas.MaxDigits {
		return w
	}
	if w.typ == tFixed && prec > fixedDigits(w.size) {
		return w
	}
	w.kind, w.scale, w.prec = schemas.KindDecimal, scale, prec
	return w
}

// fixedDigits is how many decimal digits n bytes of two's complement hold:
// floor((8n-1)·log₁₀2).
func fixedDigits(n int) int { return int(float64(8*n-1) * 0.30102999566398120) }

// fresh is how a leaf is written whose kind a shape changes. ok is false for
// kinds that need more than a name (enum, fixed, duration) or are no Avro kind.
func fresh(k schemas.Kind, scale int) (w wire, ok bool) {
	w = wire{kind: k}
	switch k {
	case schemas.KindNull:
		w.typ = tNull
	case schemas.KindBool:
		w.typ = tBool
	case schemas.KindInt, schemas.KindDate:
		w.typ = tInt
	case schemas.KindLong:
		w.typ = tLong
	case schemas.KindTime, schemas.KindInstant, schemas.KindLocal:
		w.typ, w.unit = tLong, 6
	case schemas.KindFloat:
		w.typ = tFloat
	case schemas.KindDouble:
		w.typ = tDouble
	case schemas.KindString, schemas.KindUUID:
		w.typ = tString
	case schemas.KindBytes:
		w.typ = tBytes
	case schemas.KindDecimal:
		w.typ, w.scale, w.prec = tBytes, scale, max(38, scale)
		return w, scale >= 0 && scale <= schemas.MaxDigits
	default:
		return w, false
	}
	return w, true
}

// freshLogical is the logical type that a fresh kind is written with.
func freshLogical(k schemas.Kind) string {
	switch k {
	case schemas.KindDate:
		return "date"
	case schemas.KindTime:
		return "time-micros"
	case schemas.KindInstant:
		return "timestamp-micros"
	case schemas.KindLocal:
		return "local-timestamp-micros"
	case schemas.KindUUID:
		return "uuid"
	case schemas.KindDecimal:
		return "decimal"
	}
	return ""
}
