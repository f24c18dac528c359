package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/finetune"
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
)

func (a *app) info() *cobra.Command {
	var voxels, tags bool
	cmd := &cobra.Command{
		Use:   "info PATH",
		Short: "Say what a file is: an image, a model, a run folder or a list of cases",
		Long: `For an image: format, geometry, sample type and what had to be mended while reading; --voxels adds statistics and
hashes of the samples. A folder of DICOM files is one image, or a list of the volumes in it; name one of them
FOLDER#2. What DICOM files say about the patient is printed with --tags only. For a model: inputs, outputs, task, heads, parameters by module, Spec and exporter quirks.
For a MONAI bundle: what it is, the Spec that it amounts to or what in it has no translation, and how its model is made.

` + exitHelp,
		Example: `  nitrain info scan.nii.gz --voxels --json
  nitrain info ct/ --tags
  nitrain info model.onnx`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runInfo(cmd.Context(), args[0], voxels, tags) },
	}
	cmd.Flags().BoolVar(&voxels, "voxels", false, "for an image: statistics and hashes of the samples")
	cmd.Flags().BoolVar(&tags, "tags", false, "for DICOM: what the file says about patient, study and series")
	return cmd
}

func (a *app) infoImage(ctx context.Context, path string, voxels, tags bool) error {
	d, err := interruptible(ctx, func() (*imageio.Description, error) { return describe(path, voxels, tags) })
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
		for _, name := range slices.Sorted(maps.Keys(d.Tags)) {
			fmt.Fprintf(w, "%-24s  %s\n", name, d.Tags[name])
		}
		for _, warning := range d.Warnings {
			fmt.Fprintf(w, "warning   %s\n", warning)
		}
	})
}

// describe describes an image, with the patient's tags where they are asked for: these are there even where a
// DICOM file holds no pixels.
func describe(path string, voxels, tags bool) (*imageio.Description, error) {
	d, err := imageio.Describe(path, voxels)
	if !tags {
		return d, err
	}
	if err != nil {
		d = &imageio.Description{Format: "dicom", Warnings: []string{err.Error()}}
	}
	if d.Format != "dicom" {
		return d, nil
	}
	var tagErr error
	if d.Tags, tagErr = imageio.Tags(path); tagErr != nil {
		return nil, errors.Join(err, tagErr)
	}
	return d, nil
}

// infoSeries lists the volumes of a DICOM folder that holds several.
func (a *app) infoSeries(series []imageio.SeriesInfo) error {
	return a.result(map[string]any{"format": "dicom", "series": series}, func(w io.Writer) {
		for _, s := range series {
			fmt.Fprintf(w, "%s  %s, %d files\n", s.Path, s.Title, s.Files)
			if s.Problem != "" {
				fmt.Fprintf(w, "          no volume: %s\n", s.Problem)
			}
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
func (a *app) runInfo(ctx context.Context, path string, voxels, tags bool) error {
	stat, err := os.Stat(path)
	if err != nil {
		if strings.Contains(filepath.Base(path), "#") { // a volume of a DICOM folder
			return a.infoImage(ctx, path, voxels, tags)
		}
		return badDataError{err}
	}
	if isBundle(path) {
		return a.infoBundle(path)
	}
	if stat.IsDir() {
		if _, err := os.Stat(filepath.Join(path, "run.json")); err == nil {
			return a.infoRun(path)
		}
		series, err := imageio.Series(path)
		switch {
		case err == nil && len(series) > 1:
			return a.infoSeries(series)
		case err == nil || !errors.Is(err, imageio.ErrNotThisFormat):
			return a.infoImage(ctx, path, voxels, tags)
		}
		return a.infoData(path)
	}
	switch filepath.Ext(path) {
	case ".onnx":
		return a.infoModel(path)
	case ".csv", ".tsv", ".json":
		return a.infoData(path)
	default:
		return a.infoImage(ctx, path, voxels, tags)
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
