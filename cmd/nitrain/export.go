package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/finetune"
	"github.com/nitrain/nitrain/onnx"
)

func (a *app) export() *cobra.Command {
	var out string
	var last bool
	cmd := &cobra.Command{
		Use:   "export RUN -o TUNED.onnx",
		Short: "Write a run's weights back into the model it started from",
		Long: `Writes the source model with the best weights of a run (or --last): same nodes, names, inputs, outputs and opset, the
Spec with its provenance inside. With no steps done the weights are bit-identical.

` + exitHelp,
		Example: "  nitrain export run -o tuned.onnx\n  nitrain export run --last -o last.onnx",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if out == "" {
				return usageError{errors.New("want a file to write: -o FILE.onnx")}
			}
			return a.runExport(args[0], out, last)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "ONNX `FILE` to write")
	cmd.Flags().BoolVar(&last, "last", false, "the last weights instead of the best")
	return cmd
}

func (a *app) runExport(run, out string, last bool) error {
	if err := outputs(out); err != nil {
		return err
	}
	f, err := finetune.OpenFolder(run)
	if err != nil {
		return err
	}
	pick := f.Best
	if last {
		pick = f.Last
	}
	m, err := pick()
	if err != nil {
		return err
	}
	defer m.Close()
	if err := onnx.WriteFile(out, m); err != nil {
		return err
	}
	info, err := os.Stat(out)
	if err != nil {
		return err
	}
	return a.result(map[string]any{"output": out, "bytes": info.Size()}, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d bytes\n", out, info.Size())
	})
}
