package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"weir/keys"
)

// policyOf is what a worker benchmark varies of the policy file.
type policyOf struct {
	name       string
	in         *input
	recipients int
	protect    bool
	max        int
	linger     string
	keep       string // an input header that is copied
}

// throughput is the setting of stream/README.md for bulk; latency the one for
// quick answers.
func (p policyOf) throughput() policyOf { p.max, p.linger = 10_000, "50ms"; return p }
func (p policyOf) latency() policyOf    { p.max, p.linger = 200, "0s"; return p }

// write makes a folder with policy and key file, and gives the policy's path.
func (p policyOf) write(g *rig) (string, error) {
	dir := filepath.Join(g.dir, p.name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	if _, err := keys.InitFile(filepath.Join(dir, "bench.key")); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "policy.yaml")
	return path, os.WriteFile(path, []byte(p.text(g)), 0o600)
}

func (p policyOf) text(g *rig) string {
	var b strings.Builder
	encoding, more := "json", ""
	if p.in.avro {
		encoding = "confluent-avro"
	}
	if p.keep != "" {
		more = ", keep_headers: [" + p.keep + "]"
	}
	fmt.Fprintf(&b, "weir: 1\nname: %s\nepoch: 1\nkafka: {brokers: [%q]}\n", p.name, strings.Join(g.brokers, `", "`))
	if p.in.avro {
		fmt.Fprintf(&b, "registry: {url: %q}\n", g.registryURL)
	}
	prefix, _, _ := strings.Cut(p.in.topic, ".")
	fmt.Fprintf(&b, "sources:\n  - {topics: %s, name: \"%s.{schema}.{table}\", encoding: %s, envelope: debezium, before: full%s}\n",
		p.in.topic, prefix, encoding, more)
	b.WriteString("catalog:\n")
	for _, c := range eventColumns() {
		class := c[1]
		if class == "" || !p.protect {
			class = "internal"
		}
		fmt.Fprintf(&b, "  shop.customers.%s: %s\n", c[0], class)
	}
	b.WriteString("recipients:\n")
	for i := range p.recipients {
		fmt.Fprintf(&b, "  - name: r%d\n    topic: \"%s\"\n    purpose: bench\n    grade: 2\n", i, p.output(i))
		if p.protect {
			b.WriteString(treatments)
		}
	}
	fmt.Fprintf(&b, "keys: {file: bench.key}\ntopics: {create: true}\nbatch: {max: %d, linger: %s}\n", p.max, p.linger)
	return b.String()
}

// treatments are the five protected fields: three tokens, two masks.
const treatments = `    treat:
      contact.mobile_cn: {token: {domain: phone}}
      contact.email:     {token: {domain: email}}
      id.cn_resident:    {token: {domain: id_card}}
      person.name:       {mask: {keep_first: 1}}
      contact.address:   {mask: {keep_first: 6}}
`

// output is recipient i's topic.
func (p policyOf) output(i int) string { return fmt.Sprintf("%s-out%d", p.name, i) }
