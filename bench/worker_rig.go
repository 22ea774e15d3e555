package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// rig is what the worker benchmarks stand on: a real broker, the weir binary,
// this program as the raw loop, and a schema registry in this process, which a
// worker asks once. All that it makes at the broker carries its id, and is
// deleted by close.
type rig struct {
	r           *R
	id          string
	brokers     []string
	cl          *kgo.Client
	adm         *kadm.Client
	dir         string // for policies and binaries
	weir, self  string
	peer        string // Redpanda Connect's binary, "" when not there
	registry    *http.Server
	registryURL string
	runs        int
}

// inRig gives f a rig and takes it away.
func inRig(f func(*rig) error) func(*R) error {
	return func(r *R) error {
		g, err := newRig(r)
		if err != nil {
			return err
		}
		defer g.close()
		r.result.MinTime = fmt.Sprintf("%d records", r.worker.records)
		return f(g)
	}
}

func newRig(r *R) (*rig, error) {
	list, err := brokers()
	if err != nil {
		return nil, err
	}
	var id [3]byte
	_, _ = rand.Read(id[:]) // never fails
	g := &rig{r: r, id: "bench" + hex.EncodeToString(id[:]), brokers: list}
	if g.self = r.worker.self; g.self == "" {
		if g.self, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	if g.dir, err = os.MkdirTemp("", "weir-bench-"); err != nil {
		return nil, err
	}
	if g.cl, err = kgo.NewClient(kgo.SeedBrokers(list...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(20*time.Millisecond), kgo.MetadataMinAge(100*time.Millisecond)); err != nil {
		return nil, err
	}
	g.adm = kadm.NewClient(g.cl)
	if err := g.prepare(); err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

// prepare builds the programs and starts the registry.
func (g *rig) prepare() error {
	if err := g.findWeir(); err != nil {
		return err
	}
	if g.r.worker.rpcn != "" {
		var err error
		if g.peer, err = buildPeer(g.r.worker.rpcn, g.dir); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	g.registry = &http.Server{Handler: srfake.NewRegistry().Handler(), ReadHeaderTimeout: 10 * time.Second}
	g.registryURL = "http://" + l.Addr().String()
	go func() { _ = g.registry.Serve(l) }() // until close
	return nil
}

// findWeir builds the tree's binary, once, or takes the one that is given.
func (g *rig) findWeir() (err error) {
	if g.weir = g.r.worker.weir; g.weir != "" {
		g.r.Note("weir is %s, not the tree's", filepath.Base(g.weir))
		g.weir, err = filepath.Abs(g.weir)
		return err
	}
	g.weir = filepath.Join(g.dir, "weir")
	return build(".", g.weir, "weir/cmd/weir")
}

func build(dir, out string, args ...string) error {
	cmd := exec.Command("go", append([]string{"build", "-o", out}, args...)...)
	cmd.Dir = dir
	if b, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", args[len(args)-1], err, b)
	}
	return nil
}

// close deletes what the rig made.
func (g *rig) close() {
	g.sweep(g.id)
	if g.registry != nil {
		_ = g.registry.Close()
	}
	g.cl.Close()
	_ = os.RemoveAll(g.dir)
}

// sweep deletes the topics and groups whose names hold a text, as well as it
// can: a benchmark does not fail for its garbage.
func (g *rig) sweep(text string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if all, err := g.adm.ListTopics(ctx); err == nil {
		var names []string
		for _, t := range all.Names() {
			if strings.Contains(t, text) {
				names = append(names, t)
			}
		}
		_, _ = g.adm.DeleteTopics(ctx, names...)
	}
	groups, err := g.adm.ListGroups(ctx)
	if err != nil {
		return
	}
	for _, name := range groups.Groups() {
		if !strings.Contains(name, text) {
			continue
		}
		if d, err := g.adm.DescribeGroups(ctx, name); err == nil { // static members stay
			leave := kadm.LeaveGroup(name)
			for _, m := range d[name].Members {
				if m.InstanceID != nil {
					leave.InstanceIDs(*m.InstanceID)
				}
			}
			_, _ = g.adm.LeaveGroup(ctx, leave)
		}
		_, _ = g.adm.DeleteGroup(ctx, name)
	}
}

// run is a fresh name for one run of a side: group, pipeline and topics.
func (g *rig) run(side string) string {
	g.runs++
	return fmt.Sprintf("%s-%d-%s", g.id, g.runs, strings.NewReplacer(" ", "-", ",", "").Replace(side))
}

// input is a topic with its records.
type input struct {
	topic       string
	avro        bool
	partitions  int
	warm, total int64
}

// newInput makes a topic and fills it with measured records and a quarter as
// many before them.
func (g *rig) newInput(avro bool, partitions, measured int) (*input, error) {
	in, e, err := g.emptyInput(avro, partitions, nil)
	if err != nil {
		return nil, err
	}
	in.warm = int64(measured / 4)
	in.total = in.warm + int64(measured)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var failed error
	for i := range in.total {
		k, v := e.next()
		g.cl.Produce(ctx, in.record(i, k, v), func(_ *kgo.Record, err error) {
			if err != nil {
				failed = err // promises are called one after the other
			}
		})
	}
	if err := g.cl.Flush(ctx); err != nil {
		return nil, err
	}
	return in, failed
}

// record is the i-th record of an input.
func (in *input) record(i int64, key, value []byte) *kgo.Record {
	return &kgo.Record{Topic: in.topic, Partition: int32(i % int64(in.partitions)),
		Key: append([]byte(nil), key...), Value: append([]byte(nil), value...)}
}

// emptyInput makes a topic and what writes its events.
func (g *rig) emptyInput(avro bool, partitions int, configs map[string]*string) (*input, *events, error) {
	in := &input{topic: g.run("in") + ".shop.customers", avro: avro, partitions: partitions}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if _, err := g.adm.CreateTopic(ctx, int32(partitions), -1, configs, in.topic); err != nil {
		return nil, nil, fmt.Errorf("making the input topic: %w", err)
	}
	if !avro {
		return in, newEvents(false, 0, 0), nil
	}
	registry, err := sr.NewClient(sr.URLs(g.registryURL))
	if err != nil {
		return nil, nil, err
	}
	key, value := eventSchemas()
	var ids []int
	for side, text := range []string{key, value} {
		s, err := registry.CreateSchema(ctx, in.topic+[]string{"-key", "-value"}[side], sr.Schema{Schema: text})
		if err != nil {
			return nil, nil, err
		}
		ids = append(ids, s.ID)
	}
	return in, newEvents(true, ids[0], ids[1]), nil
}

// committed is how many records of in a group has committed; 0 before there is
// a group.
func (g *rig) committed(ctx context.Context, in *input, group string) (n int64, err error) {
	offsets, err := g.adm.FetchOffsets(ctx, group)
	if kerr.IsRetriable(err) || errors.Is(err, kerr.GroupIDNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, o := range offsets[in.topic] {
		n += max(o.At, 0)
	}
	return n, nil
}

// written is how many records the topics hold, for sides without transactions.
func (g *rig) written(ctx context.Context, topics ...string) (n int64, err error) {
	ends, err := g.adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return 0, err
	}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Err == nil {
			n += o.Offset
		}
	})
	return n, nil
}
