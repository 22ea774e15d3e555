package main

// transaction is how many records a transaction holds at most on all sides.
const transaction = 10_000

const partitions = 4

// workerCopy: nothing is protected, in both forms, beside the raw loop and
// beside Redpanda Connect's at-least-once copy.
func workerCopy(g *rig) error {
	json, err := g.newInput(false, partitions, g.r.worker.records)
	if err != nil {
		return err
	}
	avro, err := g.newInput(true, partitions, g.r.worker.records)
	if err != nil {
		return err
	}
	g.note("every field passes")
	p := policyOf{recipients: 1, max: transaction, linger: "0s"}
	pj, pa := p, p
	pj.in, pa.in = json, avro
	sides := g.withPeer([]side{
		g.rawSide("raw json", json, transaction), g.weirSide("weir json", pj, 1),
		g.rawSide("raw avro", avro, transaction), g.weirSide("weir avro", pa, 1),
	}, g.peerSide("redpanda connect", json, false))
	samples, err := g.drains(sides...)
	if err != nil {
		return err
	}
	for _, form := range []string{"json", "avro"} {
		g.ratioIf(samples, "weir "+form, "raw "+form)
		g.ratioIf(samples, "weir "+form, "redpanda connect")
	}
	return nil
}

// workerProtect: three tokens and two masks in before and after.
func workerProtect(avro bool) func(*rig) error {
	return func(g *rig) error {
		in, err := g.newInput(avro, partitions, g.r.worker.records)
		if err != nil {
			return err
		}
		g.note("3 tokens and 2 masks in before and after")
		p := policyOf{in: in, recipients: 1, protect: true, max: transaction, linger: "0s"}
		samples, err := g.drains(g.withPeer([]side{g.rawSide("raw", in, transaction), g.weirSide("weir", p, 1)},
			g.peerSide("redpanda connect", in, true))...)
		if err != nil {
			return err
		}
		g.ratioIf(samples, "weir", "raw")
		g.ratioIf(samples, "redpanda connect", "weir")
		return nil
	}
}

// workerFanout: what a copy costs where one scan serves eight recipients.
func workerFanout(g *rig) error {
	const many = 8
	for _, avro := range []bool{false, true} {
		form := map[bool]string{false: "json", true: "avro"}[avro]
		in, err := g.newInput(avro, partitions, g.r.worker.records/2)
		if err != nil {
			return err
		}
		one := policyOf{in: in, recipients: 1, protect: true, max: transaction, linger: "0s"}
		eight := one
		eight.recipients = many
		eight.max = transaction / many // as many records a transaction come out
		a, b := form+", 1 recipient", form+", 8 recipients"
		samples, err := g.drains(g.weirSide(a, one, 1), g.weirSide(b, eight, 1))
		if err != nil {
			return err
		}
		g.r.PerRound(form+", an output of 8", "µs CPU/output", len(samples[b]), func(i int) float64 { return samples[b][i] / many })
		outputs := make([]float64, len(samples[b]))
		for i := range outputs {
			outputs[i] = samples[b][i] / many
		}
		g.r.Ratio(form+", an output of 8 / of 1", outputs, samples[a])
	}
	g.note("3 tokens and 2 masks in before and after, each recipient with keys of its own; half of --records")
	return nil
}

func (g *rig) note(what string) {
	g.r.Note("%d B events, %d partitions, transactions of at most %d records; %s", eventBytes, partitions, transaction, what)
	g.r.Note("one broker on the same machine; CPU is the client's, user and system, after a warm-up of a quarter as many records")
}
