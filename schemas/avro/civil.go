package avro

import (
	"math"
	"math/bits"
)

// Calendar arithmetic in the proleptic Gregorian calendar, on int64 days and
// seconds: package time's years end long before Avro's longs do.

const (
	secondsADay = 86_400
	maxYear     = 400_000_000 // beyond every long of milliseconds
)

var pow10 = [...]int64{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000}

// floorDiv divides towards minus infinity.
func floorDiv(a, b int64) (q, r int64) {
	q, r = a/b, a%b
	if r < 0 {
		q, r = q-1, r+b
	}
	return q, r
}

// civil is the date of a day counted from 1970-01-01.
// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
func civil(days int64) (year int64, month, day int) {
	era, doe := floorDiv(days+719_468, 146_097)
	yoe := (doe - doe/1460 + doe/36_524 - doe/146_096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = int(doy-(153*mp+2)/5) + 1
	month = int(mp) + 3
	if month > 12 {
		month -= 12
	}
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, day
}

// daysOf is the inverse of civil.
func daysOf(year int64, month, day int) int64 {
	if month <= 2 {
		year--
	}
	era, yoe := floorDiv(year, 400)
	mp := int64(month+9) % 12
	doy := (153*mp+2)/5 + int64(day) - 1
	return era*146_097 + yoe*365 + yoe/4 - yoe/100 + doy - 719_468
}

func appendPadded(dst []byte, n int64, width int) []byte {
	var tmp [20]byte
	i := len(tmp)
	for u := uint64(n); u > 0 || len(tmp)-i < width; u /= 10 {
		i--
		tmp[i] = byte('0' + u%10)
	}
	return append(dst, tmp[i:]...)
}

// appendDate writes 2006-01-02; years outside 0000 to 9999 carry a sign.
func appendDate(dst []byte, days int64) []byte {
	y, m, d := civil(days)
	switch {
	case y < 0:
		dst, y = append(dst, '-'), -y
	case y > 9999:
		dst = append(dst, '+')
	}
	dst = append(appendPadded(dst, y, 4), '-')
	dst = append(appendPadded(dst, int64(m), 2), '-')
	return appendPadded(dst, int64(d), 2)
}

// appendClock writes 15:04:05 and the fraction with the fewest digits; unit is
// the number of digits that frac has.
func appendClock(dst []byte, seconds, frac int64, unit int) []byte {
	dst = append(appendPadded(dst, seconds/3600, 2), ':')
	dst = append(appendPadded(dst, seconds/60%60, 2), ':')
	dst = appendPadded(dst, seconds%60, 2)
	if frac == 0 {
		return dst
	}
	for frac%10 == 0 {
		frac, unit = frac/10, unit-1
	}
	return appendPadded(append(dst, '.'), frac, unit)
}

// appendTime writes a time of day. Debezium's may be negative or beyond a day,
// as MySQL's TIME is; they keep their sign and hours.
func appendTime(dst []byte, v int64, unit int) []byte {
	if v < 0 {
		dst = append(dst, '-')
		s, frac := uint64(-v)/uint64(pow10[unit]), uint64(-v)%uint64(pow10[unit])
		return appendClock(dst, int64(s), int64(frac), unit)
	}
	return appendClock(dst, v/pow10[unit], v%pow10[unit], unit)
}

// appendMoment writes date and time of a count of 10^-unit seconds since 1970.
func appendMoment(dst []byte, v int64, unit int) []byte {
	sec, frac := floorDiv(v, pow10[unit])
	return appendSeconds(dst, sec, frac, unit)
}

func appendSeconds(dst []byte, sec, frac int64, unit int) []byte {
	days, clock := floorDiv(sec, secondsADay)
	return appendClock(append(appendDate(dst, days), 'T'), clock, frac, unit)
}

// reader reads fixed pieces of a text; ok turns false for good at the first one
// that is not there.
type reader struct {
	b  []byte
	i  int
	ok bool
}

func (r *reader) peek() byte {
	if r.i < len(r.b) {
		return r.b[r.i]
	}
	return 0
}

func (r *reader) byte(c byte) {
	if r.peek() != c {
		r.ok = false
	}
	r.i++
}

// digits reads between least and most digits.
func (r *reader) digits(least, most int) (n int64) {
	from := r.i
	for r.i < len(r.b) && r.i-from < most && r.b[r.i]-'0' <= 9 {
		n = n*10 + int64(r.b[r.i]-'0')
		r.i++
	}
	if r.i-from < least {
		r.ok = false
	}
	return n
}

// upTo reads two digits that are at most limit.
func (r *reader) upTo(limit int64) int64 {
	n := r.digits(2, 2)
	if n > limit {
		r.ok = false
	}
	return n
}

// date reads what appendDate writes.
func (r *reader) date() int64 {
	sign := int64(1)
	most := 4
	switch r.peek() {
	case '-':
		sign, most = -1, 9
		r.i++
	case '+':
		most = 9
		r.i++
	}
	y := sign * r.digits(4, most)
	r.byte('-')
	m := r.upTo(12)
	r.byte('-')
	d := r.upTo(31)
	if !r.ok || m < 1 || d < 1 || y > maxYear || y < -maxYear {
		r.ok = false
		return 0
	}
	days := daysOf(y, int(m), int(d))
	if y2, m2, d2 := civil(days); y2 != y || m2 != int(m) || d2 != int(d) {
		r.ok = false
	}
	return days
}

// fraction reads an optional fraction as nanoseconds.
func (r *reader) fraction() int64 {
	if r.peek() != '.' {
		return 0
	}
	r.i++
	from := r.i
	n := r.digits(1, 9)
	return n * pow10[max(0, 9-(r.i-from))]
}

// moment reads date and time as seconds and nanoseconds since 1970; seconds may
// be left out, as java.time does.
func (r *reader) moment() (sec, nanos int64) {
	days := r.date()
	r.byte('T')
	h := r.upTo(23)
	r.byte(':')
	m := r.upTo(59)
	s := int64(0)
	if r.peek() == ':' {
		r.i++
		s = r.upTo(59)
		nanos = r.fraction()
	}
	return days*secondsADay + h*3600 + m*60 + s, nanos
}

// offset reads Z or ±15:04[:05] as seconds.
func (r *reader) offset() int64 {
	sign := int64(1)
	switch r.peek() {
	case 'Z':
		r.i++
		return 0
	case '+':
	case '-':
		sign = -1
	default:
		r.ok = false
	}
	r.i++
	h := r.upTo(18)
	r.byte(':')
	s := h*3600 + r.upTo(59)*60
	if r.peek() == ':' {
		r.i++
		s += r.upTo(59)
	}
	return sign * s
}

func (r *reader) done() bool { return r.ok && r.i == len(r.b) }

func readerOf(b []byte) reader { return reader{b: b, ok: true} }

// parseDate reads an ISO 8601 day.
func parseDate(b []byte) (days int64, ok bool) {
	r := readerOf(b)
	days = r.date()
	return days, r.done()
}

// parseMoment reads an ISO 8601 date and time: with an offset (an instant) or
// without one. The result is in seconds and nanoseconds since 1970, UTC.
func parseMoment(b []byte, offset bool) (sec, nanos int64, ok bool) {
	r := readerOf(b)
	sec, nanos = r.moment()
	if offset {
		sec -= r.offset()
	}
	return sec, nanos, r.done()
}

// parseTime reads what appendTime writes.
func parseTime(b []byte, unit int) (v int64, ok bool) {
	r := readerOf(b)
	neg := r.peek() == '-'
	if neg {
		r.i++
	}
	h := r.digits(2, 13)
	r.byte(':')
	m := r.upTo(59)
	r.byte(':')
	s := r.upTo(59)
	nanos := r.fraction()
	sec := h*3600 + m*60 + s
	if neg {
		sec = -sec
		if nanos > 0 { // count wants the fraction to add
			sec, nanos = sec-1, pow10[9]-nanos
		}
	}
	v, fits := count(sec, nanos, unit)
	return v, fits && r.done()
}

// count is a moment in units of 10^-unit seconds; it fails when the fraction has
// more digits or the number does not fit.
func count(sec, nanos int64, unit int) (int64, bool) {
	frac, rest := nanos/pow10[9-unit], nanos%pow10[9-unit]
	neg := sec < 0
	if neg && frac > 0 { // count towards zero, so that the product fits when the sum does
		sec, frac = sec+1, frac-pow10[unit]
	}
	abs := uint64(sec)
	if neg {
		abs = -abs
	}
	hi, lo := bits.Mul64(abs, uint64(pow10[unit]))
	if rest != 0 || hi != 0 {
		return 0, false
	}
	if neg {
		lo += uint64(-frac)
		return -int64(lo), lo <= 1<<63
	}
	lo += uint64(frac)
	return int64(lo), lo <= math.MaxInt64
}
