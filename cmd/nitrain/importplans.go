package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/nitrain/nitrain/predict"
	"github.com/nitrain/nitrain/predict/nnunet"
)

// plansFlags are the flags of import that are about nnU-Net.
type plansFlags struct {
	path          string // results folder or plans file; empty: SRC itself
	configuration string
	folds         []string
	mirror        []int
	flags         *pflag.FlagSet
}

func (f *plansFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.path, "plans", "", "nnU-Net results `FOLDER`, or plans.json beside dataset.json, that the Spec is made from (docs/nnunet.md)")
	flags.StringVar(&f.configuration, "configuration", "", "of nnU-Net plans: `NAME`, like 3d_fullres (default: what the folder's name says)")
	flags.StringSliceVar(&f.folds, "folds", nil, "of an nnU-Net results folder: the `FOLDS` to import, like 0,1 (default: all that have an .onnx)")
	flags.IntSliceVar(&f.mirror, "mirror", nil, "of nnU-Net plans: `AXES` of the network's input that --tta mirrors, like 0,1,2: inference_allowed_mirroring_axes")
	f.flags = flags
}

// meant reports whether an import is about nnU-Net: plans are named, or the source is a folder of them.
func (f *plansFlags) meant(src string) bool {
	if f.path != "" {
		return true
	}
	info, err := os.Stat(src)
	return err == nil && info.IsDir() && nnunet.IsResults(src)
}

// given reports whether a flag is set that only goes with plans.
func (f *plansFlags) given() bool {
	return f.configuration != "" || len(f.folds) > 0 || f.flags.Changed("mirror")
}

// importPlans imports a model with the Spec that nnU-Net's plans amount to, all folds of a results folder, or, where
// the file to write is called .json, writes that Spec alone.
func (a *app) importPlans(ctx context.Context, src string, f importFlags) error {
	if f.spec != "" {
		return usageError{errors.New("--spec and nnU-Net's plans exclude each other")}
	}
	r, err := nnunet.Open(firstOf(f.plans.path, src), f.plans.configuration)
	if err != nil {
		return err
	}
	if f.plans.flags.Changed("mirror") {
		if err := r.SetMirror(f.plans.mirror); err != nil {
			return usageError{err}
		}
	}
	spec, notes, err := r.Spec()
	if err != nil {
		return err
	}
	f.made, f.notes = &spec, notes
	if strings.EqualFold(filepath.Ext(f.out), ".json") {
		return a.writePlansSpec(src, f)
	}
	folds, err := f.plans.models(r, src)
	if err != nil {
		return err
	}
	var others []string
	for _, fold := range folds[1:] {
		others = append(others, foldFile(f.out, fold.Name))
	}
	if len(others) > 0 {
		f.notes = append(f.notes, fmt.Sprintf("the folds are an ensemble: nitrain predict %s --ensemble %s SCAN -o OUT", f.out, strings.Join(others, " --ensemble ")))
	}
	out := f.out
	for i, fold := range folds {
		if i > 0 {
			f.out, f.notes = foldFile(out, fold.Name), nil
			if f.report != "" {
				f.report = foldFile(f.report, fold.Name)
			}
		}
		if err := a.runImport(ctx, fold.Path, f); err != nil {
			return err
		}
	}
	return nil
}

// models returns the model that was given, or the chosen folds of the folder that was.
func (f *plansFlags) models(r *nnunet.Recipe, src string) ([]nnunet.Fold, error) {
	if info, err := os.Stat(src); err != nil {
		return nil, err
	} else if !info.IsDir() {
		if len(f.folds) > 0 {
			return nil, usageError{errors.New("--folds chooses among the models of a results folder: give the folder in place of the model")}
		}
		return []nnunet.Fold{{Path: src}}, nil
	}
	var have []string
	for _, fold := range r.Folds {
		have = append(have, fold.Name)
	}
	if len(have) == 0 {
		return nil, &nnunet.NoModelError{Folder: src}
	}
	if len(f.folds) == 0 {
		return r.Folds, nil
	}
	var chosen []nnunet.Fold
	for _, name := range f.folds {
		at := slices.Index(have, name)
		if at < 0 {
			return nil, usageError{fmt.Errorf("--folds: want %s, got %s", strings.Join(have, " or "), name)}
		}
		chosen = append(chosen, r.Folds[at])
	}
	return chosen, nil
}

// foldFile is the file of a further fold beside that of the first one.
func foldFile(out, fold string) string {
	ext := filepath.Ext(out)
	return strings.TrimSuffix(out, ext) + "_fold_" + fold + ext
}

// writePlansSpec writes the Spec of plans as a file of its own.
func (a *app) writePlansSpec(src string, f importFlags) error {
	if err := writeJSON(f.out, f.made); err != nil {
		return err
	}
	result := struct {
		Output string        `json:"output"`
		Notes  []string      `json:"notes"`
		Spec   *predict.Spec `json:"spec"`
	}{f.out, append([]string{}, f.notes...), f.made}
	return a.result(result, func(w io.Writer) {
		for _, n := range f.notes {
			fmt.Fprintf(w, "note        %s\n", n)
		}
		fmt.Fprintf(w, "%s -> %s\n", firstOf(f.plans.path, src), f.out)
	})
}
