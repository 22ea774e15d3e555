package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/stream"
)

func (p *program) topicsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "topics",
		Short: "Make recipient and internal topics like their sources",
	}
	c.AddCommand(&cobra.Command{
		Use:     "plan POLICY...",
		Short:   "Show which topics are missing or differ; changes nothing",
		Long:    "Plan compares the recipient and internal topics with what their sources ask for.\nExit code 3: apply would change something.",
		Example: "  weir topics plan shop.yaml\n  weir topics plan shop.yaml --json",
		Args:    policies,
		RunE: func(c *cobra.Command, args []string) error {
			return p.topics(c, args, false)
		},
	}, &cobra.Command{
		Use:     "apply POLICY...",
		Short:   "Carry out what plan shows",
		Long:    "Apply makes the topics that are missing and raises what is too low. It deletes nothing\nand lowers nothing; what is right already is left alone.",
		Example: "  weir topics apply shop.yaml",
		Args:    policies,
		RunE: func(c *cobra.Command, args []string) error {
			return p.topics(c, args, true)
		},
	})
	return c
}

func (p *program) topics(c *cobra.Command, paths []string, apply bool) error {
	cfg, err := p.connections(paths)
	if err != nil {
		return err
	}
	if p.engine.planTopics == nil || p.engine.applyTopics == nil {
		return notBuilt("topics")
	}
	changes, err := p.engine.planTopics(c.Context(), cfg)
	if err != nil {
		return err
	}
	if apply {
		if err := p.engine.applyTopics(c.Context(), cfg, changes); err != nil {
			return err
		}
	}
	if changes == nil {
		changes = []stream.TopicChange{}
	}
	pending := 0
	for i := range changes {
		if changes[i].Action != stream.ActionNone {
			pending++
		}
	}
	if err := p.emit(changes, func(w io.Writer) {
		printChanges(w, changes)
		printOutcome(w, changes, pending, apply)
	}); err != nil {
		return err
	}
	if pending > 0 && !apply {
		return failed(stream.ExitRisk)
	}
	return nil
}

// printOutcome ends plan and apply with what was done, or what to do.
func printOutcome(w io.Writer, changes []stream.TopicChange, pending int, applied bool) {
	if !slices.ContainsFunc(changes, func(ch stream.TopicChange) bool { return !strings.HasPrefix(ch.Topic, "_weir.") }) {
		fmt.Fprintln(w, "no topic matches the policy's sources yet; recipient topics are made like theirs: plan again once they are there")
	}
	switch {
	case pending == 0:
		fmt.Fprintln(w, "nothing to change")
	case applied:
		fmt.Fprintf(w, "applied: %d\n", pending)
	default:
		fmt.Fprintf(w, "to change: %d; `weir topics apply` does it\n", pending)
	}
}

func printChanges(w io.Writer, changes []stream.TopicChange) {
	for _, ch := range changes {
		fmt.Fprintf(w, "%-7s %s  partitions=%d replication=%d  %s\n", ch.Action, ch.Topic, ch.Partitions, ch.Replication, ch.Why)
		for _, k := range slices.Sorted(maps.Keys(ch.Configs)) {
			fmt.Fprintf(w, "          %s=%s\n", k, ch.Configs[k])
		}
	}
}
