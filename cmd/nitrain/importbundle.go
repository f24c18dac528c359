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

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
	"github.com/nitrain/nitrain/predict/bundle"
)

// bundleFlags are the flags of import that are about MONAI bundles.
type bundleFlags struct {
	model   string   // the .onnx file, where the bundle holds none
	configs []string // configuration files of the bundle
	set     []string // id=value
}

func (f *bundleFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.model, "model", "", "of a MONAI bundle: the ONNX `FILE`, where the bundle holds none")
	flags.StringSliceVar(&f.configs, "bundle-config", nil, "of a MONAI bundle: configuration `FILES` inside of it, merged in order (default configs/inference.json or .yaml)")
	flags.StringArrayVar(&f.set, "set", nil, "of a MONAI bundle: `ID=VALUE` that replaces a value of the configuration, like displayable_configs#highres=false; may be repeated")
}

func (f *bundleFlags) given() bool { return f.model != "" || len(f.configs) > 0 || len(f.set) > 0 }

// bundleError is a bundle that cannot be used.
type bundleError struct{ error }

func (e bundleError) Unwrap() error { return e.error }

// isBundle tells folders and zips of MONAI bundles from models.
func isBundle(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	if !info.IsDir() {
		return strings.EqualFold(filepath.Ext(path), ".zip")
	}
	for _, name := range []string{"metadata.json", "inference.json", "inference.yaml", "inference.yml"} {
		if _, err := os.Lstat(filepath.Join(path, "configs", name)); err == nil {
			return true
		}
	}
	return false
}

func openBundle(src string, f bundleFlags) (*bundle.Bundle, error) {
	o := bundle.Options{Configs: f.configs}
	for _, s := range f.set {
		id, value, ok := strings.Cut(s, "=")
		if !ok || id == "" {
			return nil, usageError{fmt.Errorf("--set %s: want ID=VALUE", s)}
		}
		o.Set = append(o.Set, bundle.Setting{ID: id, Value: value})
	}
	b, err := bundle.Open(src, o)
	if err != nil {
		return nil, bundleError{err}
	}
	return b, nil
}

// importBundle imports a bundle's model with the Spec that its configuration amounts to, or, where the file to write is
// called .json, writes that Spec alone.
func (a *app) importBundle(ctx context.Context, src string, f importFlags) error {
	b, err := openBundle(src, f.bundle)
	if err != nil {
		return err
	}
	defer b.Close()
	specOnly := strings.EqualFold(filepath.Ext(f.out), ".json")
	model, done, err := f.bundle.model, func() {}, error(nil)
	if model == "" {
		model, done, err = b.ModelFile()
	}
	var none *bundle.NoModelError
	switch {
	case err == nil:
		defer done()
	case errors.As(err, &none) && specOnly:
		model = ""
	case errors.As(err, &none) && f.spec == "": // what cannot be translated need not be exported
		if _, _, refused := b.Spec(); refused != nil {
			return bundleError{refused}
		}
		return bundleError{err}
	default:
		return bundleError{err}
	}
	if f.spec == "" {
		if f.made, f.notes, err = bundleSpec(b, model); err != nil {
			return err
		}
	}
	if specOnly {
		return a.writeSpec(b, f)
	}
	f.named = src
	return a.runImport(ctx, model, f)
}

// bundleSpec translates a bundle, for a model where there is one.
func bundleSpec(b *bundle.Bundle, model string) (*predict.Spec, []string, error) {
	if model != "" {
		m, err := onnx.ReadFile(model)
		if err != nil {
			return nil, nil, err
		}
		b.Fit(m.Inputs(), m.Outputs())
		if err := m.Close(); err != nil {
			return nil, nil, err
		}
	}
	spec, notes, err := b.Spec()
	if err != nil {
		return nil, nil, bundleError{err}
	}
	return &spec, notes, nil
}

// writeSpec writes a bundle's Spec as a file of its own.
func (a *app) writeSpec(b *bundle.Bundle, f importFlags) error {
	if f.made == nil {
		return usageError{errors.New("--spec gives the Spec that would be written")}
	}
	if err := writeJSON(f.out, f.made); err != nil {
		return err
	}
	result := map[string]any{"bundle": b.Name, "output": f.out, "notes": append([]string{}, f.notes...), "spec": f.made}
	return a.result(result, func(w io.Writer) {
		printSpec(w, f.made)
		for _, n := range f.notes {
			fmt.Fprintf(w, "note        %s\n", n)
		}
		fmt.Fprintf(w, "%s -> %s\n", b.Path, f.out)
	})
}

// bundleInfo is what info tells about a bundle.
type bundleInfo struct {
	Format  string        `json:"format"`
	Name    string        `json:"name"`
	Version string        `json:"version"`
	Task    string        `json:"task"`
	Summary string        `json:"description"`
	Authors string        `json:"authors"`
	Licence string        `json:"licence"`
	Configs []string      `json:"configs"`
	Model   string        `json:"model"` // the .onnx file inside; empty if there is none
	Weights []string      `json:"weights"`
	Export  string        `json:"export,omitempty"` // what makes the model
	Spec    *predict.Spec `json:"spec,omitempty"`
	Notes   []string      `json:"notes"`
	Refused []bundle.Item `json:"refused"`
}

func (a *app) infoBundle(src string) error {
	b, err := openBundle(src, bundleFlags{})
	if err != nil {
		return err
	}
	defer b.Close()
	info := bundleInfo{
		Format: "MONAI bundle", Name: b.Name, Version: b.Version, Task: b.Task, Summary: b.Summary, Authors: b.Authors, Licence: b.Licence,
		Configs: b.Configs, Model: b.Model, Weights: append([]string{}, b.Weights...), Notes: []string{}, Refused: []bundle.Item{},
	}
	model, done, err := b.ModelFile()
	var none *bundle.NoModelError
	switch {
	case errors.As(err, &none):
		info.Export = none.Error()
	case err != nil:
		return bundleError{err}
	default:
		defer done()
	}
	spec, notes, err := bundleSpec(b, model)
	var refused *bundle.UntranslatableError
	switch {
	case errors.As(err, &refused):
		info.Refused = refused.Items
	case err != nil:
		return err
	default:
		info.Spec, info.Notes = spec, append(info.Notes, notes...)
	}
	return a.result(info, func(w io.Writer) { printBundle(w, info) })
}

func printBundle(w io.Writer, info bundleInfo) {
	fmt.Fprintf(w, "bundle      MONAI, %s\n", strings.TrimSpace(info.Name+" "+info.Version))
	for _, line := range [][2]string{{"about", info.Summary}, {"task", info.Task}, {"authors", info.Authors}, {"licence", info.Licence}, {"configs", strings.Join(info.Configs, ", ")}} {
		if line[1] != "" {
			fmt.Fprintf(w, "%-11s %s\n", line[0], line[1])
		}
	}
	models := slices.Clone(info.Weights)
	if info.Model != "" {
		models = append([]string{info.Model}, models...)
	}
	fmt.Fprintf(w, "models      %s\n", firstOf(strings.Join(models, ", "), "none"))
	printSpec(w, info.Spec)
	for _, n := range info.Notes {
		fmt.Fprintf(w, "note        %s\n", n)
	}
	for _, i := range info.Refused {
		fmt.Fprintf(w, "refused     %s\n", i)
	}
	if len(info.Refused) == 0 {
		fmt.Fprintf(w, "import      %s\n", firstOf(info.Export, "nitrain import BUNDLE -o MODEL.onnx"))
	}
}
