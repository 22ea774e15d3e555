package schemas

import (
	"math"
	"strconv"
)

// Dates and times are ISO 8601 in the proleptic Gregorian calendar. Years 0 to
// 9999 have four digits (0 is 1 BC); others carry a sign and at least four
// digits, ISO's expanded form. Fractions are as short as the value allows.

const (
	daySeconds  = 86_400
	eraDays     = 146_097 // 400 years
	marchDays   = 135_080 // from 2000-03-01 down to four eras before 1970: 719,468 - 4 eras
	marchEras   = 4
	maxFraction = 9
)

var pow10 = [...]int64{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000}

func floorDiv(a, b int64) (q, r int64) {
	q, r = a/b, a%b
	if r < 0 {
		q, r = q-1, r+b
	}
	return q, r
}

// mulAdd is a × m + b for m > 0 and 0 ≤ b < m, false when it overflows. It is
// right up to both ends of int64.
func mulAdd(a, m, b int64) (int64, bool) {
	if a < 0 { // towards zero first: a × m alone may overflow where the sum does not
		a, b = a+1, b-m
	}
	return addMul(a, m, b)
}

// addMul is a × m + b for m > 0, false when it or a × m overflows.
func addMul(a, m, b int64) (int64, bool) {
	if a > math.MaxInt64/m || a < math.MinInt64/m {
		return 0, false
	}
	p := a * m
	s := p + b
	return s, (s >= p) == (b >= 0)
}

// Civil turns days since 1970-01-01 into a date.
// (Howard Hinnant, "chrono-compatible low-level date algorithms".)
func Civil(days int64) (year int64, month, day int) {
	era, doe := floorDiv(days, eraDays)
	carry, doe := floorDiv(doe+marchDays, eraDays)
	era += marchEras + carry
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = int(doy - (153*mp+2)/5 + 1)
	month = int(mp + 3)
	if month > 12 {
		month -= 12
	}
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, day
}

// Days is Civil's inverse; false when int64 cannot count the days. The date must
// exist.
func Days(year int64, month, day int) (int64, bool) {
	if month <= 2 {
		year--
	}
	era, yoe := floorDiv(year, 400)
	mp := int64(month+9) % 12
	doe := yoe*365 + yoe/4 - yoe/100 + (153*mp+2)/5 + int64(day) - 1
	carry, doe := floorDiv(doe-marchDays, eraDays)
	return mulAdd(era-marchEras+carry, eraDays, doe)
}

func daysIn(year int64, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// AppendDate appends the day that is days after 1970-01-01, as 2006-01-02.
func AppendDate(dst []byte, days int64) []byte {
	y, m, d := Civil(days)
	dst = appendYear(dst, y)
	dst = append2(append(dst, '-'), m)
	return append2(append(dst, '-'), d)
}

func appendYear(dst []byte, y int64) []byte {
	if y < 0 {
		dst, y = append(dst, '-'), -y
	} else if y > 9999 {
		dst = append(dst, '+')
	}
	for p := int64(1000); p > y && p > 1; p /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, y, 10)
}

func append2(dst []byte, v int) []byte {
	return append(dst, byte('0'+v/10%10), byte('0'+v%10))
}

// AppendTime appends a time of day as 15:04:05[.fff]. value counts units of
// 10^-fraction seconds (fraction 0 to 9) since midnight. Values outside a day,
// which MySQL's TIME has, carry a sign and as many hours as they need.
func AppendTime(dst []byte, value int64, fraction int) []byte {
	unit := pow10[fraction]
	neg := value < 0
	sec, sub := value/unit, value%unit
	if neg {
		dst, sec, sub = append(dst, '-'), -sec, -sub
		if sec < 0 { // MinInt64 seconds: its absolute value is no int64
			return appendClock(dst, math.MaxInt64/3600, 30, 8, 0, 0)
		}
	}
	return appendClock(dst, sec/3600, int(sec/60%60), int(sec%60), sub, fraction)
}

func appendClock(dst []byte, h int64, m, s int, sub int64, fraction int) []byte {
	if h < 10 {
		dst = append(dst, '0')
	}
	dst = strconv.AppendInt(dst, h, 10)
	dst = append2(append(dst, ':'), m)
	dst = append2(append(dst, ':'), s)
	if sub == 0 {
		return dst
	}
	dst = append(dst, '.')
	for p := pow10[fraction] / 10; sub > 0; p /= 10 {
		dst = append(dst, byte('0'+sub/p))
		sub %= p
	}
	return dst
}

