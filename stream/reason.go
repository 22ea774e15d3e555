package stream

import (
	"context"
	"errors"
	"net"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/schemas"
	"weir/schemas/registry"
)

// reason names a failure for logs and metrics: a code, the broker's name of an
// error or a kind of ours. Texts of other errors are not printed: a parser may
// have quoted its input.
func reason(err error) string {
	var unknown unknownCommit
	var fenced *Fenced
	var poison *schemas.Error
	var m *missing
	var netErr net.Error
	var ke *kerr.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &unknown):
		return "commit_unknown"
	case errors.As(err, &fenced):
		return "fenced"
	case errors.As(err, &poison):
		return string(poison.Code)
	case errors.As(err, &m):
		return m.what
	case errors.As(err, &ke):
		return ke.Message
	case errors.Is(err, kgo.ErrRecordTimeout):
		return "record_timeout"
	case errors.Is(err, kgo.ErrClientClosed):
		return "client_closed"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.As(err, &netErr):
		return "network"
	case errors.Is(err, registry.ErrUnavailable):
		return "unavailable"
	}
	return "other"
}

// notAllowed are the broker's refusals that no restart mends.
var notAllowed = []error{kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed,
	kerr.TransactionalIDAuthorizationFailed, kerr.SaslAuthenticationFailed, kerr.IllegalSaslState, kerr.UnsupportedSaslMechanism}

func isNotAllowed(err error) bool {
	for _, e := range notAllowed {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// recoverable reports whether a new session may mend err.
func recoverable(err error) bool {
	var refused *Refused
	return err != nil && !isNotAllowed(err) && !errors.As(err, &refused)
}

// waitable reports whether err is a broker that does not answer yet.
func waitable(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) || kgo.IsRetryableBrokerErr(err) || errors.Is(err, kgo.ErrRecordTimeout) || errors.Is(err, context.DeadlineExceeded) ||
		kerr.IsRetriable(err) || errors.Is(err, kerr.ConcurrentTransactions)
}

// retriable reports whether a transaction that err aborted may be tried again
// by the same session: the producer is still good.
func retriable(err error) bool {
	var p *produceError
	if !errors.As(err, &p) {
		return false
	}
	for _, e := range []error{kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.InvalidTxnState, kerr.InvalidProducerIDMapping,
		kerr.UnknownProducerID, kerr.OutOfOrderSequenceNumber, kerr.TransactionalIDAuthorizationFailed} {
		if errors.Is(err, e) {
			return false
		}
	}
	return true
}
