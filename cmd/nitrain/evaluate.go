package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/predict"
)

func (a *app) evaluate() *cobra.Command {
	var data dataFlags
	var out, spec string
	var surfaces bool
	cmd := &cobra.Command{
		Use:   "evaluate MODEL --data CASES",
		Short: "Compare a model's predictions with the truth, per case and label",
		Long: `Predicts every case on its own grid and compares with its label image: Dice, IoU, precision, sensitivity and volumes,
with --surfaces also HD95 and ASSD in mm. Means are over the cases in which a label occurs.

` + exitHelp,
		Example: `  nitrain evaluate tuned.onnx --data test.csv
  nitrain evaluate tuned.onnx --images 'img/*.nii.gz' --labels 'seg/*.nii.gz' --surfaces -o scores.csv`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runEvaluate(cmd.Context(), args[0], spec, out, data, surfaces)
		},
	}
	data.register(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", "", "write a row for each case and label to a CSV `FILE`")
	cmd.Flags().StringVar(&spec, "spec", "", "`FILE` with a Spec to follow instead of the model's own")
	cmd.Flags().BoolVar(&surfaces, "surfaces", false, "also surface distances, which take seconds on large labels")
	return cmd
}

func (a *app) runEvaluate(ctx context.Context, model, spec, out string, data dataFlags, surfaces bool) error {
	cases, err := data.read()
	if err != nil {
		return err
	}
	if err := outputs(out); err != nil {
		return err
	}
	p, err := a.openPredictor(model, spec, true)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := dataset.Check(ctx, cases, dataset.Want{Labelled: true}); err != nil {
		return err
	}
	bar := a.progress()
	report, err := p.Evaluate(ctx, cases, predict.Evaluation{Surfaces: surfaces, Progress: func(done, total int, last predict.CaseScore) {
		bar.show("evaluate", done, total, fmt.Sprintf("%s dice %.3f", last.ID, last.Dice()), map[string]any{"case": last.ID})
	}})
	if err != nil {
		return err
	}
	bar.clear()
	if out != "" {
		var text strings.Builder
		if err := report.WriteCSV(&text); err != nil {
			return err
		}
		if err := writeWhole(out, []byte(text.String())); err != nil {
			return err
		}
	}
	return a.result(report, func(w io.Writer) { printScores(w, report, surfaces) })
}

func printScores(w io.Writer, r *predict.Report, surfaces bool) {
	row := func(name string, m predict.Means, cases string) {
		fmt.Fprintf(w, "%-24s %7.4f %7.4f %9.4f %11.4f %12.4f", name, m.Dice, m.IoU, m.Precision, m.Sensitivity, m.VolumeError)
		if surfaces {
			fmt.Fprintf(w, " %8.2f %8.2f", m.HD95, m.ASSD)
		}
		fmt.Fprintf(w, " %6s\n", cases)
	}
	fmt.Fprintf(w, "%-24s %7s %7s %9s %11s %12s", "label", "dice", "iou", "precision", "sensitivity", "volume error")
	if surfaces {
		fmt.Fprintf(w, " %8s %8s", "hd95 mm", "assd mm")
	}
	fmt.Fprintf(w, " %6s\n", "cases")
	for _, l := range r.Labels {
		row(fmt.Sprintf("%d %s", l.Value, l.Name), l.Means, strconv.Itoa(l.Cases))
	}
	row("mean", r.Mean, strconv.Itoa(len(r.Cases)))
}
