package stream

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/stream/streamtest"
)

// rewriter is a network on which the answers to EndTxn(commit) are lost or
// rewritten after the broker has acted on the request.
type rewriter struct {
	mode  string       // "rewrite": UNKNOWN_SERVER_ERROR instead; "cut": the connection ends
	left  atomic.Int32 // answers still to spoil
	spoil atomic.Int32 // answers spoilt
}

func (r *rewriter) dial(ctx context.Context, proto, host string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, proto, host)
	if err != nil {
		return nil, err
	}
	return &spoilt{Conn: c, r: r, ends: map[int32]bool{}}, nil
}

// spoilt reads whole answers so that it can change one.
type spoilt struct {
	net.Conn
	r    *rewriter
	mu   sync.Mutex
	ends map[int32]bool // correlation ids of EndTxn(commit); guarded by mu
	buf  []byte
}

// Write notes the correlation ids of EndTxn requests. kgo writes a request at a
// time: size, key, version, correlation id.
func (s *spoilt) Write(b []byte) (int, error) {
	if len(b) >= 12 && binary.BigEndian.Uint16(b[4:]) == uint16(kmsg.EndTxn) {
		s.mu.Lock()
		s.ends[int32(binary.BigEndian.Uint32(b[8:]))] = true
		s.mu.Unlock()
	}
	return s.Conn.Write(b)
}

func (s *spoilt) Read(b []byte) (int, error) {
	if len(s.buf) == 0 {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, s.buf)
	s.buf = s.buf[n:]
	return n, nil
}

// next reads one answer: size, correlation id, tags, throttle, error code.
func (s *spoilt) next() error {
	var size [4]byte
	if _, err := io.ReadFull(s.Conn, size[:]); err != nil {
		return err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(s.Conn, body); err != nil {
		return err
	}
	s.mu.Lock()
	end := len(body) >= 11 && s.ends[int32(binary.BigEndian.Uint32(body))]
	s.mu.Unlock()
	if end && s.r.left.Add(-1) >= 0 {
		s.r.spoil.Add(1)
		if s.r.mode == "cut" {
			s.Conn.Close()
			return io.EOF
		}
		binary.BigEndian.PutUint16(body[9:], uint16(kerr.UnknownServerError.Code)&0xffff)
	}
	s.buf = append(size[:], body...)
	return nil
}

// Contract 22: EndTxn landed, its answer lost or rewritten. franz-go rewinds to
// cached offsets and doubles the batch; we ask the broker.
func TestEndTxnLandedButItsAnswerIsLostOrRewritten(t *testing.T) {
	for _, mode := range []string{"rewrite", "cut"} {
		t.Run(mode, func(t *testing.T) {
			g := newRig(t, streamtest.ShopOptions{Seed: 7})
			g.produce(1_000)
			r := &rewriter{mode: mode}
			r.left.Store(3)
			g.start(g.cfg, func(run *Runner) {
				run.extra = func(int) []kgo.Opt { return []kgo.Opt{kgo.Dialer(r.dial)} }
			})
			g.drained()
			g.produce(500)
			g.drained()
			if r.spoil.Load() == 0 {
				t.Fatal("no answer was spoilt: the test tests nothing")
			}
			g.exact()
		})
	}
}
