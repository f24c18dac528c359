package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/register"
	"github.com/nitrain/nitrain/imageio/transform"
)

// transformFlags are the flags of transform: a list of steps, or shorthands for the usual ones.
type transformFlags struct {
	out, steps, orient, spacing, size, like, apply, interpolation string
	label, inverse                                                bool
}

func (a *app) transform() *cobra.Command {
	var f transformFlags
	cmd := &cobra.Command{
		Use:   "transform SCAN -o OUT",
		Short: "Apply a list of steps to an image; its place in the patient is kept",
		Long: `Applies the steps of a JSON list (docs/steps.md; those of a Spec and more) to an image, or the shorthands in the order
apply, orient, spacing, resize, like. A label map (--label) is resampled by nearest neighbour and left alone by intensity steps.
--apply moves the image by an ITK transform file, as "nitrain register" or ANTs writes it; with --onto it is interpolated once.

` + exitHelp,
		Example: `  nitrain transform scan.nii.gz -o ras.nii.gz --orient RAS --spacing 1,1,1
  nitrain transform seg.nii.gz -o clean.nii.gz --label --steps steps.json
  nitrain transform lesion.nii.gz --label --apply t1_to_mni.tfm --onto mni.nii.gz -o lesion_mni.nii.gz
  echo '[{"op":"zscore","nonzero":true}]' > steps.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runTransform(cmd.Context(), args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.out, "output", "o", "", "`FILE` to write (NIfTI, PNG for 2-D; with --label .dcm, a DICOM segmentation)")
	flags.StringVar(&f.steps, "steps", "", "`FILE.json` with a list of steps")
	flags.StringVar(&f.orient, "orient", "", "turn to axis codes such as RAS")
	flags.StringVar(&f.spacing, "spacing", "", "resample to voxels of `X,Y,Z` mm")
	flags.StringVar(&f.size, "resize", "", "scale to `X,Y,Z` voxels")
	flags.StringVar(&f.like, "like", "", "afterwards resample onto the grid of this image")
	flags.StringVar(&f.like, "onto", "", "the same as --like, as --apply calls it")
	flags.StringVar(&f.interpolation, "interpolation", "linear", "of --like and --onto: linear, cubic or nearest")
	flags.StringVar(&f.apply, "apply", "", "before everything move by this transform `FILE` (.tfm, .txt, .mat of ITK)")
	flags.BoolVar(&f.inverse, "inverse", false, "of --apply: the other way round")
	flags.BoolVar(&f.label, "label", false, "the image is a label map")
	return cmd
}

func (a *app) runTransform(ctx context.Context, scan string, f transformFlags) error {
	if f.out == "" {
		return usageError{errors.New("want a file to write: -o FILE")}
	}
	if err := errors.Join(outputs(f.out), named(f.out, imageEndings()...)); err != nil {
		return err
	}
	steps, err := f.pipeline()
	if err != nil {
		return err
	}
	read := imageio.Read
	if f.label {
		read = imageio.ReadLabel
	}
	got, err := interruptible(ctx, func() (*imageio.Image, error) {
		im, err := read(scan)
		if err != nil {
			return nil, err
		}
		got, err := steps.Apply(im)
		if err != nil {
			return nil, badDataError{fmt.Errorf("%s: %w", scan, err)}
		}
		return got, nil
	})
	if err != nil {
		return err
	}
	if err := writeImage(f.out, got, scan); err != nil {
		return err
	}
	summary := map[string]any{"output": f.out, "size": got.Grid.Size, "spacing": got.Grid.Spacing(), "axcodes": got.Grid.AxisCodes(), "channels": got.Channels}
	return a.result(summary, func(w io.Writer) {
		s := got.Grid.Spacing()
		fmt.Fprintf(w, "%s: %d x %d x %d voxels of %.4g x %.4g x %.4g mm, %s\n", f.out,
			got.Grid.Size[0], got.Grid.Size[1], got.Grid.Size[2], s[0], s[1], s[2], got.Grid.AxisCodes())
	})
}

// imageEndings are the names of the image files that commands write.
func imageEndings() []string { return append(imageio.Extensions(), ".dcm") }

// moved returns the step of --apply: the grid moves, nothing is interpolated.
func (f transformFlags) moved() (transform.Pipeline, error) {
	if f.apply == "" {
		if f.inverse {
			return nil, usageError{errors.New("--inverse: want --apply FILE")}
		}
		return nil, nil
	}
	m, err := register.ReadMap(f.apply)
	if err != nil {
		return nil, badDataError{err}
	}
	if !f.inverse { // a transform file says where to look for a point: content goes the other way
		m = m.Inverse()
	}
	return transform.Pipeline{transform.Affine{Matrix: transform.Matrix(m.Affine()), Regrid: true}}, nil
}

// pipeline returns all that the flags ask for.
func (f transformFlags) pipeline() (transform.Pipeline, error) {
	if err := knownInterpolation(f.interpolation); err != nil {
		return nil, err
	}
	before, err := f.moved()
	if err != nil {
		return nil, err
	}
	steps, err := f.listed(len(before) > 0)
	return append(before, steps...), err
}

// listed returns the steps of the file, or those that the shorthands stand for, and of --like; enough says that there
// need not be any.
func (f transformFlags) listed(enough bool) (transform.Pipeline, error) {
	var onto []transform.Transform
	if f.like != "" {
		reference, err := imageio.Open(f.like)
		if err != nil {
			return nil, err
		}
		onto = append(onto, transform.Onto{Grid: reference.Grid(), Interpolation: transform.Interpolation(f.interpolation)})
	}
	if f.steps != "" {
		if f.orient != "" || f.spacing != "" || f.size != "" {
			return nil, usageError{errors.New("--steps and shorthands: want one of them")}
		}
		raw, err := os.ReadFile(f.steps)
		if err != nil {
			return nil, fmt.Errorf("steps: %w", err)
		}
		steps, err := transform.ParseSteps(raw)
		if err != nil {
			return nil, usageError{fmt.Errorf("steps: %s: %w", f.steps, err)}
		}
		return append(steps, onto...), nil
	}
	list := []map[string]any{}
	if f.orient != "" {
		list = append(list, map[string]any{"op": "orient", "axes": f.orient})
	}
	for _, n := range []struct{ flag, text string }{{"--spacing", f.spacing}, {"--resize", f.size}} {
		if n.text != "" && !json.Valid([]byte("["+n.text+"]")) {
			return nil, usageError{fmt.Errorf("%s: want numbers such as 1,1,1, got %q", n.flag, n.text)}
		}
	}
	if f.spacing != "" {
		list = append(list, map[string]any{"op": "spacing", "mm": json.RawMessage("[" + f.spacing + "]")})
	}
	if f.size != "" {
		list = append(list, map[string]any{"op": "resize", "size": json.RawMessage("[" + f.size + "]")})
	}
	if len(list) == 0 && onto == nil && !enough {
		return nil, usageError{errors.New("want --steps FILE, --orient, --spacing, --resize, --like or --apply")}
	}
	raw, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	steps, err := transform.ParseSteps(raw)
	if err != nil {
		return nil, usageError{err}
	}
	return append(steps, onto...), nil
}
