package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/stream/lineage"
)

// claimTries bounds how often a claim starts over after being fenced.
const claimTries = 30

// Claim is the compare-and-set of the state topic (contract 2). It reads the
// state to its end and asks decide for records to write; if there are any, it
// takes the transactional id weir.<name>.claim (which ends whatever another
// claimer has open), reads and decides again, and writes them in one
// transaction. Whoever is fenced meanwhile starts over, and so does a claim
// whose outcome is unknown: decide then finds what was committed.
//
// decide may run several times, must not keep its State, and answers no records
// when nothing is to be written. Its errors end the claim. opts are the
// connection's. The State answered includes what was written.
func Claim(ctx context.Context, opts []kgo.Opt, name string, decide func(*State) ([]*kgo.Record, error)) (*State, error) {
	st, settled, err := peek(ctx, opts, name, decide)
	if err != nil || settled {
		return st, err
	}
	for try := 1; ; try++ {
		st, err := claimOnce(ctx, opts, name, decide)
		if err == nil || !startOver(err) || try == claimTries || ctx.Err() != nil {
			return st, err
		}
		// Claimers that fenced each other must not meet again at once.
		wait := time.Duration(rand.Int64N(int64(min(try, 10)) * int64(50*time.Millisecond))) //nolint:gosec // jitter is no secret
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// peek decides on the state as it is, without fencing anybody.
func peek(ctx context.Context, opts []kgo.Opt, name string, decide func(*State) ([]*kgo.Record, error)) (*State, bool, error) {
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, false, err
	}
	defer cl.Close()
	st, err := ReadState(ctx, cl, name)
	if err != nil {
		return nil, false, err
	}
	recs, err := decide(st)
	if err != nil {
		return nil, false, err
	}
	return st, len(recs) == 0, nil
}

func claimOnce(ctx context.Context, opts []kgo.Opt, name string, decide func(*State) ([]*kgo.Record, error)) (*State, error) {
	own := append(slices.Clip(opts), kgo.TransactionalID(InternalNames(name).Claim), kgo.TransactionTimeout(txnTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	cl, err := kgo.NewClient(own...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	// From here on nobody else can commit under the id: what we read stays true
	// until we write, or our write fails.
	if _, _, err := cl.ProducerID(ctx); err != nil {
		return nil, fmt.Errorf("taking the claim: %w", err)
	}
	st, err := ReadState(ctx, cl, name)
	if err != nil {
		return nil, err
	}
	recs, err := decide(st)
	if err != nil || len(recs) == 0 {
		return st, err
	}
	if err := writeClaim(ctx, cl, recs); err != nil {
		return nil, fmt.Errorf("writing the claim: %w", err)
	}
	for _, rec := range recs {
		if err := st.apply(rec); err != nil {
			return nil, err
		}
	}
	return st, nil
}

func writeClaim(ctx context.Context, cl *kgo.Client, recs []*kgo.Record) error {
	if err := cl.BeginTransaction(); err != nil {
		return err
	}
	// Contexts are not passed on to what ends the transaction: cancelling it
	// would leave its outcome unknown (reliability R4).
	end := context.WithoutCancel(ctx)
	if err := cl.ProduceSync(ctx, recs...).FirstErr(); err != nil {
		return errors.Join(err, cl.AbortBufferedRecords(end), cl.EndTransaction(end, kgo.TryAbort))
	}
	return cl.EndTransaction(end, kgo.TryCommit)
}

// startOver: fenced by another claimer, or nobody knows what became of it.
func startOver(err error) bool {
	for _, e := range []error{
		kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.InvalidProducerIDMapping, kerr.InvalidTxnState, kerr.ConcurrentTransactions,
		kerr.OperationNotAttempted, kerr.TransactionAbortable, kerr.UnknownServerError, kerr.UnknownProducerID,
		kgo.ErrRecordTimeout, kgo.ErrRecordRetries,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	var ke *kerr.Error
	return errors.As(err, &ke) && ke.Retriable || kgo.IsRetryableBrokerErr(err)
}

// EpochError refuses a policy epoch (contract 2).
type EpochError struct {
	Epoch uint64 // what was asked for
	Next  uint64 // the number to use
	Same  bool   // the epoch is known, with another policy
}

// Error names the number to use.
func (e *EpochError) Error() string {
	why := "is lower than one that has run"
	if e.Same {
		why = "has run with another policy"
	}
	return fmt.Sprintf("policy epoch %d %s: use epoch %d", e.Epoch, why, e.Next)
}

// ClaimEpoch notes that epoch is the policy with this hash, or refuses it with
// *EpochError. The newest epoch with its own hash may be claimed again.
func ClaimEpoch(ctx context.Context, opts []kgo.Opt, name string, epoch uint64, hash [32]byte) (*State, error) {
	return Claim(ctx, opts, name, func(st *State) ([]*kgo.Record, error) {
		newest := uint64(0)
		for e := range st.Epochs {
			newest = max(newest, e)
		}
		known, ran := st.Epochs[epoch]
		switch {
		case epoch < newest:
			return nil, &EpochError{Epoch: epoch, Next: newest + 1}
		case ran && known != hash:
			return nil, &EpochError{Epoch: epoch, Next: newest + 1, Same: true}
		case ran:
			return nil, nil
		}
		return []*kgo.Record{epochRecord(name, epoch, hash)}, nil
	})
}

var errTopicNumbers = errors.New("all 16,777,215 topic numbers are in use")

// ClaimTopics sees to it that every topic has a number; those without get the
// next free ones, from 1.
func ClaimTopics(ctx context.Context, opts []kgo.Opt, name string, topics []TopicRecord) (*State, error) {
	return Claim(ctx, opts, name, func(st *State) ([]*kgo.Record, error) {
		next := uint32(1)
		for n := range maps.Keys(st.Topics) {
			next = max(next, n+1)
		}
		var recs []*kgo.Record
		given := map[[16]byte]bool{}
		for _, t := range topics {
			if _, ok := st.TopicNumber(t.ID); ok || given[t.ID] {
				continue
			}
			if next > lineage.MaxTopic {
				return nil, errTopicNumbers
			}
			recs, given[t.ID] = append(recs, topicRecord(name, next, t)), true
			next++
		}
		return recs, nil
	})
}

// ClaimStart writes the start marker unless there is one; the one that holds is
// State.Start.
func ClaimStart(ctx context.Context, opts []kgo.Opt, name string, m StartMarker) (*State, error) {
	return Claim(ctx, opts, name, func(st *State) ([]*kgo.Record, error) {
		if st.Start != nil {
			return nil, nil
		}
		return []*kgo.Record{startRecord(name, m)}, nil
	})
}
