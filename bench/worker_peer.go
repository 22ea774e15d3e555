package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// peerMain is Redpanda Connect with the components that the benchmarks use.
const peerMain = `package main

import (
	"context"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"

	_ "github.com/redpanda-data/connect/v4/public/components/confluent"
	_ "github.com/redpanda-data/connect/v4/public/components/kafka"
)

func main() { service.RunCLI(context.Background()) }
`

// buildPeer builds Redpanda Connect from a checkout, without writing into it,
// or takes a binary as it is.
func buildPeer(path, dir string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	at, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("--redpanda-connect: %w", err)
	}
	if !at.IsDir() {
		return path, nil
	}
	text, overlay := filepath.Join(dir, "peer.go"), filepath.Join(dir, "peer.json")
	if err := os.WriteFile(text, []byte(peerMain), 0o600); err != nil {
		return "", err
	}
	replace := fmt.Sprintf(`{"Replace": {%s: %s}}`, strconv.Quote(filepath.Join(path, "weirbench", "main.go")), strconv.Quote(text))
	if err := os.WriteFile(overlay, []byte(replace), 0o600); err != nil {
		return "", err
	}
	out := filepath.Join(dir, "redpanda-connect")
	return out, build(path, out, "-overlay", overlay, "./weirbench")
}

// peerSide is Redpanda Connect at least once: its bare copy, or the same three
// tokens (HMAC-SHA-256, as its manual has it) and two masks by a mapping.
func (g *rig) peerSide(name string, in *input, protect bool) side {
	s := side{name: name, role: "peer", in: in}
	s.launch = func(run string) (*launched, error) {
		out := run + "-out"
		if _, err := g.adm.CreateTopic(context.Background(), int32(in.partitions), -1, nil, out); err != nil {
			return nil, err
		}
		path := filepath.Join(g.dir, run+".yaml")
		if err := os.WriteFile(path, []byte(g.peerConfig(in, run, out, protect)), 0o600); err != nil {
			return nil, err
		}
		p, err := start(name, g.dir, g.peer, "run", path)
		if err != nil {
			return nil, err
		}
		// Its offsets are committed every five seconds; its copies tell more.
		return &launched{processes: []*process{p}, outputs: []string{out}, protected: protect,
			progress: func(ctx context.Context) (int64, error) { return g.written(ctx, out) }}, nil
	}
	return s
}

func (g *rig) peerConfig(in *input, group, out string, protect bool) string {
	var b strings.Builder
	seeds := `["` + strings.Join(g.brokers, `", "`) + `"]`
	fmt.Fprintf(&b, "http: {enabled: false}\nlogger: {level: WARN}\ninput:\n  kafka_franz:\n    seed_brokers: %s\n    topics: [%q]\n"+
		"    consumer_group: %q\n    start_from_oldest: true\n    batching: {count: 1000, period: 100ms}\n", seeds, in.topic, group)
	if protect {
		b.WriteString("pipeline:\n  processors:\n")
		if in.avro {
			fmt.Fprintf(&b, "    - schema_registry_decode: {url: %q, avro: {raw_unions: false}}\n", g.registryURL)
		}
		b.WriteString("    - mapping: |\n" + peerMapping(in.avro))
		if in.avro {
			fmt.Fprintf(&b, "    - schema_registry_encode: {url: %q, subject: %q, avro_raw_json: false}\n", g.registryURL, in.topic+"-value")
		}
		b.WriteString("    - catch: [{log: {level: ERROR, message: \"failed: ${! error() }\"}}]\n")
	}
	fmt.Fprintf(&b, "output:\n  kafka_franz:\n    seed_brokers: %s\n    topic: %q\n    key: ${! meta(\"kafka_key\") }\n"+
		"    partitioner: manual\n    partition: ${! meta(\"kafka_partition\") }\n    max_in_flight: 64\n    batching: {count: 1000, period: 100ms}\n", seeds, out)
	return b.String()
}

// peerMapping treats the fields where they stand in before and after. In Avro's
// JSON form a value of a union stands inside its branch.
func peerMapping(avro bool) string {
	var b strings.Builder
	b.WriteString("        root = this\n")
	for _, image := range []string{"before", "after"} {
		row, branch := image, ""
		if avro {
			row, branch = image+`."shop.public.customers.Value"`, ".string"
		}
		for _, f := range []string{"phone", "email", "id_card"} {
			at := row + "." + f + branch
			fmt.Fprintf(&b, "        root.%s = this.%s.hash(\"hmac_sha256\", \"0123456789abcdef0123456789abcdef\").encode(\"base64url\")\n", at, at)
		}
		for f, keep := range map[string]int{"name": 1, "address": 6} {
			at := row + "." + f
			if f == "address" {
				at += branch
			}
			fmt.Fprintf(&b, "        root.%s = this.%s.slice(0, %d) + this.%s.slice(%d).re_replace_all(\".\", \"*\")\n", at, at, keep, at, keep)
		}
	}
	return b.String()
}
