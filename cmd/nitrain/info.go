package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/nitrain/nitrain/imageio"
	"github.com/spf13/cobra"
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
		RunE: func(cmd *cobra.Command, args []string) error { return a.runInfo(args[0], voxels) },
	}
	cmd.Flags().BoolVar(&voxels, "voxels", false, "for an image: statistics and hashes of the samples")
	return cmd
}

func (a *app) infoImage(path string, voxels bool) error {
	d, err := imageio.Describe(path, voxels)
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

// runInfo tells what path is by looking at it, not by its name alone.
func (a *app) runInfo(path string, voxels bool) error {
	return a.infoImage(path, voxels)
}
