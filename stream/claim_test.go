package stream

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/stream/lineage"
)

// TestClaimsRace: eight claimers at once, each with a topic of its own and one
// that all share; every topic gets one number, and no number two topics.
func TestClaimsRace(t *testing.T) {
	in := newInternals(t)
	shared := TopicRecord{uuid(99), "shared"}
	var wg sync.WaitGroup
	for i := range byte(8) {
		wg.Go(func() {
			own := TopicRecord{uuid(i + 1), fmt.Sprint("own-", i)}
			st, err := ClaimTopics(t.Context(), in.opts(), "shop", []TopicRecord{own, shared})
			if err != nil {
				t.Errorf("claimer %d: %v", i, err)
				return
			}
			if n, ok := st.TopicNumber(own.ID); !ok || st.Topics[n] != own {
				t.Errorf("claimer %d: its topic has number %d, %v", i, n, ok)
			}
		})
	}
	wg.Wait()
	st := in.state()
	names := map[string]bool{}
	for n, topic := range st.Topics {
		if n == 0 || n > 9 || names[topic.Name] {
			t.Errorf("number %d is %q", n, topic.Name)
		}
		names[topic.Name] = true
	}
	if len(names) != 9 {
		t.Errorf("%d topics, want 9", len(names))
	}
}

func TestClaimEpoch(t *testing.T) {
	in := newInternals(t)
	a, b := [32]byte{1}, [32]byte{2}
	for _, tc := range []struct {
		epoch uint64
		hash  [32]byte
		want  *EpochError
	}{
		{12, a, nil}, {12, a, nil},
		{12, b, &EpochError{12, 13, true}}, {11, a, &EpochError{11, 13, false}},
		{13, a, nil}, // a rollback: a new epoch with old content
		{12, a, &EpochError{12, 14, false}}, {13, b, &EpochError{13, 14, true}},
	} {
		_, err := ClaimEpoch(t.Context(), in.opts(), "shop", tc.epoch, tc.hash)
		var got *EpochError
		switch {
		case tc.want == nil && err != nil:
			t.Errorf("epoch %d: %v", tc.epoch, err)
		case tc.want != nil && (!errors.As(err, &got) || *got != *tc.want):
			t.Errorf("epoch %d: got %v, want %v", tc.epoch, err, tc.want)
		case tc.want != nil && !strings.Contains(err.Error(), fmt.Sprint("use epoch ", tc.want.Next)):
			t.Errorf("%q does not name the number to use", err)
		}
	}
	if st := in.state(); len(st.Epochs) != 2 || st.Epochs[12] != a || st.Epochs[13] != a {
		t.Errorf("got %v", st.Epochs)
	}
}

func TestClaimStartOnce(t *testing.T) {
	in := newInternals(t)
	first := StartMarker{"latest", map[uint32][]int64{7: {5, 6}}}
	for _, m := range []StartMarker{first, {"earliest", nil}} {
		st, err := ClaimStart(t.Context(), in.opts(), "shop", m)
		if err != nil || st.Start == nil || st.Start.Mode != "latest" || st.Start.Offsets[7][1] != 6 {
			t.Errorf("got %+v, %v, want the first marker", st, err)
		}
	}
}

// TestClaimIsFenced: a claimer that was overtaken between reading and writing
// writes nothing of what it decided, and decides anew.
func TestClaimIsFenced(t *testing.T) {
	in := newInternals(t)
	overtake := sync.OnceFunc(func() {
		if _, err := ClaimTopics(t.Context(), in.opts(), "shop", []TopicRecord{{uuid(2), "other"}}); err != nil {
			t.Error(err)
		}
	})
	calls := 0
	st, err := Claim(t.Context(), in.opts(), "shop", func(st *State) ([]*kgo.Record, error) {
		calls++
		next := uint32(len(st.Topics) + 1)
		if calls == 2 { // the first is only a look; the second holds the claim
			overtake()
		}
		return []*kgo.Record{topicRecord("shop", next, TopicRecord{uuid(1), "mine"})}, nil
	})
	if err != nil || calls < 3 {
		t.Fatalf("after %d decisions: %v", calls, err)
	}
	if st.Topics[1].Name != "other" || st.Topics[2].Name != "mine" {
		t.Errorf("got %v, want the overtaker's number to stay", st.Topics)
	}
	if got := in.state().Topics; len(got) != 2 || got[1].Name != "other" {
		t.Errorf("the topic holds %v", got)
	}
}

// TestClaimWithUnknownOutcome: EndTxn landed, its answer says it knows nothing
// (contract 22); the claim finds what it wrote and does not write again.
func TestClaimWithUnknownOutcome(t *testing.T) {
	in := newInternals(t)
	var real kmsg.Response
	landed := false
	in.ControlKey(26, func(r kmsg.Request) (kmsg.Response, error, bool) {
		if landed {
			return real, nil, false
		}
		landed = true
		// Let the broker commit by a client of our own, then lie to the caller.
		req := *r.(*kmsg.EndTxnRequest)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if _, err := req.RequestWith(t.Context(), in.client()); err != nil {
				t.Error(err)
			}
		}()
		in.SleepControl(func() { <-done })
		resp := r.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ErrorCode = kerr.UnknownServerError.Code
		return resp, nil, true
	})
	st, err := ClaimTopics(t.Context(), in.opts(), "shop", []TopicRecord{{uuid(1), "a"}})
	if err != nil {
		t.Fatal(err)
	}
	if !landed || len(st.Topics) != 1 || len(in.state().Topics) != 1 {
		t.Errorf("landed %v, got %v and %v", landed, st.Topics, in.state().Topics)
	}
}

func TestClaimEndsWithItsDecision(t *testing.T) {
	in := newInternals(t)
	refused := errors.New("no")
	calls := 0
	_, err := Claim(t.Context(), in.opts(), "shop", func(*State) ([]*kgo.Record, error) { calls++; return nil, refused })
	if !errors.Is(err, refused) || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
	if _, err := Claim(t.Context(), in.opts(), "nowhere", func(*State) ([]*kgo.Record, error) { return nil, nil }); err == nil {
		t.Error("a claim without a state topic")
	}
}

func TestTopicNumbersRunOut(t *testing.T) {
	in := newInternals(t)
	in.txn("a", committed, topicRecord("shop", lineage.MaxTopic, TopicRecord{uuid(1), "last"}))
	if _, err := ClaimTopics(t.Context(), in.opts(), "shop", []TopicRecord{{uuid(2), "more"}}); !errors.Is(err, errTopicNumbers) {
		t.Errorf("got %v, want errTopicNumbers", err)
	}
}
