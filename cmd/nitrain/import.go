package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict"

	"github.com/nitrain/nitrain/internal/digest"
)

// importFlags are the flags of import.
type importFlags struct {
	out, spec, report string
	trusted           bool
	plans             plansFlags
	bundle            bundleFlags
	made              *predict.Spec // what a recipe of another kind amounts to; nil for a model alone
	notes             []string      // on how it was made
	named             string        // what the source is called, where it is not the model's file
}

// importReport is what import tells about a model.
type importReport struct {
	Source   string             `json:"source"`
	SHA256   string             `json:"sha256"` // of the source file
	Output   string             `json:"output"`
	Model    onnx.Description   `json:"model"`
	Warnings []string           `json:"warnings"`
	Parity   *convert.Deviation `json:"parity"`
	Spec     bool               `json:"spec"`
}

func (a *app) importModel() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import SRC -o MODEL.onnx",
		Short: "Take in a model or a MONAI bundle: check that it trains, attach its Spec",
		Long: `Reads the model, builds its training graph, compares it with onnxruntime on random input, attaches the Spec that says how
images become its input (docs/spec.md), and says what the exporter did to the weights. "--spec guess" drafts a Spec from the
shapes alone: edit it before you rely on it.

SRC may be a MONAI bundle, a folder or a zip: its inference configuration is translated into a Spec and never run; what has no translation
is refused by name (docs/bundles.md). Where it holds no ONNX file, --model gives one, and without it the command that makes one is printed.

With --plans the Spec is made from nnU-Net v2's plans.json and dataset.json (docs/nnunet.md). SRC may be the results folder itself where
its folds have been exported: each becomes a model. "-o SPEC.json" writes the Spec alone.

` + exitHelp,
		Example: `  nitrain import unet.onnx --spec spec.json -o model.onnx
  nitrain import unet.onnx --spec guess -o model.onnx --report report.json
  nitrain import spleen_ct_segmentation -o spleen.onnx
  nitrain import wholeBody_ct_segmentation.zip --set displayable_configs#highres=false --model lowres.onnx -o body.onnx
  nitrain import fold_0.onnx --plans nnUNet_results/Dataset009_Spleen --configuration 3d_fullres -o spleen.onnx`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.out == "" {
				return usageError{errors.New("want a file to write: -o MODEL.onnx")}
			}
			if f.plans.meant(args[0]) {
				return a.importPlans(cmd.Context(), args[0], f)
			}
			if f.plans.given() {
				return usageError{errors.New("--configuration, --folds and --mirror go with nnU-Net's plans: --plans FOLDER")}
			}
			if isBundle(args[0]) {
				return a.importBundle(cmd.Context(), args[0], f)
			}
			if f.bundle.given() {
				return usageError{fmt.Errorf("%s is no MONAI bundle: --model, --bundle-config and --set are for bundles", args[0])}
			}
			return a.runImport(cmd.Context(), args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.out, "output", "o", "", "ONNX `FILE` to write")
	flags.StringVar(&f.spec, "spec", "", "`FILE.json` with the Spec, or guess (default: the model's own)")
	flags.StringVar(&f.report, "report", "", "also write the report to a JSON `FILE`")
	f.plans.add(flags)
	f.bundle.add(flags)
	flags.BoolVar(&f.trusted, "trust", false, "open the model without trying it in a child process first")
	return cmd
}

func (a *app) runImport(ctx context.Context, src string, f importFlags) error {
	if err := outputs(f.out, f.report); err != nil {
		return err
	}
	m, err := onnx.ReadFile(src)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := structure(m); err != nil {
		return fmt.Errorf("%s: %w", src, err)
	}
	g, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		return fmt.Errorf("%s: %w", src, err)
	}
	parity, err := a.parity(ctx, g, src, f.trusted)
	if err != nil {
		return fmt.Errorf("%s: %w", src, err)
	}
	report := importReport{Source: firstOf(f.named, src), Output: f.out, Model: onnx.Describe(m), Warnings: append(append([]string{}, m.Warnings()...), g.Warnings()...), Parity: parity}
	if !parity.OK() {
		report.Warnings = append(report.Warnings, differs(parity))
	}
	if report.SHA256, err = digest.File(src); err != nil {
		return err
	}
	if f.made != nil {
		report.Spec, err = true, attachMade(m, *f.made, report.SHA256)
		report.Warnings = append(report.Warnings, f.notes...)
	} else {
		report.Spec, err = attachSpec(m, f.spec, src, report.SHA256)
	}
	if err != nil {
		return err
	}
	if !report.Spec {
		report.Warnings = append(report.Warnings, "the model carries no Spec: predict and finetune will want one (--spec FILE.json or --spec guess)")
	}
	if err := onnx.WriteFile(f.out, m); err != nil {
		return err
	}
	if f.report != "" {
		if err := writeJSON(f.report, report); err != nil {
			return err
		}
	}
	return a.result(report, func(w io.Writer) {
		printModel(w, report.Model)
		fmt.Fprintf(w, "parity      %.2g of the largest value, against onnxruntime on random input%s\n", float64(parity.MaxRel), after("; ", parity.Note))
		for _, warning := range report.Warnings {
			fmt.Fprintf(w, "warning     %s\n", warning)
		}
		fmt.Fprintf(w, "%s -> %s\n", report.Source, f.out)
	})
}