// AppendInstant appends a point in time as 2006-01-02T15:04:05[.fff], with Z
// after it when zone is set (KindInstant; without: KindLocal). value counts
// units of 10^-fraction seconds (fraction 0 to 9) since 1970-01-01T00:00:00.
func AppendInstant(dst []byte, value int64, fraction int, zone bool) []byte {
	sec, sub := floorDiv(value, pow10[fraction])
	return appendMoment(dst, sec, sub, fraction, zone)
}

func appendMoment(dst []byte, sec, sub int64, fraction int, zone bool) []byte {
	days, s := floorDiv(sec, daySeconds)
	dst = append(AppendDate(dst, days), 'T')
	dst = appendClock(dst, s/3600, int(s/60%60), int(s%60), sub, fraction)
	if zone {
		dst = append(dst, 'Z')
	}
	return dst
}

// scanner reads fixed forms; after a misfit bad stays set and reads give zero.
type scanner struct {
	s   []byte
	bad bool
}

func (r *scanner) expect(c byte) {
	if !r.accept(c) {
		r.bad = true
	}
}

func (r *scanner) accept(c byte) bool {
	if r.bad || len(r.s) == 0 || r.s[0] != c {
		return false
	}
	r.s = r.s[1:]
	return true
}

// number reads lo to hi digits; hi ≤ 18.
func (r *scanner) number(lo, hi int) int64 {
	digits, rest := takeDigits(r.s)
	if r.bad || len(digits) < lo || len(digits) > hi {
		r.bad = true
		return 0
	}
	r.s = rest
	var v int64
	for _, d := range digits {
		v = v*10 + int64(d-'0')
	}
	return v
}

// bounded reads two digits, more may follow.
func (r *scanner) bounded(lo, hi int64) int64 {
	if r.bad || len(r.s) < 2 {
		r.bad = true
		return 0
	}
	tens, ones := int64(r.s[0])-'0', int64(r.s[1])-'0'
	v := tens*10 + ones
	if tens < 0 || ones < 0 || ones > 9 || v < lo || v > hi {
		r.bad = true
		return 0
	}
	r.s = r.s[2:]
	return v
}

func (r *scanner) date() int64 {
	neg := r.accept('-')
	hi := 4
	if neg || r.accept('+') {
		hi = 18
	}
	year := r.number(4, hi)
	if neg {
		year = -year
	}
	r.expect('-')
	month := int(r.bounded(1, 12))
	r.expect('-')
	day := int(r.bounded(1, 31))
	if r.bad || day > daysIn(year, month) {
		r.bad = true
		return 0
	}
	days, ok := Days(year, month, day)
	r.bad = r.bad || !ok
	return days
}

// fraction reads an optional fraction of a second, without trailing zeros.
func (r *scanner) fraction() []byte {
	if !r.accept('.') {
		return nil
	}
	digits, rest := takeDigits(r.s)
	if len(digits) == 0 {
		r.bad = true
		return nil
	}
	r.s = rest
	return trimZeros(digits)
}

// scale makes units of 10^-fraction seconds of fraction digits, false when they
// are finer than that.
func scale(digits []byte, fraction int) (int64, bool) {
	if len(digits) > fraction {
		return 0, false
	}
	var v int64
	for _, d := range digits {
		v = v*10 + int64(d-'0')
	}
	return v * pow10[fraction-len(digits)], true
}

func (r *scanner) end() error {
	if r.bad || len(r.s) > 0 {
		return Fail(CodeMalformed, "")
	}
	return nil
}

// ParseDate reads what AppendDate writes. Anything else, and days that int64
// cannot count, give CodeMalformed.
func ParseDate(text []byte) (int64, error) {
	r := scanner{s: text}
	days := r.date()
	if err := r.end(); err != nil {
		return 0, err
	}
	return days, nil
}

