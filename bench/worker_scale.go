package main

import (
	"fmt"
	"math"
)

// workerScale: one, two and four processes of one pipeline on one machine. Its
// figure is CPU an event: what a further worker takes away from the others, not
// how fast two cores can get.
func workerScale(g *rig) error {
	in, err := g.newInput(false, partitions, 3*g.r.worker.records)
	if err != nil {
		return err
	}
	g.note("3 tokens and 2 masks in before and after; 3 times --records; measured once every worker has partitions; linger 50ms")
	p := policyOf{in: in, recipients: 1, protect: true}.throughput()
	name := func(n int) string { return fmt.Sprintf("workers %d", n) }
	samples, err := g.drains(g.weirSide(name(1), p, 1), g.weirSide(name(2), p, 2), g.weirSide(name(4), p, 4))
	if err != nil {
		return err
	}
	for _, n := range []int{2, 4} {
		g.ratioIf(samples, name(n), name(1))
	}
	g.model(median(samples[name(1)]))
	return nil
}

// The machine that model reckons with: what a core is loaded to, how many
// events an average day's peak has over its mean, how many MB/s a broker takes.
const (
	loadFactor = 0.5
	peakFactor = 3
	brokerMBps = 50
)

// model says what a day's events need, from the measured CPU an event: cores of
// workers at the peak, the peak's bytes, and partitions, of which one worker
// has at least one.
func (g *rig) model(micros float64) {
	for _, perDay := range []float64{1e9, 1e11} {
		peak := perDay / 86_400 * peakFactor
		cores := peak * micros / 1e6 / loadFactor
		mb := peak * eventBytes / 1e6
		g.r.Note("%.0e events a day: %.0f/s at a peak of %d times the mean; %.1f worker cores at %.0f %% load; %.0f MB/s in and as much out a recipient "+
			"(%.0f brokers at %d MB/s, before replication); at least %.0f partitions", perDay, peak, peakFactor, cores, loadFactor*100,
			mb, math.Ceil(2*mb/brokerMBps), brokerMBps, math.Ceil(max(partitions, cores)))
	}
}
