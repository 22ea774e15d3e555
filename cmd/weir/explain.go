package main

import (
	"context"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"weir/stream"
	"weir/transforms"
)

func (p *program) explainCommand() *cobra.Command {
	var f schemaFlags
	var recipient string
	c := &cobra.Command{
		Use:   "explain POLICY... --topic T",
		Short: "Print the matrix field × recipient → treatment, and why",
		Long: `Explain compiles the policy for one topic and prints what happens to each field
for each recipient, by which rule, and under which key domain. Undecided fields
stand in it by their code.`,
		Example: `  weir explain shop.yaml --topic cdc.shop.customers --schema customers.avsc
  weir explain shop.yaml --topic cdc.shop.customers --schema-id 7 --recipient partner --json`,
		Args: policies,
		RunE: func(c *cobra.Command, paths []string) error {
			return p.explain(c.Context(), paths, &f, recipient)
		},
	}
	f.register(c)
	c.Flags().StringVar(&recipient, "recipient", "", "only this recipient")
	mustFlag(c, "topic")
	return c
}

func (p *program) explain(ctx context.Context, paths []string, f *schemaFlags, recipient string) error {
	if err := f.check(); err != nil {
		return err
	}
	cfg, err := p.load(paths)
	if err != nil {
		return err
	}
	if recipient != "" {
		if !hasRecipient(cfg.Policy, recipient) {
			return exit(stream.ExitUsage, "the policy has no recipient %s", recipient)
		}
		// A policy with one recipient explains one recipient; the rest is as it was.
		narrowed := *cfg.Policy
		narrowed.Recipients = slices.DeleteFunc(slices.Clone(narrowed.Recipients),
			func(r transforms.Recipient) bool { return r.Name != recipient })
		copied := *cfg
		copied.Policy = &narrowed
		cfg = &copied
	}
	o := &offline{cfg: cfg}
	s, err := o.resolve(ctx, f)
	if err != nil {
		return err
	}
	if s.key == nil && s.value == nil {
		return noSchema(f.topic)
	}
	plan, err := o.plan(f.topic, s)
	if err != nil {
		return err
	}
	return p.emit(append([]transforms.Row{}, plan.Matrix()...), func(w io.Writer) { _, _ = io.WriteString(w, plan.String()) })
}
