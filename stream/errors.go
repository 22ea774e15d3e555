package stream

import (
	"errors"
	"fmt"
)

// Exit codes of contract 31.
const (
	ExitOK         = 0
	ExitFailed     = 1
	ExitUsage      = 2
	ExitRisk       = 3
	ExitNotAllowed = 4
	ExitInternal   = 70
	ExitAgain      = 75
)

// Gone is a dependency that does not answer: start me again (exit 75).
type Gone struct {
	What string
	Err  error
}

// Error names the dependency.
func (e *Gone) Error() string { return e.What + " unreachable: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *Gone) Unwrap() error { return e.Err }

// Fenced is a worker whose slot somebody else holds (contract 1).
type Fenced struct {
	Name string
	Slot int
	ID   string
}

// Error names the slot and what to do.
func (e *Fenced) Error() string {
	return fmt.Sprintf("slot %d of pipeline %q is held by another process (instance %s fenced): "+
		"give every process its own --slot. Started again under this one, it would fence the other in turn", e.Slot, e.Name, e.ID)
}

// errTooMany ends a worker that was recreated too often (contract 25).
var errTooMany = errors.New("recreated more than five times in ten minutes")

// ExitCode maps an error of Run to contract 31.
func ExitCode(err error) int {
	var gone *Gone
	var fenced *Fenced
	var refused *Refused
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &refused):
		return ExitUsage
	case isNotAllowed(err):
		return ExitNotAllowed
	case errors.As(err, &gone), errors.As(err, &fenced), errors.Is(err, errTooMany), waitable(err):
		return ExitAgain
	}
	return ExitInternal
}

// Refused is a configuration that Run will not start with.
type Refused struct{ Why string }

// Error says why.
func (e *Refused) Error() string { return e.Why }
