package jsonrec

import "weir/schemas"

// enc is how a kind's text is written in JSON.
type enc uint8

const (
	encPlain   enc = iota // as JSON has it: string, number, true or false
	encText               // ISO 8601 or UUID text in a string
	encBase64             // bytes in a string (RFC 4648 §4)
	encDecimal            // unscaled integer in base64, as Connect's Decimal; or a number
	encFloat              // a number; NaN and infinities as strings, as Jackson writes them
	encDays               // days since 1970-01-01
	encTicks              // units of 10^-unit s since midnight or 1970-01-01T00:00:00
)

type wire struct {
	enc   enc
	scale int // encDecimal
	unit  int // encTicks: fraction digits
}

// accepts is the classes of value that w reads.
func (w wire) accepts(kind schemas.Kind) uint8 {
	switch w.enc {
	case encText, encBase64:
		return mask(clsString)
	case encDecimal:
		return mask(clsString, clsNumber)
	case encFloat, encDays, encTicks:
		return mask(clsNumber)
	}
	switch {
	case kind == schemas.KindAny:
		return mask(clsBool, clsNumber, clsString)
	case kind == schemas.KindNull:
		return mask(clsNull)
	case kind == schemas.KindBool:
		return mask(clsBool)
	case kind.Numeric():
		return mask(clsNumber)
	}
	return mask(clsString)
}

// defaultWire is how kind is written where the schema did not have it before.
// unit is wanted of times written as ticks: 3, 6 or 9.
func defaultWire(f flavour, kind schemas.Kind, unit int) (wire, bool) {
	switch kind {
	case schemas.KindNull, schemas.KindBool, schemas.KindInt, schemas.KindLong, schemas.KindString, schemas.KindEnum:
		return wire{}, true
	case schemas.KindAny, schemas.KindNumber:
		return wire{}, f != connect
	case schemas.KindFloat, schemas.KindDouble:
		return wire{enc: encFloat}, true
	case schemas.KindBytes, schemas.KindFixed:
		return wire{enc: encBase64}, true
	case schemas.KindUUID:
		return wire{enc: encText}, true
	case schemas.KindInstant: // Connect: ZonedTimestamp
		return wire{enc: encText}, true
	case schemas.KindDecimal:
		if f == connect {
			return wire{enc: encDecimal}, true
		}
		return wire{}, true
	case schemas.KindDate:
		if f == connect {
			return wire{enc: encDays}, true
		}
		return wire{enc: encText}, true
	case schemas.KindTime, schemas.KindLocal:
		if f == connect {
			return wire{enc: encTicks, unit: unit}, true
		}
		return wire{enc: encText}, true
	}
	return wire{}, false
}

// meaning is what a semantic type's name says of values of a basic type.
type meaning struct {
	base schemas.Kind // of the type it is a name for
	kind schemas.Kind
	wire wire
}

// semantic knows the names that Connect and Debezium give to types. Those that
// are not here are what their basic type is: io.debezium.time.Year is a number,
// io.debezium.data.Json a string.
var semantic = map[string]meaning{
	"org.apache.kafka.connect.data.Date":      {schemas.KindInt, schemas.KindDate, wire{enc: encDays}},
	"org.apache.kafka.connect.data.Time":      {schemas.KindInt, schemas.KindTime, wire{enc: encTicks, unit: 3}},
	"org.apache.kafka.connect.data.Timestamp": {schemas.KindLong, schemas.KindInstant, wire{enc: encTicks, unit: 3}},
	"org.apache.kafka.connect.data.Decimal":   {schemas.KindBytes, schemas.KindDecimal, wire{enc: encDecimal}},
	"io.debezium.time.Date":                   {schemas.KindInt, schemas.KindDate, wire{enc: encDays}},
	"io.debezium.time.Time":                   {schemas.KindInt, schemas.KindTime, wire{enc: encTicks, unit: 3}},
	"io.debezium.time.MicroTime":              {schemas.KindLong, schemas.KindTime, wire{enc: encTicks, unit: 6}},
	"io.debezium.time.NanoTime":               {schemas.KindLong, schemas.KindTime, wire{enc: encTicks, unit: 9}},
	"io.debezium.time.Timestamp":              {schemas.KindLong, schemas.KindLocal, wire{enc: encTicks, unit: 3}},
	"io.debezium.time.MicroTimestamp":         {schemas.KindLong, schemas.KindLocal, wire{enc: encTicks, unit: 6}},
	"io.debezium.time.NanoTimestamp":          {schemas.KindLong, schemas.KindLocal, wire{enc: encTicks, unit: 9}},
	"io.debezium.time.ZonedTimestamp":         {schemas.KindString, schemas.KindInstant, wire{enc: encText, unit: 9}},
	"io.debezium.data.Uuid":                   {schemas.KindString, schemas.KindUUID, wire{enc: encText}},
	"io.debezium.data.Enum":                   {schemas.KindString, schemas.KindEnum, wire{}},
}

// named applies a semantic name to a type of kind base; int and long are taken
// for each other, since JSON Schema does not tell them apart.
func named(name string, base schemas.Kind, w wire) (schemas.Kind, wire) {
	m, ok := semantic[name]
	if !ok {
		return base, w
	}
	integer := base == schemas.KindInt || base == schemas.KindLong
	if m.base == base || integer && (m.base == schemas.KindInt || m.base == schemas.KindLong) {
		return m.kind, m.wire
	}
	return base, w
}
