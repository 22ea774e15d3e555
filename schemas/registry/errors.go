package registry

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"

	"github.com/twmb/franz-go/pkg/sr"

	"weir/schemas"
)

// ErrUnavailable: the registry gave no answer that can be relied on. It is
// down, slow, refuses us, or answers what cannot be. Nothing is known about the
// schema: whoever needs it waits.
var ErrUnavailable = errors.New("schema registry unavailable")

// ErrChanged: an id stands for another text than before. Ids are immutable, so
// this is another registry or a broken one. It also is an [ErrUnavailable].
var ErrChanged = errors.New("schema id changed its text")

var (
	errTooLarge = errors.New("answer larger than 4 MiB")
	errPanicked = errors.New("schema compiler panicked")
)

// Error codes of the Confluent API that mean something to us.
const (
	codeSubjectNotFound = 40401
	codeVersionNotFound = 40402
	codeSchemaNotFound  = 40403
	codeInvalidSchema   = 42201
)

// responseError is the registry's own answer in err, nil when there was none.
func responseError(err error) *sr.ResponseError {
	var r *sr.ResponseError
	if errors.As(err, &r) {
		return r
	}
	return nil
}

// notFound reports whether the registry itself said that something is not
// there. A bare 404 is no such answer: a proxy or a wrong path gives it too,
// and quarantining a whole topic for it would be wrong.
func notFound(err error) bool {
	r := responseError(err)
	return r != nil && r.StatusCode == http.StatusNotFound &&
		(r.ErrorCode == codeSchemaNotFound || r.ErrorCode == codeSubjectNotFound || r.ErrorCode == codeVersionNotFound)
}

// lookupError sorts the failure of a look-up by id: poison or wait.
func lookupError(doing string, err error) error {
	if err == nil {
		return nil
	}
	if r := responseError(err); r != nil && r.StatusCode == http.StatusNotFound && r.ErrorCode == codeSchemaNotFound {
		return schemas.Fail(schemas.CodeSchemaID, "")
	}
	return unavailable(doing, err)
}

// unavailable wraps ErrUnavailable with what we were doing and why it failed,
// in our own words: what a registry or transport says may quote its answer.
func unavailable(doing string, err error) error {
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, context.Canceled)
	}
	return fmt.Errorf("%s: %w: %s", doing, ErrUnavailable, reason(err))
}

// reason is the kind of a failure in fixed words.
func reason(err error) string {
	var (
		timeout net.Error
		dns     *net.DNSError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
	)
	if r := responseError(err); r != nil {
		return "http status " + strconv.Itoa(r.StatusCode) + ", error code " + strconv.Itoa(r.ErrorCode)
	}
	switch {
	case errors.Is(err, errTooLarge):
		return errTooLarge.Error()
	case errors.Is(err, errPanicked):
		return errPanicked.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &dns):
		return "host not found"
	case errors.As(err, &unknown):
		return "certificate signed by an unknown authority"
	case errors.As(err, &host):
		return "certificate of another host"
	}
	return "no usable answer"
}
