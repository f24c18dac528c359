package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
)

func (a *app) check() *cobra.Command {
	var against string
	cmd := &cobra.Command{
		Use:   "check MODEL.onnx",
		Short: "Examine a model: structure, import, parity, derivatives, write-back",
		Long: `Checks the rules of ONNX, imports the model, compares its training graph with onnxruntime on random input, its derivatives
with central differences, and that untouched weights write back to the source's bytes. --against compares with a truth
file made elsewhere. Ends with code 5 when anything fails.

` + exitHelp,
		Example: "  nitrain check model.onnx\n  nitrain check model.onnx --against truth.onnx --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runCheck(cmd.Context(), args[0], against)
		},
	}
	cmd.Flags().StringVar(&against, "against", "", "truth `FILE.onnx`: outputs, gradients and losses by another framework")
	return cmd
}

func (a *app) runCheck(ctx context.Context, path, against string) error {
	m, err := onnx.ReadFile(path)
	if err != nil {
		return err
	}
	defer m.Close()
	o := convert.CheckOptions{Seed: a.seed}
	if against != "" {
		if o.Truth, err = onnx.ReadFile(against); err != nil {
			return err
		}
		defer o.Truth.Close()
	}
	var sessions []*ort.Session
	defer func() {
		for _, s := range sessions {
			s.Close()
		}
	}()
	o.Open = func(m *onnx.Model) (onnx.Runner, error) {
		raw, err := onnx.Encode(m)
		if err != nil {
			return nil, err
		}
		s, err := ort.OpenBytes(raw, ort.Options{Threads: a.threads, Untrusted: true})
		if err != nil {
			return nil, err
		}
		sessions = append(sessions, s)
		return s, nil
	}
	b, err := a.backend()
	if err != nil {
		return err
	}
	defer b.Close()
	report, err := convert.CheckModel(ctx, b, m, o)
	if err != nil {
		return err
	}
	report.Model = path
	if err := a.result(report, func(w io.Writer) { printCheck(w, report) }); err != nil {
		return err
	}
	if !report.OK {
		return errCheckFailed
	}
	return nil
}

func printCheck(w io.Writer, r *convert.CheckReport) {
	fmt.Fprintf(w, "structure   %s\n", noneOr(r.Structure.Errors, "sound"))
	if r.Import != nil {
		text := fmt.Sprintf("%d train, %d frozen, %d state", r.Import.Parameters.Trainable, r.Import.Parameters.Frozen, r.Import.Parameters.State)
		if !r.Import.OK {
			text = firstOf(r.Import.Error, strings.Join(r.Import.Unsupported, "; "))
		}
		fmt.Fprintf(w, "import      %s\n", text)
	}
	printDeviation(w, "parity", r.Parity)
	printDeviation(w, "derivative", r.Derivative)
	if r.Roundtrip != nil {
		fmt.Fprintf(w, "roundtrip   identical: %v %s\n", r.Roundtrip.Identical, r.Roundtrip.Error)
	}
	if t := r.Against; t != nil {
		printDeviation(w, "forward", t.Forward)
		printDeviation(w, "forward2", t.Forward2)
		if t.Gradient != nil {
			printDeviation(w, "d inputs", t.Gradient.Inputs)
			printDeviation(w, "d params", t.Gradient.Parameters)
		}
		if t.Curve != nil {
			fmt.Fprintf(w, "curve       %d steps, %.2g of the largest loss, limit %.2g %s\n", t.Curve.Steps, float64(t.Curve.MaxRel), float64(t.Curve.Limit), t.Curve.Error)
		}
		printDeviation(w, "after", t.After)
	}
	verdict := "ok"
	if !r.OK {
		verdict = "failed"
	}
	fmt.Fprintln(w, verdict)
}

func printDeviation(w io.Writer, name string, d *convert.Deviation) {
	switch {
	case d == nil:
	case d.Error != "":
		fmt.Fprintf(w, "%-11s %s\n", name, d.Error)
	default:
		fmt.Fprintf(w, "%-11s %.2g of the largest value%s\n", name, float64(d.MaxRel), after(", worst ", d.Worst))
	}
}

func noneOr(lines []string, none string) string {
	if len(lines) == 0 {
		return none
	}
	return strings.Join(lines, "\n            ")
}
