package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/register"
	"github.com/nitrain/nitrain/imageio/transform"
)

// registerFlags are the flags of register.
type registerFlags struct {
	onto, out, transform, start, mask, interpolation string
	rigid, similarity, affine                        bool
	finest                                           float64
	samples                                          int
}

func (a *app) register() *cobra.Command {
	var f registerFlags
	cmd := &cobra.Command{
		Use:   "register SCAN --onto TEMPLATE [-o MOVED] [--transform T.tfm]",
		Short: "Find the affine map that lays a scan on a template",
		Long: `Finds the map under which SCAN says most about TEMPLATE (mutual information, coarse to fine), so that they may be of
different kinds. Writes the scan on the template's grid (-o), the map as an ITK transform file (--transform, .tfm or .mat,
as ANTs, 3D Slicer and SimpleITK read it), or both. "nitrain transform OTHER --apply T.tfm --onto TEMPLATE" moves other images of
the scan, labels too, the same way; with --inverse and --onto SCAN it brings the template's to the scan.

` + exitHelp,
		Example: `  nitrain register t1.nii.gz --onto mni.nii.gz -o t1_mni.nii.gz --transform t1_to_mni.tfm
  nitrain register flair.nii.gz --onto t1.nii.gz --rigid -o flair_t1.nii.gz
  nitrain transform lesion.nii.gz --label --apply t1_to_mni.tfm --onto mni.nii.gz -o lesion_mni.nii.gz
  nitrain transform atlas.nii.gz --label --apply t1_to_mni.tfm --inverse --onto t1.nii.gz -o atlas_t1.nii.gz`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runRegister(cmd.Context(), args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.onto, "onto", "", "the fixed image, such as a template (required)")
	flags.StringVarP(&f.out, "output", "o", "", "`FILE` to write the scan to, on the template's grid")
	flags.StringVar(&f.transform, "transform", "", "`FILE.tfm` or .mat to write the map to")
	flags.BoolVar(&f.affine, "affine", false, "rotation, translation, scales and shear (the default)")
	flags.BoolVar(&f.rigid, "rigid", false, "rotation and translation only: the same head")
	flags.BoolVar(&f.similarity, "similarity", false, "rotation, translation and one scale")
	flags.StringVar(&f.start, "start", "", "transform `FILE` to begin from, in place of several guesses")
	flags.StringVar(&f.mask, "mask", "", "compare only where this image, in the template's space, is not zero")
	flags.StringVar(&f.interpolation, "interpolation", "linear", "of the written scan: linear, cubic or nearest")
	flags.Float64Var(&f.finest, "finest", 0, "voxel size in `MM` of the last level (0: the coarser image's, at least 1)")
	flags.IntVar(&f.samples, "samples", 0, "points that are compared (0: 120000)")
	return cmd
}

func (f registerFlags) options() (register.Options, error) {
	o := register.Options{Kind: register.Full, Finest: f.finest, Samples: f.samples}
	kinds := 0
	for _, k := range []struct {
		set  bool
		kind register.Kind
	}{{f.affine, register.Full}, {f.similarity, register.Similarity}, {f.rigid, register.Rigid}} {
		if k.set {
			o.Kind = k.kind
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return o, usageError{errors.New("--affine, --similarity and --rigid: want one of them")}
	case f.onto == "":
		return o, usageError{errors.New("want the image to register to: --onto TEMPLATE")}
	case f.out == "" && f.transform == "":
		return o, usageError{errors.New("want something to write: -o FILE, --transform FILE.tfm or both")}
	}
	if err := knownInterpolation(f.interpolation); err != nil {
		return o, err
	}
	if err := errors.Join(outputs(f.out, f.transform), named(f.out, imageEndings()...), named(f.transform, ".tfm", ".txt", ".mat")); err != nil {
		return o, err
	}
	if f.start != "" {
		m, err := register.ReadMap(f.start)
		if err != nil {
			return o, badDataError{err}
		}
		o.Start = &m
	}
	return o, nil
}

func knownInterpolation(name string) error {
	if slices.Contains([]transform.Interpolation{transform.Linear, transform.Cubic, transform.Nearest}, transform.Interpolation(name)) {
		return nil
	}
	return usageError{fmt.Errorf("--interpolation: want linear, cubic or nearest, got %q", name)}
}

func (a *app) runRegister(ctx context.Context, scan string, f registerFlags) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	o.Seed = a.seed
	found, err := interruptible(ctx, func() (*registered, error) { return registerFiles(ctx, scan, f, o) })
	if err != nil {
		return err
	}
	if f.transform != "" {
		if err := register.WriteMap(f.transform, found.Map); err != nil {
			return err
		}
	}
	if f.out != "" {
		if err := imageio.Write(f.out, found.moved); err != nil {
			return err
		}
	}
	summary := map[string]any{"kind": o.Kind, "matrix": found.Map.Affine(), "information": found.Information, "evaluations": found.Evaluations}
	for key, file := range map[string]string{"output": f.out, "transform": f.transform} {
		if file != "" {
			summary[key] = file
		}
	}
	return a.result(summary, func(w io.Writer) {
		for _, file := range []string{f.out, f.transform} {
			if file != "" {
				fmt.Fprintln(w, file)
			}
		}
		fmt.Fprintf(w, "mutual information %.4f; world of the template to world of the scan, mm, RAS:\n", found.Information)
		matrix := found.Map.Affine()
		for _, row := range matrix[:3] {
			fmt.Fprintf(w, "  %9.5f %9.5f %9.5f %10.4f\n", row[0], row[1], row[2], row[3])
		}
	})
}

// registered is what a registration found and the scan that it moved.
type registered struct {
	*register.Result
	moved *imageio.Image
}

func registerFiles(ctx context.Context, scan string, f registerFlags, o register.Options) (*registered, error) {
	fixed, err := imageio.Read(f.onto)
	if err != nil {
		return nil, err
	}
	moving, err := imageio.Read(scan)
	if err != nil {
		return nil, err
	}
	if f.mask != "" {
		if o.FixedMask, err = imageio.Read(f.mask); err != nil {
			return nil, err
		}
	}
	found, err := register.Register(ctx, fixed, moving, o)
	if err != nil {
		return nil, badDataError{err}
	}
	out := &registered{Result: found}
	if f.out != "" {
		out.moved, err = found.Map.Resampled(moving, fixed.Grid, transform.Interpolation(f.interpolation), 0)
	}
	return out, err
}
