package main

import (
	"fmt"
	"io"
	"maps"
	"slices"

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
	if err := p.emit(changes, func(w io.Writer) { printChanges(w, changes) }); err != nil {
		return err
	}
	pending := slices.ContainsFunc(changes, func(ch stream.TopicChange) bool { return ch.Action != stream.ActionNone })
	if pending && !apply {
		return failed(stream.ExitRisk)
	}
	return nil
}

func printChanges(w io.Writer, changes []stream.TopicChange) {
	for _, ch := range changes {
		fmt.Fprintf(w, "%-7s %s  partitions=%d replication=%d  %s\n", ch.Action, ch.Topic, ch.Partitions, ch.Replication, ch.Why)
		for _, k := range slices.Sorted(maps.Keys(ch.Configs)) {
			fmt.Fprintf(w, "          %s=%s\n", k, ch.Configs[k])
		}
	}
}
