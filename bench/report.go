package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// show prints a result and keeps the raw one.
func show(res *Result, o options, out io.Writer) error {
	if o.out != "-" {
		if err := keep(res, o.out); err != nil {
			return err
		}
	}
	if o.json {
		return json.NewEncoder(out).Encode(res)
	}
	_, err := io.WriteString(out, text(res))
	return err
}

// keep writes results/<name>-<date>.json.
func keep(res *Result, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keeping the result: %w", err)
	}
	raw, err := json.MarshalIndent(res, "", "  ")
	if err != nil {
		return fmt.Errorf("keeping the result: %w", err)
	}
	name := res.Name + "-" + strings.NewReplacer(":", "", "-", "").Replace(res.Date) + ".json"
	if err := os.WriteFile(filepath.Join(dir, name), append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("keeping the result: %w", err)
	}
	return nil
}

// text is the result as a table.
func text(res *Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s   %s, %d × %s, load %s, %d interleaved rounds of %s a side\n",
		res.Name, res.Go, res.CPUs, res.CPU, res.Load, res.Pairs, res.MinTime)
	for _, n := range res.Notes {
		fmt.Fprintf(&b, "  %s\n", n)
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, f := range res.Figures {
		_, _ = fmt.Fprintf(w, "  %s\t%s\t%s\t %s\t%s\t\n", f.Role, f.Name, number(f.Value), f.Unit, interval(f))
	}
	_ = w.Flush() // into memory
	for _, v := range res.Verdicts {
		fmt.Fprintf(&b, "  %s  %s\n", word(v), v.Goal)
	}
	if res.Error != "" {
		fmt.Fprintf(&b, "  error: %s\n", res.Error)
	}
	return b.String() + "\n"
}

func word(v Verdict) string {
	switch {
	case !v.Measured:
		return "NOT MEASURED"
	case !v.Met:
		return "MISSED (" + number(v.Value) + ")"
	}
	return "met (" + number(v.Value) + ")"
}

func interval(f Figure) string {
	if f.Rounds < 2 {
		return ""
	}
	return "[" + number(f.Low) + " … " + number(f.High) + "]"
}

// number prints three or four significant digits.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "-"
	case a >= 100 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
