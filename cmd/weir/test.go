package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/cmd/internal/config"
	"weir/stream"
)

func (p *program) testCommand() *cobra.Command {
	var files []string
	c := &cobra.Command{
		Use:   "test POLICY...",
		Short: "Run the policy's test cases",
		Long: `Test runs the YAML cases that stand beside the policy (shop_test.yaml or
shop.test.yaml; in a folder every such file): an input record, a recipient and
what that recipient must get. Keys are a fixed built-in test ring unless the file
names one, so tokens are the same on every machine.

  cases:
    - name: names are masked
      topic: cdc.shop.customers
      recipient: analytics
      key: {id: 1}
      value: {before: null, after: {id: 1, name: Zhang}, op: c, ts_ms: 1}
      expect:
        key: {id: 1}
        value: {before: null, after: {id: 1, name: "Z****"}, op: c, ts_ms: 1}
    - name: an update that leaves the rows
      ...
      expect: {records: [{key: {id: 1}, value: {...}}, {key: {id: 1}, value: null}]}
    - {name: …, expect: {filtered: rows}}
    - {name: …, expect: {quarantined: undecided}}

In what is expected, {$token: true} stands for any token and {$match: "re"} for
any text that the expression matches whole. Exit code 1: a case failed.`,
		Example: "  weir test shop.yaml\n  weir test shop.yaml --cases more.yaml --json",
		Args:    policies,
		RunE: func(_ *cobra.Command, paths []string) error {
			return p.test(paths, files)
		},
	}
	c.Flags().StringArrayVar(&files, "cases", nil, "file of cases (default: those beside the policy)")
	return c
}

// outcome is what became of one case.
type outcome struct {
	Name string   `json:"name"`
	File string   `json:"file"`
	Line int      `json:"line"`
	OK   bool     `json:"ok"`
	Diff []string `json:"diff,omitempty"`
}

func (p *program) test(paths, files []string) error {
	cfg, err := p.load(paths)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		files = casesBeside(paths)
	}
	if len(files) == 0 {
		return exit(stream.ExitUsage, "no test cases beside the policy: name a file with --cases")
	}
	outcomes := []outcome{}
	for _, f := range files {
		done, err := runSuite(cfg, f)
		if err != nil {
			return err
		}
		outcomes = append(outcomes, done...)
	}
	if err := p.emit(outcomes, func(w io.Writer) { printOutcomes(w, outcomes) }); err != nil {
		return err
	}
	if slices.ContainsFunc(outcomes, func(o outcome) bool { return !o.OK }) {
		return failed(stream.ExitFailed)
	}
	return nil
}

// casesBeside finds shop_test.yaml and shop.test.yaml for shop.yaml, and every
// such file of a folder.
func casesBeside(paths []string) []string {
	var out []string
	for _, path := range paths {
		if names, err := os.ReadDir(path); err == nil {
			for _, n := range names {
				if ext := filepath.Ext(n.Name()); config.IsTestFile(n.Name()) && (ext == ".yaml" || ext == ".yml") {
					out = append(out, filepath.Join(path, n.Name()))
				}
			}
			continue
		}
		ext := filepath.Ext(path)
		for _, suffix := range []string{"_test", ".test"} {
			beside := strings.TrimSuffix(path, ext) + suffix + ext
			if _, err := os.Stat(beside); err == nil {
				out = append(out, beside)
			}
		}
	}
	return out
}

func printOutcomes(w io.Writer, outcomes []outcome) {
	bad := 0
	for _, o := range outcomes {
		if o.OK {
			fmt.Fprintf(w, "ok    %s\n", o.Name)
			continue
		}
		bad++
		fmt.Fprintf(w, "FAIL  %s (%s:%d)\n", o.Name, o.File, o.Line)
		for _, d := range o.Diff {
			fmt.Fprintf(w, "        %s\n", d)
		}
	}
	fmt.Fprintf(w, "%d cases, %d failed\n", len(outcomes), bad)
}
