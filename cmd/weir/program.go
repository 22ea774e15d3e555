package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"weir/cmd/internal/config"
	"weir/stream"
	"weir/transforms"
)

// program is the whole of weir, as main and tests start it. Immutable after
// run has begun, but for json.
type program struct {
	env      config.Env
	out, err io.Writer
	engine   engine
	json     bool // --json
}

// exitError is an error with an exit code of contract 31.
type exitError struct {
	code int
	err  error
}

// Error is the cause's text; empty when everything was printed already.
func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

// Unwrap gives the cause.
func (e *exitError) Unwrap() error { return e.err }

func exit(code int, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...)}
}

// failed ends with a code whose reason stands in the output already.
func failed(code int) error { return &exitError{code, nil} }

// notBuilt is what a command says whose engine has not landed.
func notBuilt(what string) error {
	return exit(stream.ExitInternal, "%s is not built yet", what)
}

// classify gives an error its exit code.
func classify(err error) int {
	var coded *exitError
	var problems config.Problems
	var policy *transforms.PolicyError
	switch {
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &problems), errors.As(err, &policy):
		return stream.ExitUsage
	}
	return stream.ExitCode(err)
}

// run executes a command line and answers the exit code. What cobra refuses
// before a command runs is a mistake of usage.
func (p *program) run(ctx context.Context, args []string) int {
	started := false
	root := p.root(&started)
	root.SetArgs(args)
	root.SetOut(p.out)
	root.SetErr(p.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return stream.ExitOK
	}
	code := classify(err)
	if !started {
		code = stream.ExitUsage
	}
	p.complain(err, code)
	return code
}

// complain prints an error to stderr, for machines as one JSON line.
func (p *program) complain(err error, code int) {
	text := err.Error()
	switch {
	case text == "":
	case p.json:
		_ = json.NewEncoder(p.err).Encode(map[string]any{"error": text, "exit": code})
	default:
		fmt.Fprintln(p.err, "weir:", text)
	}
}

func (p *program) root(started *bool) *cobra.Command {
	root := &cobra.Command{
		Use:           "weir",
		Short:         "Publish one sanitised copy of your change streams per recipient, exactly once",
		SilenceUsage:  true,
		SilenceErrors: true,
		Long: `Weir reads raw change streams from Kafka and publishes, for every recipient of
its policy, that recipient's own copy: each field classified, then passed,
masked, tokenised or dropped. Whatever is undecided waits in quarantine.

Exit codes: 0 ok, 1 a check failed, 2 usage, configuration or lint, 3 the plan
has risk, 4 not allowed, 70 internal, 75 fenced or a dependency gone: start again.`,
		Example: `  weir demo                          a whole pipeline on this machine, nothing to install
  weir keys init shop.key            make a key file
  weir lint shop.yaml                check a policy
  weir explain shop.yaml --topic cdc.shop.customers --schema customers.avsc
  weir run shop.yaml`,
	}
	root.PersistentFlags().BoolVar(&p.json, "json", false, "print results and errors as JSON")
	root.AddCommand(
		p.runCommand(), p.demoCommand(), p.lintCommand(), p.explainCommand(), p.testCommand(),
		p.quarantineCommand(), p.topicsCommand(), p.keysCommand(), p.doctorCommand(), p.lineageCommand(), p.versionCommand(),
	)
	prepare(root, started)
	return root
}

// prepare notes when a command of ours has begun to run, and makes a group
// without its subcommand a mistake instead of a page of help with exit code 0.
func prepare(c *cobra.Command, started *bool) {
	var names []string
	for _, sub := range c.Commands() {
		prepare(sub, started)
		names = append(names, sub.Name())
	}
	run := c.RunE
	if run == nil {
		run = func(c *cobra.Command, _ []string) error {
			return exit(stream.ExitUsage, "%s needs one of: %s", c.CommandPath(), strings.Join(names, ", "))
		}
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		*started = true
		return run(c, args)
	}
}

// policies is the argument check of commands that read policy files or
// folders.
func policies(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("name the policy file or folder")
	}
	return nil
}

// emit prints a result: v as JSON with --json, else what text writes.
func (p *program) emit(v any, text func(w io.Writer)) error {
	if !p.json {
		text(p.out)
		return nil
	}
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// load reads a policy; a file that cannot be read is a mistake of usage.
func (p *program) load(paths []string) (*config.Config, error) {
	cfg, err := config.Load(paths, p.env)
	var problems config.Problems
	if err != nil && !errors.As(err, &problems) {
		return nil, &exitError{stream.ExitUsage, err}
	}
	return cfg, err
}

// connections loads a policy for commands that treat no record.
func (p *program) connections(paths []string) (stream.Config, error) {
	cfg, err := p.load(paths)
	if err != nil {
		return stream.Config{}, err
	}
	return cfg.Connections()
}
