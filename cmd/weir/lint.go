package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"weir/cmd/internal/config"
	"weir/stream"
	"weir/transforms"
)

func (p *program) lintCommand() *cobra.Command {
	var f schemaFlags
	var printSchema bool
	c := &cobra.Command{
		Use:   "lint POLICY...",
		Short: "Check a policy, alone or against a schema",
		Long: `Lint reads the policy and shows every problem with file, line and column. With
--topic and a schema it also lists the fields that no rule decides: their records
would wait in quarantine. Exit code 2: refused.`,
		Example: `  weir lint shop.yaml
  weir lint shop.yaml --topic cdc.shop.customers --schema customers.avsc --key-schema customers-key.avsc
  weir lint shop.yaml --topic cdc.shop.customers --schema-id 7
  weir lint --policy-schema > policy.schema.json`,
		Args: func(c *cobra.Command, args []string) error {
			if printSchema {
				return cobra.NoArgs(c, args)
			}
			return policies(c, args)
		},
		RunE: func(c *cobra.Command, paths []string) error {
			if printSchema {
				_, err := p.out.Write(config.Schema())
				return err
			}
			return p.lint(c.Context(), paths, &f)
		},
	}
	f.register(c)
	c.Flags().BoolVar(&printSchema, "policy-schema", false, "print the JSON Schema of the policy file and end")
	return c
}

func (f *schemaFlags) register(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.topic, "topic", "", "source topic whose records are meant")
	s.StringVar(&f.schema, "schema", "", "file of the value's schema: Avro, JSON Schema or Connect's schema block")
	s.StringVar(&f.key, "key-schema", "", "file of the key's schema")
	s.IntVar(&f.schemaID, "schema-id", 0, "id of the value's schema at the policy's registry")
	s.IntVar(&f.keyID, "key-schema-id", 0, "id of the key's schema at the policy's registry")
}

// check refuses flags that do not go together.
func (f *schemaFlags) check() error {
	given := f.schema != "" || f.key != "" || f.schemaID != 0 || f.keyID != 0
	switch {
	case given && f.topic == "":
		return exit(stream.ExitUsage, "a schema needs --topic")
	case f.schema != "" && f.schemaID != 0 || f.key != "" && f.keyID != 0:
		return exit(stream.ExitUsage, "a schema comes from a file or from the registry, not both")
	}
	return nil
}

// finding is one field that lint refuses.
type finding struct {
	Recipient string `json:"recipient"`
	Field     string `json:"field"`
	Side      string `json:"side"`
	Code      string `json:"code"`
	Why       string `json:"why"`
}

// lintResult is what lint says.
type lintResult struct {
	OK        bool            `json:"ok"`
	Problems  config.Problems `json:"problems"`
	Undecided []finding       `json:"undecided"`
	Epoch     uint64          `json:"epoch,omitempty"`
	Hash      string          `json:"hash,omitempty"`
}

func (p *program) lint(ctx context.Context, paths []string, f *schemaFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	result := lintResult{Problems: config.Problems{}, Undecided: []finding{}}
	cfg, err := p.load(paths)
	if err == nil {
		result.Problems = append(result.Problems, cfg.Warnings...)
		result.Epoch, result.Hash = cfg.Policy.Epoch, fmt.Sprintf("%x", cfg.Policy.Hash)
		if f.topic != "" {
			err = lintSchemas(ctx, cfg, f, &result)
		}
	}
	var problems config.Problems
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	result.Problems = append(result.Problems, problems...)
	result.OK = err == nil && len(result.Undecided) == 0
	if err := p.emit(result, func(w io.Writer) { printLint(w, &result) }); err != nil {
		return err
	}
	if !result.OK {
		return failed(stream.ExitUsage)
	}
	return nil
}

func lintSchemas(ctx context.Context, cfg *config.Config, f *schemaFlags, result *lintResult) error {
	o := &offline{cfg: cfg}
	s, err := o.resolve(ctx, f)
	if err != nil {
		return err
	}
	if s.value == nil {
		return noSchema(f.topic)
	}
	if s.key == nil && o.keyIsRegistered(f.topic) {
		result.Problems = append(result.Problems, &config.Problem{File: cfg.Files[0], Warning: true,
			Text: "the key of " + f.topic + " was not checked: give --key-schema FILE or --key-schema-id N"})
	}
	plan, err := o.plan(f.topic, s)
	if err != nil {
		return err
	}
	for _, u := range plan.Undecided() {
		if !u.Soft {
			result.Undecided = append(result.Undecided, findingOf(&u))
		}
	}
	return nil
}

func findingOf(u *transforms.Undecided) finding {
	return finding{u.Recipient, u.Field, u.Side, string(u.Code), u.Why}
}

func printLint(w io.Writer, r *lintResult) {
	for _, q := range r.Problems {
		fmt.Fprintln(w, q.Error())
	}
	for _, u := range r.Undecided {
		fmt.Fprintf(w, "%s for %s (%s): %s: %s\n", u.Field, u.Recipient, u.Side, u.Code, u.Why)
	}
	if r.OK {
		fmt.Fprintf(w, "ok: epoch %d, policy %.16s\n", r.Epoch, r.Hash)
	}
}