// ParseTime reads what AppendTime writes, into units of 10^-fraction seconds. A
// fraction finer than that gives CodeType (nothing is rounded), anything else
// CodeMalformed.
func ParseTime(text []byte, fraction int) (int64, error) {
	r := scanner{s: text}
	neg := r.accept('-')
	h := r.number(2, 18)
	r.expect(':')
	m := r.bounded(0, 59)
	r.expect(':')
	s := r.bounded(0, 59)
	digits := r.fraction()
	if err := r.end(); err != nil {
		return 0, err
	}
	sub, fine := scale(digits, fraction)
	if !fine {
		return 0, Fail(CodeType, "")
	}
	return clockValue(neg, h, m*60+s, sub, pow10[fraction])
}

// clockValue counts down for negative times, so that MinInt64 comes back too.
func clockValue(neg bool, h, s, sub, unit int64) (int64, error) {
	if neg {
		h, s, sub = -h, -s, -sub
	}
	v, ok := addMul(h, 3600, s)
	if ok {
		v, ok = addMul(v, unit, sub)
	}
	if !ok {
		return 0, Fail(CodeMalformed, "")
	}
	return v, nil
}

// moment reads a date and time as seconds and fraction digits, without zone.
func (r *scanner) moment() (sec int64, digits []byte) {
	days := r.date()
	if !r.accept('T') {
		r.expect(' ')
	}
	s := r.bounded(0, 23) * 3600
	r.expect(':')
	s += r.bounded(0, 59) * 60
	r.expect(':')
	s += r.bounded(0, 59)
	digits = r.fraction()
	sec, ok := mulAdd(days, daySeconds, s)
	r.bad = r.bad || !ok
	return sec, digits
}

// offset reads Z, ±hh:mm, ±hhmm or ±hh as seconds east of UTC.
func (r *scanner) offset() int64 {
	if r.accept('Z') {
		return 0
	}
	neg := r.accept('-')
	if !neg {
		r.expect('+')
	}
	s := r.bounded(0, 23) * 3600
	if r.accept(':') || len(r.s) > 0 {
		s += r.bounded(0, 59) * 60
	}
	if r.accept(':') { // historical zones have seconds
		s += r.bounded(0, 59)
	}
	if neg {
		return -s
	}
	return s
}

func parseMoment(text []byte, zone bool) (sec int64, digits []byte, err error) {
	r := scanner{s: text}
	sec, digits = r.moment()
	if zone {
		off := r.offset()
		utc := sec - off
		r.bad = r.bad || (utc <= sec) != (off >= 0)
		sec = utc
	}
	return sec, digits, r.end()
}

// ParseInstant reads what AppendInstant writes, into units of 10^-fraction
// seconds since 1970-01-01T00:00:00. With zone, the text must end with Z or an
// offset from UTC; without, it must not. A space may stand for the T. A
// fraction finer than the unit gives CodeType, anything else CodeMalformed.
func ParseInstant(text []byte, fraction int, zone bool) (int64, error) {
	sec, digits, err := parseMoment(text, zone)
	if err != nil {
		return 0, err
	}
	sub, fine := scale(digits, fraction)
	if !fine {
		return 0, Fail(CodeType, "")
	}
	v, ok := mulAdd(sec, pow10[fraction], sub)
	if !ok {
		return 0, Fail(CodeMalformed, "")
	}
	return v, nil
}

// AppendCanonicalInstant appends the canonical text of an instant that is
// itself written as text, with an offset (Debezium's ZonedTimestamp): in UTC
// with the fewest fraction digits. More than nine fraction digits, unless they
// are zeros, give CodeType.
func AppendCanonicalInstant(dst, text []byte) ([]byte, error) {
	sec, digits, err := parseMoment(text, true)
	if err != nil {
		return dst, err
	}
	sub, fine := scale(digits, maxFraction)
	if !fine {
		return dst, Fail(CodeType, "")
	}
	return appendMoment(dst, sec, sub, maxFraction, true), nil
}

// AppendCanonicalLocal is AppendCanonicalInstant for a date and time without
// zone.
func AppendCanonicalLocal(dst, text []byte) ([]byte, error) {
	sec, digits, err := parseMoment(text, false)
	if err != nil {
		return dst, err
	}
	sub, fine := scale(digits, maxFraction)
	if !fine {
		return dst, Fail(CodeType, "")
	}
	return appendMoment(dst, sec, sub, maxFraction, false), nil
}
