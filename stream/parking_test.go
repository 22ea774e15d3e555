package stream

import (
	"testing"

	"pgregory.net/rapid"
)

func TestParking(t *testing.T) {
	p := newParking("shop")
	st := newState()
	at := InputPartition{7, 3}
	known, fresh := parkedKey("analytics", 1), parkedKey("analytics", 2)
	st.Parked[known] = ParkCause{From: 5, Code: "undecided"}
	st.Parked[ParkedKey{"analytics", 7, 4, KeyHash{9}}] = ParkCause{From: 5, Code: "undecided"} // another partition's
	p.load(st, at)
	if !waits(p, known) || waits(p, fresh) || !p.any(at) || p.size(at) != 1 {
		t.Fatal("the loaded keys are not the state's")
	}
	if waits(p, parkedKey("partner", 1)) {
		t.Error("parking does not go by recipient")
	}
	if r := p.park(fresh, 41, "undecided"); r == nil || string(r.Value) != `{"from":41,"code":"undecided"}` || !waits(p, fresh) {
		t.Errorf("park: got %v", r)
	}
	if r := p.park(fresh, 42, "undecided"); r != nil {
		t.Error("parked twice")
	}
	if r := p.unpark(known); r == nil || r.Value != nil || waits(p, known) {
		t.Errorf("unpark: got %v", r)
	}
	p.rollback()
	if !waits(p, known) || waits(p, fresh) {
		t.Error("after an abort the keys are not the committed ones (R11)")
	}
	p.park(fresh, 41, "undecided")
	p.commit()
	p.rollback()
	if !waits(p, fresh) {
		t.Error("a committed change was taken back")
	}
}

// TestParkingDrop: what a revoked partition had in this transaction does not
// come back with it (R7).
func TestParkingDrop(t *testing.T) {
	p := newParking("shop")
	at := InputPartition{7, 3}
	st := newState()
	st.Parked[parkedKey("analytics", 2)] = ParkCause{From: 1, Code: "undecided"}
	p.load(st, at)
	p.load(newState(), InputPartition{7, 4})
	other := ParkedKey{"analytics", 7, 4, KeyHash{1}}
	p.unpark(parkedKey("analytics", 2))
	p.park(parkedKey("analytics", 1), 1, "undecided")
	p.park(other, 1, "undecided")
	p.drop(at)
	if p.any(at) || waits(p, parkedKey("analytics", 1)) {
		t.Error("a revoked partition's keys are kept")
	}
	p.load(newState(), at) // it comes back, released by another owner meanwhile
	p.rollback()
	if p.any(at) || waits(p, other) {
		t.Error("rollback brought them back, or missed the other partition's")
	}
	p.drop(at)
	defer func() {
		if recover() == nil {
			t.Error("a partition that is not loaded was parked in")
		}
	}()
	p.park(parkedKey("analytics", 1), 1, "undecided")
}

// TestParkingJournal: whatever a transaction does, its end leaves the committed
// set or the new one, and nothing between.
func TestParkingJournal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newParking("shop")
		at := InputPartition{7, 3}
		p.load(newState(), at)
		model := map[ParkedKey]bool{}
		for range rapid.IntRange(1, 10).Draw(t, "transactions") {
			next := map[ParkedKey]bool{}
			for k := range model {
				next[k] = true
			}
			for range rapid.IntRange(0, 8).Draw(t, "changes") {
				k := parkedKey(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "recipient"), rapid.ByteRange(0, 3).Draw(t, "key"))
				if rapid.Bool().Draw(t, "park") {
					if (p.park(k, 1, "undecided") != nil) == next[k] {
						t.Fatal("a state record for what did not change, or none for what did")
					}
					next[k] = true
				} else {
					if (p.unpark(k) != nil) != next[k] {
						t.Fatal("a tombstone for what was not parked, or none for what was")
					}
					delete(next, k)
				}
			}
			if rapid.Bool().Draw(t, "commit") {
				p.commit()
				model = next
			} else {
				p.rollback()
			}
			if p.size(at) != len(model) {
				t.Fatalf("%d keys, want %d", p.size(at), len(model))
			}
			for k := range model {
				if !waits(p, k) {
					t.Fatalf("%v is missing", k)
				}
			}
		}
	})
}

func TestParkedAllocates(t *testing.T) {
	p := newParking("shop")
	p.load(newState(), InputPartition{7, 3})
	k := parkedKey("analytics", 1)
	p.park(k, 1, "undecided")
	if n := testing.AllocsPerRun(100, func() { waits(p, k); p.any(k.at()) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func waits(p *parking, k ParkedKey) bool {
	_, ok := p.parked(k)
	return ok
}
