package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/predict"
	"github.com/nitrain/nitrain/predict/evaluation"
)

func (a *app) evaluate() *cobra.Command {
	var f evaluateFlags
	cmd := &cobra.Command{
		Use:   "evaluate MODEL --data CASES, or evaluate --predictions FILES --labels FILES",
		Short: "Compare a model's predictions, or finished segmentations, with the truth",
		Long: `Predicts every case on its own grid and compares with the truth, per case, per label and per group (column group of the list),
with bootstrap intervals over cases. One bad case is reported and does not stop the others.

Segmentations: Dice, IoU, precision, sensitivity, specificity, volumes, and of surfaces HD, HD95, ASSD, ASD, surface Dice and NSD
within a tolerance (--surfaces=false leaves these out; they cost a second or two on a label of 512x512x300 voxels). Labels that
the Spec makes of several values (region) are compared as regions. Means leave out what does not exist.
Classes: confusion matrix, accuracy, AUC, average precision, calibration. Numbers: MAE, RMSE, R2, Pearson's r, bias and limits of
agreement. Images: MAE, RMSE, PSNR, SSIM. The column label of the list is then the class, the number or the true image's file.

With --predictions no model runs: FILES are a pattern or a folder, paired with --labels by what the wildcards match or by name.

` + exitHelp,
		Example: `  nitrain evaluate tuned.onnx --data test.csv -o report.html -o scores.csv
  nitrain evaluate --predictions 'seg/*.nii.gz' --labels 'truth/*.nii.gz' --nnunet-summary summary.json
  nitrain evaluate --predictions seg --labels truth --region 'whole=1,2,3' --region 'core=2,3' --tolerance whole=2,core=1`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			model := ""
			if len(args) > 0 {
				model = args[0]
			}
			return a.runEvaluate(cmd.Context(), f, model)
		},
	}
	f.register(cmd)
	return cmd
}

func (a *app) runEvaluate(ctx context.Context, f evaluateFlags, model string) error {
	if (model == "") == (f.predictions == "") {
		return usageError{errors.New("want a MODEL or --predictions FILES, one of them")}
	}
	if model != "" && len(f.regions) > 0 {
		return usageError{errors.New("--region: a model's regions stand in its Spec (labels, region); this flag goes with --predictions")}
	}
	o, err := f.options(a.seed)
	if err != nil {
		return usageError{err}
	}
	if err := errors.Join(outputs(append(f.out, f.nnunet)...), f.named()); err != nil {
		return err
	}
	bar := a.progress()
	o.Progress = func(p evaluation.Progress) {
		text, fields := fmt.Sprintf("%s %.3f", p.ID, p.Score), map[string]any{"case": p.ID}
		if p.Err != nil {
			bar.note("nitrain: evaluate: " + p.Err.Error())
			text, fields["error"] = p.ID+" failed", p.Err.Error()
		}
		bar.show("evaluate", p.Done, p.Total, text, fields)
	}
	judge, cases, shut, err := a.openEvaluation(f, model, o)
	if err != nil {
		return err
	}
	defer shut()
	if names := judge.Unnamed(); len(names) > 0 {
		return usageError{fmt.Errorf("--tolerance: no label is called %q", names[0])}
	}
	report, err := judge.Run(ctx, cases)
	if err != nil {
		return err
	}
	bar.clear()
	report.About.Model, report.About.Data = model, f.source()
	a.identify(&report.About, cases)
	if err := f.write(report); err != nil {
		return err
	}
	var failed error
	if err := a.result(report, func(w io.Writer) { failed = printScores(w, report) }); err != nil || failed != nil {
		return errors.Join(err, failed)
	}
	return report.Err()
}

// openEvaluation opens the model, or pairs predictions with the truth.
func (a *app) openEvaluation(f evaluateFlags, model string, o evaluation.Options) (*evaluation.Evaluation, []dataset.Case, func(), error) {
	if model == "" {
		files, cases, err := f.pairs()
		if err != nil {
			return nil, nil, nil, err
		}
		labels, err := f.labelled()
		return evaluation.OfFiles(files, labels, o), cases, func() {}, err
	}
	cases, err := f.data.read()
	if err != nil {
		return nil, nil, nil, err
	}
	p, err := a.openPredictor(model, f.spec, true)
	if err != nil {
		return nil, nil, nil, err
	}
	return evaluation.OfModel(p, o), cases, func() { p.Close() }, nil
}

// pairs finds the truth of each prediction: files by the case's ID.
func (f evaluateFlags) pairs() (map[string]string, []dataset.Case, error) {
	files := map[string]string{}
	if f.data.data == "" {
		if f.data.labels == "" {
			return nil, nil, usageError{errors.New("--predictions: want the truth: --labels FILES, or --data FILE")}
		}
		cases, err := dataset.ReadGlobs(append([]string{f.predictions}, f.data.images...), f.data.labels)
		for i, c := range cases {
			files[c.ID] = c.Images[0]
			cases[i].Images = c.Images[1:]
		}
		return files, cases, err
	}
	cases, err := f.data.read()
	if err != nil {
		return nil, nil, err
	}
	found, err := dataset.Files(f.predictions)
	if err != nil {
		return nil, nil, err
	}
	byStem := map[string]string{}
	for _, path := range found {
		byStem[dataset.Stem(path)] = path
	}
	for _, c := range cases {
		names := []string{c.ID, dataset.Stem(c.ID), dataset.Stem(c.Label)}
		for _, im := range c.Images {
			names = append(names, dataset.Stem(im), strings.TrimSuffix(dataset.Stem(im), "_0000"))
		}
		for _, n := range names {
			if path, ok := byStem[n]; ok && files[c.ID] == "" {
				files[c.ID] = path
			}
		}
	}
	return files, cases, nil
}

// write writes the reports that were asked for.
func (f evaluateFlags) write(r *evaluation.Report) error {
	for _, file := range f.out {
		render := r.WriteCSV
		switch strings.ToLower(filepath.Ext(file)) {
		case ".html":
			render = r.WriteHTML
		case ".json":
			render = func(w io.Writer) error {
				e := json.NewEncoder(w)
				e.SetIndent("", " ")
				return e.Encode(r)
			}
		}
		if err := writeRendered(file, render); err != nil {
			return err
		}
	}
	if f.nnunet == "" {
		return nil
	}
	return writeRendered(f.nnunet, r.WriteNNUNet)
}

func writeRendered(file string, render func(io.Writer) error) error {
	var text strings.Builder
	if err := render(&text); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return writeWhole(file, []byte(text.String()))
}

// labelled returns the labels to compare without a model: a Spec's, or regions; nil: what occurs.
func (f evaluateFlags) labelled() ([]predict.Label, error) {
	var labels []predict.Label
	if f.spec != "" {
		spec, err := readSpecFile(f.spec)
		if err != nil {
			return nil, err
		}
		labels = spec.Labels
	}
	for i, text := range f.regions {
		name, values, err := parseRegion(text)
		if err != nil {
			return nil, usageError{err}
		}
		labels = append(labels, predict.Label{Value: i + 1, Name: name, Region: values})
	}
	return labels, nil
}

// exists reports whether a file is there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
