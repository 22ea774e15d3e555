package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// weirSide is the binary with a policy file, as users run it: a process for
// each slot.
func (g *rig) weirSide(name string, p policyOf, slots int) side {
	s := side{name: name, role: "ours", in: p.in}
	s.launch = func(run string) (*launched, error) {
		p := p
		p.name = run
		path, err := p.write(g)
		if err != nil {
			return nil, err
		}
		if p.in.partitions > 100 {
			if err := g.apply(path); err != nil {
				return nil, err
			}
		}
		group := "weir." + run
		l := &launched{protected: p.protect, progress: func(ctx context.Context) (int64, error) { return g.committed(ctx, p.in, group) }}
		for i := range p.recipients {
			l.outputs = append(l.outputs, p.output(i))
		}
		if slots > 1 {
			l.ready = func(ctx context.Context) (bool, error) { return g.spread(ctx, group, slots) }
		}
		for slot := range slots {
			proc, err := start(name, g.dir, g.weir, "run", path, "--slot", strconv.Itoa(slot))
			if err != nil {
				l.stop()
				return nil, err
			}
			l.processes = append(l.processes, proc)
		}
		return l, nil
	}
	return s
}

// apply makes a pipeline's topics, as an operator does: a broker takes its time
// for thousands of partitions, and each try goes on where the last one ended.
func (g *rig) apply(path string) error {
	var out []byte
	var err error
	for range 5 {
		if out, err = exec.Command(g.weir, "topics", "apply", path).CombinedOutput(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("weir topics apply: %w\n%s", err, out)
}

// spread reports whether a group is stable with n members that all have work.
func (g *rig) spread(ctx context.Context, group string, n int) (bool, error) {
	d, err := g.adm.DescribeGroups(ctx, group)
	if err != nil {
		return false, err
	}
	busy := 0
	for _, m := range d[group].Members {
		if c, ok := m.Assigned.AsConsumer(); ok && len(c.Topics) > 0 {
			busy++
		}
	}
	return d[group].State == "Stable" && busy == n, nil
}

// rawSide is this program's raw exactly-once loop.
func (g *rig) rawSide(name string, in *input, most int) side {
	s := side{name: name, role: "floor", in: in}
	s.launch = func(run string) (*launched, error) {
		out := run + "-out"
		if _, err := g.adm.CreateTopic(context.Background(), int32(in.partitions), -1, nil, out); err != nil {
			return nil, err
		}
		p, err := start(name, g.dir, g.self, "rawcopy", "--brokers", strings.Join(g.brokers, ","), "--in", in.topic, "--out", out,
			"--group", run, "--max", strconv.Itoa(most))
		if err != nil {
			return nil, err
		}
		return &launched{processes: []*process{p}, outputs: []string{out},
			progress: func(ctx context.Context) (int64, error) { return g.committed(ctx, in, run) }}, nil
	}
	return s
}

// withPeer adds Redpanda Connect to sides where it is there, and says so where
// it is not.
func (g *rig) withPeer(sides []side, peers ...side) []side {
	if g.peer != "" {
		return append(sides, peers...)
	}
	for _, p := range peers {
		g.r.Note("%s: not measured (--redpanda-connect names no checkout and no binary)", p.name)
	}
	return sides
}

// ratioIf adds a ratio where both sides were measured.
func (g *rig) ratioIf(samples map[string][]float64, a, b string) {
	if len(samples[a]) > 0 && len(samples[b]) > 0 {
		g.r.Ratio(fmt.Sprintf("%s / %s", a, b), samples[a], samples[b])
	}
}
