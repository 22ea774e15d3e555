package general

import (
	"bytes"
	"errors"
	"math"

	"weir/schemas"
	"weir/transforms"
)

// Date replaces a day by the first of its period, and a time of day by
// midnight. Weeks begin on Monday (ISO 8601), decades with the year that ends in
// 0. Instants are cut in UTC.
type Date struct {
	period string
	first  func(days int64) (int64, bool)
}

func newDate(v any) (transforms.Transform, error) {
	period, _ := v.(string)
	first := map[string]func(int64) (int64, bool){
		"week": firstOfWeek, "month": firstOfMonth, "quarter": firstOfQuarter, "year": firstOfYear, "decade": firstOfDecade,
	}[period]
	if first == nil {
		return nil, errors.New("date is week, month, quarter, year or decade")
	}
	return &Date{period, first}, nil
}

func firstOfWeek(days int64) (int64, bool) {
	if days < math.MinInt64+7 {
		return 0, false
	}
	back := (days%7 + 3 + 7) % 7 // 1970-01-01 was a Thursday
	return days - back, true
}

func firstOfMonth(days int64) (int64, bool) {
	y, m, _ := schemas.Civil(days)
	return schemas.Days(y, m, 1)
}

func firstOfQuarter(days int64) (int64, bool) {
	y, m, _ := schemas.Civil(days)
	return schemas.Days(y, (m-1)/3*3+1, 1)
}

func firstOfYear(days int64) (int64, bool) {
	y, _, _ := schemas.Civil(days)
	return schemas.Days(y, 1, 1)
}

func firstOfDecade(days int64) (int64, bool) {
	y, _, _ := schemas.Civil(days)
	return schemas.Days(y-((y%10)+10)%10, 1, 1)
}

// Append appends the first moment of src's period, written as src is: a date, or
// a date and time with or without zone.
func (d *Date) Append(dst, src []byte, f *transforms.Field) ([]byte, error) {
	n := len(dst)
	clock, zone := f.Kind != schemas.KindDate, f.Kind == schemas.KindInstant
	if f.Kind == schemas.KindString {
		clock, zone = looks(src)
	}
	day := src
	if clock {
		var err error
		if dst, err = appendMoment(dst, src, zone); err != nil {
			return dst, err
		}
		day = dst[n:]
		day = day[:max(0, bytes.IndexByte(day, 'T'))]
	}
	days, err := schemas.ParseDate(day)
	clear(dst[n:])
	dst = dst[:n]
	if err != nil {
		return dst, err
	}
	days, ok := d.first(days)
	if !ok {
		return dst, schemas.Fail(schemas.CodeType, "")
	}
	dst = schemas.AppendDate(dst, days)
	switch {
	case zone:
		dst = append(dst, "T00:00:00Z"...)
	case clock:
		dst = append(dst, "T00:00:00"...)
	}
	return dst, nil
}

// looks guesses how a string writes its moment; what it is, the parsers decide.
func looks(s []byte) (clock, zone bool) {
	i := bytes.IndexAny(s, "T ")
	if i < 0 {
		return false, false
	}
	return true, bytes.ContainsAny(s[i:], "Z+-")
}

func appendMoment(dst, src []byte, zone bool) ([]byte, error) {
	if zone {
		return schemas.AppendCanonicalInstant(dst, src)
	}
	return schemas.AppendCanonicalLocal(dst, src)
}

// Out keeps the kind. Strings must hold ISO 8601 dates: others fail, and their
// records wait in quarantine.
func (d *Date) Out(in schemas.Kind) (schemas.Kind, int, error) {
	switch in {
	case schemas.KindDate, schemas.KindInstant, schemas.KindLocal, schemas.KindString:
		return in, 0, nil
	}
	return 0, 0, errors.New("generalise: {date: …} treats dates and times, and strings that hold them, not " + in.String())
}

// Describe prints the options.
func (d *Date) Describe() string { return "date: " + d.period }
