package demo

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"weir/cmd/internal/config"
	"weir/keys"
	"weir/stream"
	"weir/stream/streamtest"
)

const pipeline = "demo" // the policy's name

//go:embed policy.yaml
var policyText string

// Policy is the demo's policy as it is written, its servers still to be filled
// in.
func Policy() string { return policyText }

// ExamplePolicy is the demo's policy with the usual addresses: it can be kept
// in a file, linted and changed.
func ExamplePolicy() string {
	return strings.NewReplacer("{{brokers}}", "localhost:9092", "{{registry}}", "http://localhost:8081").Replace(policyText)
}

// recipients are the policy's, as the checker must know them: its second
// opinion on who gets which rows.
func recipients() []streamtest.Recipient {
	return []streamtest.Recipient{
		{Name: "analytics", Prefix: "clean.analytics.shop."},
		{Name: "partner", Prefix: "clean.partner.shop.", Keep: func(i *streamtest.Image) bool { return i.Country == "CN" }},
	}
}

// leakRule is what --break leak adds: a person's mistake, not a patched binary.
const leakRule = `      "field:shop.customers.phone": pass
      "*": drop
keys:`

// writePolicy writes policy and key file into dir and gives the policy's path.
func writePolicy(dir string, c *streamtest.Cluster, broken string) (string, error) {
	text := strings.NewReplacer("{{brokers}}", strings.Join(c.Brokers(), `", "`), "{{registry}}", c.RegistryURL()).Replace(policyText)
	if broken == BreakLeak {
		text = strings.Replace(text, "      \"*\": drop\nkeys:", leakRule, 1)
	}
	path := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("writing the policy: %w", err)
	}
	if _, err := keys.InitFile(filepath.Join(dir, "demo.key")); err != nil {
		return "", fmt.Errorf("making a key file: %w", err)
	}
	return path, nil
}

// newWorker makes one worker process of the real engine.
func newWorker(policy string, slot int, o *Options) (Worker, error) {
	cfg, err := config.Load([]string{policy}, config.OS())
	if err != nil {
		return nil, err
	}
	sc, err := cfg.Stream()
	if err != nil {
		return nil, err
	}
	sc.Slot, sc.Workers, sc.Log = slot, 1, o.Log
	return stream.NewRunner(sc)
}
