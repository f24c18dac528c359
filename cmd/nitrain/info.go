package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/finetune"
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
)

func (a *app) info() *cobra.Command {
	var voxels bool
	cmd := &cobra.Command{
		Use:   "info PATH",
		Short: "Say what a file is: an image, a model, a run folder or a list of cases",
		Long: `For an image: format, geometry, sample type and what had to be mended while reading; --voxels adds statistics and
hashes of the samples. For a model: inputs, outputs, task, heads, parameters by module, Spec and exporter quirks.

` + exitHelp,
		Example: `  nitrain info scan.nii.gz --voxels --json
  nitrain info model.onnx`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runInfo(cmd.Context(), args[0], voxels) },
	}
	cmd.Flags().BoolVar(&voxels, "voxels", false, "for an image: statistics and hashes of the samples")
	return cmd
}

func (a *app) infoImage(ctx context.Context, path string, voxels bool) error {
	d, err := interruptible(ctx, func() (*imageio.Description, error) { return imageio.Describe(path, voxels) })
	if err != nil {
		return err
	}
	return a.result(d, func(w io.Writer) {
		fmt.Fprintf(w, "format    %s, %s\nshape     %s\nvoxels    %s mm, %s\n", d.Format, d.Stored, joined(d.Shape, " x "), joined(d.Zooms, " x "), orNone(d.AxisCodes))
		fmt.Fprintf(w, "affine    from %s\n", d.AffineSource)
		for _, row := range d.Affine {
			fmt.Fprintf(w, "          %10.4f %10.4f %10.4f %10.4f\n", row[0], row[1], row[2], row[3])
		}
		if d.Slope != 1 || d.Inter != 0 {
			fmt.Fprintf(w, "scaling   value = sample * %g + %g\n", d.Slope, d.Inter)
		}
		printStats(w, "raw", d.Raw)
		printStats(w, "scaled", d.Scaled)
		for _, warning := range d.Warnings {
			fmt.Fprintf(w, "warning   %s\n", warning)
		}
	})
}

func printStats(w io.Writer, name string, s *imageio.Stats) {
	if s == nil {
		return
	}
	fmt.Fprintf(w, "%-9s %s, min %v, max %v, mean %v, std %v, sha1 %s\n", name, s.DType, s.Min, s.Max, s.Mean, s.Std, s.SHA1F)
}

func joined[T any](values []T, sep string) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = fmt.Sprint(v)
	}
	return strings.Join(parts, sep)
}

func orNone(s string) string {
	if s == "" {
		return "no geometry"
	}
	return s
}

// runInfo tells what path is by looking at it: a folder with a run.json is a run, a file that reads as ONNX
// is a model, a table is a list of cases, and everything else should be an image.
func (a *app) runInfo(ctx context.Context, path string, voxels bool) error {
	stat, err := os.Stat(path)
	if err != nil {
		return badDataError{err}
	}
	if stat.IsDir() {
		if _, err := os.Stat(filepath.Join(path, "run.json")); err == nil {
			return a.infoRun(path)
		}
		return a.infoData(path)
	}
	switch filepath.Ext(path) {
	case ".onnx":
		return a.infoModel(path)
	case ".csv", ".tsv", ".json":
		return a.infoData(path)
	default:
		return a.infoImage(ctx, path, voxels)
	}
}

func (a *app) infoRun(path string) error {
	f, err := finetune.OpenFolder(path)
	if err != nil {
		return err
	}
	status, err := f.Status()
	if err != nil {
		return err
	}
	type run struct {
		finetune.Info
		Status finetune.Status `json:"status"`
	}
	return a.result(run{f.Info, status}, func(w io.Writer) {
		fmt.Fprintf(w, "run         %s, %s at step %d of %d\n", path, status.State, status.Step, status.Steps)
		fmt.Fprintf(w, "model       %s, sha256 %s\n", f.Info.Model.Name, f.Info.Model.SHA256)
		fmt.Fprintf(w, "cases       %d to train, %d to validate, digest %s\n", len(f.Info.Data.Train), len(f.Info.Data.Valid), f.Info.Data.SHA256)
		if status.Best != nil {
			fmt.Fprintf(w, "best        dice %.4f at step %d\n", *status.Best, status.BestStep)
		}
	})
}

func (a *app) infoData(path string) error {
	cases, err := dataset.Read(path)
	if err != nil {
		return err
	}
	labelled := 0
	for _, c := range cases {
		if c.Label != "" {
			labelled++
		}
	}
	return a.result(map[string]any{"cases": cases, "labelled": labelled}, func(w io.Writer) {
		fmt.Fprintf(w, "cases       %d, %d of them with a label\n", len(cases), labelled)
		for i, c := range cases {
			if i == 5 {
				fmt.Fprintf(w, "            ... and %d more\n", len(cases)-i)
				break
			}
			fmt.Fprintf(w, "            %s: %s %s\n", c.ID, strings.Join(c.Images, ", "), c.Label)
		}
	})
}
