package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/finetune"
	"github.com/nitrain/nitrain/onnx"
)

func (a *app) export() *cobra.Command {
	var out string
	var last bool
	var gradient gradientFlags
	cmd := &cobra.Command{
		Use:   "export RUN -o TUNED.onnx",
		Short: "Write a run's weights back into the model it started from",
		Long: `Writes the source model with the best weights of a run (or --last): same nodes, names, inputs, outputs and opset, the
Spec with its provenance inside. With no steps done the weights are bit-identical.

With --explain METHOD (saliency, ig or gradcam) it writes a gradient model instead, of a run or of any MODEL.onnx: a model
by itself with the inputs image and weight (of the output's shape: one-hot for a class, a mask or a voxel for a
segmentation) and the outputs output and attribution, for any batch, at one image size. See docs/explain.md.

` + exitHelp,
		Example: `  nitrain export run -o tuned.onnx
  nitrain export run --last -o last.onnx
  nitrain export tuned.onnx --explain ig --steps 32 -o tuned_ig.onnx`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usageError{errors.New("want a file to write: -o FILE.onnx")}
			}
			return a.runExport(cmd.Context(), args[0], out, last, gradient)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "ONNX `FILE` to write")
	cmd.Flags().BoolVar(&last, "last", false, "the last weights instead of the best")
	gradient.register(cmd)
	return cmd
}

func (a *app) runExport(ctx context.Context, run, out string, last bool, gradient gradientFlags) error {
	if err := outputs(out); err != nil {
		return err
	}
	m, err := openTrained(run, last)
	if err != nil {
		return err
	}
	defer m.Close()
	if gradient.method != "" {
		if m, err = a.gradientModel(m, gradient); err != nil {
			return err
		}
	}
	parity, err := a.exportParity(ctx, m, gradient)
	if err != nil {
		return err
	}
	if err := onnx.WriteFile(out, m); err != nil {
		return err
	}
	info, err := os.Stat(out)
	if err != nil {
		return err
	}
	return a.result(map[string]any{"output": out, "bytes": info.Size(), "parity": parity}, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d bytes\n", out, info.Size())
		if parity != nil {
			fmt.Fprintf(w, "parity: %.2g of the largest value, trained graph against onnxruntime on random input\n", float64(parity.MaxRel))
			if !parity.OK() {
				fmt.Fprintf(w, "warning: the file and the trained graph disagree in %s; see nitrain check %s\n", parity.Worst, out)
			}
		}
	})
}

// exportParity compares the model that is to be written, in onnxruntime, with the graph that was trained. A
// gradient model was compared when it was made, and has none.
func (a *app) exportParity(ctx context.Context, m *onnx.Model, gradient gradientFlags) (*convert.Deviation, error) {
	if gradient.method != "" {
		return nil, nil //nolint:nilnil // nothing to compare
	}
	g, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		return nil, err
	}
	return a.parity(ctx, g, "", true)
}

// openTrained opens the best or the last model of a run; a file is taken as it is.
func openTrained(run string, last bool) (*onnx.Model, error) {
	if info, err := os.Stat(run); err == nil && !info.IsDir() {
		return onnx.ReadFile(run)
	}
	f, err := finetune.OpenFolder(run)
	if err != nil {
		return nil, err
	}
	if last {
		return f.Last()
	}
	return f.Best()
}