// attachMade puts a Spec that another form of recipe amounts to into the model.
func attachMade(m *onnx.Model, spec predict.Spec, sha string) error {
	if err := predict.Matches(spec, m.Inputs(), m.Outputs()); err != nil {
		return err
	}
	var from predict.Provenance
	if spec.Provenance != nil {
		from = *spec.Provenance
	}
	from.SHA256, from.Tool = sha, "nitrain "+version
	spec.Provenance = &from
	return predict.WriteSpec(m, spec)
}

// differs says that a training graph is not the function that the file is.
func differs(d *convert.Deviation) string {
	return fmt.Sprintf("outputs differ from onnxruntime's by %.2g of the largest value (%s), first at %s: the model is not trained", float64(d.MaxRel), d.Worst, firstOf(d.Node, "no node that can be told"))
}

// structureError lists what breaks the rules of ONNX.
type structureError struct{ violations []onnx.Violation }

func (e *structureError) Error() string {
	lines := []string{fmt.Sprintf("model breaks %d rules of ONNX", len(e.violations))}
	for _, v := range e.violations {
		lines = append(lines, v.String())
	}
	return strings.Join(lines, "\n  ")
}

func structure(m *onnx.Model) error {
	var broken []onnx.Violation
	for _, v := range onnx.Check(m) {
		if !v.Warning {
			broken = append(broken, v)
		}
	}
	if len(broken) > 0 {
		return &structureError{broken}
	}
	return nil
}

// parity compares the training graph with onnxruntime. A model in training form is compared through a copy in
// inference form, any other as the file that it is, if src names one.
func (a *app) parity(ctx context.Context, g *convert.Graph, src string, trusted bool) (*convert.Deviation, error) {
	b, err := a.backend()
	if err != nil {
		return nil, err
	}
	defer b.Close()
	asStored := src != "" && !g.TrainingForm()
	var sessions []*ort.Session
	defer func() {
		for _, s := range sessions {
			s.Close()
		}
	}()
	var failed error
	d := g.Prove(ctx, b, convert.CheckOptions{Seed: a.seed, Open: func(m *onnx.Model) (onnx.Runner, error) {
		o := ort.Options{Threads: a.threads, Untrusted: !trusted && len(sessions) == 0}
		var s *ort.Session
		if asStored && len(sessions) == 0 { // later models are parts of this one
			s, failed = ort.Open(src, o)
		} else {
			raw, err := onnx.Encode(m)
			if err != nil {
				return nil, err
			}
			s, failed = ort.OpenBytes(raw, o)
		}
		if failed == nil {
			sessions = append(sessions, s)
		}
		return s, failed
	}})
	if failed != nil {
		return nil, failed
	}
	if d.Error != "" {
		return nil, errors.New(d.Error)
	}
	return d, ctx.Err()
}

// attachSpec puts the Spec that the flag names into the model; it reports whether the model has one then.
func attachSpec(m *onnx.Model, flag, src, sha string) (bool, error) {
	var spec predict.Spec
	var err error
	switch flag {
	case "":
		spec, err = predict.ReadSpec(m)
		if errors.Is(err, predict.ErrNoSpec) {
			return false, nil
		}
	case "guess":
		spec, err = predict.GuessModel(m)
	default:
		spec, err = readSpecFile(flag)
	}
	if err != nil {
		return false, err
	}
	if err := predict.Matches(spec, m.Inputs(), m.Outputs()); err != nil {
		return false, fmt.Errorf("%s: %w", src, err)
	}
	if spec.Provenance == nil {
		spec.Provenance = &predict.Provenance{Source: filepath.Base(src), SHA256: sha, Tool: "nitrain " + version}
	}
	return true, predict.WriteSpec(m, spec)
}
