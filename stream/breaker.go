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
type breaker struct {
	ring    [breakerWindow]bool
	next    int
	bad     int
	pending []bool
	badPend int
}

// add notes one record and reports whether more than limit are bad now.
func (b *breaker) add(bad bool, limit int) bool {
	b.pending = append(b.pending, bad)
	if bad {
		b.badPend++
	}
	return bad && limit > 0 && b.bad+b.badPend > limit
}

func (b *breaker) commit() {
	for _, bad := range b.pending {
		if b.ring[b.next] {
			b.bad--
		}
		b.ring[b.next] = bad
		if bad {
			b.bad++
		}
		b.next = (b.next + 1) % breakerWindow
	}
	b.rollback()
}

func (b *breaker) rollback() { b.pending, b.badPend = b.pending[:0], 0 }

// isDrift reports whether a quarantine code is a matter of policy and schema,
// which the breaker leaves to the drift alert.
func isDrift(c schemas.Code) bool {
	switch c {
	case transforms.CodeUndecided, schemas.CodeUndeclared, transforms.CodeTie, transforms.CodeKeyUnsafe,
		transforms.CodeKeyDisagrees, transforms.CodeRefused, transforms.CodeOpaqueKey, transforms.CodeTooManyNames,
		schemas.CodeIncompatible, CodePlan, CodeParked, CodeOversize:
		return true
	}
	return false
}
