package stream

import (
	"weir/schemas"
	"weir/transforms"
)

// breakerWindow is how many records of a partition the breaker looks back on.
const breakerWindow = 1_000

// breaker counts the undecodable among a partition's last records (contract
// 26). What a transaction adds counts for good only when it commits, so that a
// replay is not counted twice.
type breaker struct{ now, committed window }

// window is the last records: a ring of bits, set where one was bad.
type window struct {
	bits [(breakerWindow + 63) / 64]uint64
	next int
	bad  int
}

func (w *window) add(bad bool) {
	at, bit := &w.bits[w.next/64], uint64(1)<<(w.next%64)
	if *at&bit != 0 {
		w.bad--
	}
	*at &^= bit
	if bad {
		*at |= bit
		w.bad++
	}
	w.next = (w.next + 1) % breakerWindow
}

// add notes one record and reports whether it makes more than limit bad.
func (b *breaker) add(bad bool, limit int) bool {
	b.now.add(bad)
	return bad && limit > 0 && b.now.bad > limit
}

func (b *breaker) commit()   { b.committed = b.now }
func (b *breaker) rollback() { b.now = b.committed }

// isDrift reports whether a quarantine code is a matter of policy and schema,
// which the breaker leaves to the drift alert.
func isDrift(c schemas.Code) bool {
	switch c {
	case transforms.CodeUndecided, schemas.CodeUndeclared, transforms.CodeTie, transforms.CodeKeyUnsafe,
		transforms.CodeKeyDisagrees, transforms.CodeRefused, transforms.CodeOpaqueKey, transforms.CodeTooManyNames,
		schemas.CodeIncompatible, CodePlan, CodeOversize:
		return true
	}
	return false
}
