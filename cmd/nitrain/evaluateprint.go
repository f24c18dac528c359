package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"

	"github.com/nitrain/nitrain/imageio/metric"
	"github.com/nitrain/nitrain/predict/evaluation"
)

// printScores prints the summary as a table.
func printScores(w io.Writer, r *evaluation.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	printSummary(t, r.Summary, len(r.Cases))
	if len(r.Groups) > 0 {
		fmt.Fprintln(t)
		printGroups(t, r.Groups)
	}
	return t.Flush()
}

func printSummary(t io.Writer, s evaluation.Summary, cases int) {
	switch {
	case s.Classes != nil:
		printClasses(t, s.Classes)
	case s.Numbers != nil:
		fmt.Fprintln(t, "number\tMAE\tRMSE\tR2\tPearson\tbias\tlimits of agreement\tcases")
		for _, n := range s.Numbers {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s to %s\t%d\n", n.Name, ranged(n.MAE, n.Intervals, "mae"), ranged(n.RMSE, n.Intervals, "rmse"),
				figure(n.R2), figure(n.Pearson), figure(n.Bias), figure(n.Low), figure(n.High), n.Cases)
		}
	case s.Images != nil:
		i := s.Images
		fmt.Fprintln(t, "MAE\tRMSE\tPSNR dB\tSSIM\tcases")
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\n", ranged(i.MAE, i.Intervals, "mae"), ranged(i.RMSE, i.Intervals, "rmse"), ranged(i.PSNR, i.Intervals, "psnr"), ranged(i.SSIM, i.Intervals, "ssim"), cases)
	case s.Mean != nil:
		printLabels(t, s, cases)
	}
}

// printGroups prints a row for each group: its means over labels or classes.
func printGroups(t io.Writer, groups []evaluation.Group) {
	switch s := groups[0].Summary; {
	case s.Classes != nil:
		fmt.Fprintln(t, "group\taccuracy\tAUC\taverage precision\tcases")
	case s.Numbers != nil:
		fmt.Fprintln(t, "group\tnumber\tMAE\tRMSE\tbias\tcases")
	case s.Images != nil:
		fmt.Fprintln(t, "group\tMAE\tPSNR dB\tSSIM\tcases")
	default:
		fmt.Fprintln(t, "group\tdice\tiou\tprecision\tsensitivity\tcases")
	}
	for _, g := range groups {
		switch s := g.Summary; {
		case s.Classes != nil:
			c := s.Classes
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\n", g.Name, ranged(c.Accuracy, c.Intervals, "accuracy"), ranged(c.AUC, c.Intervals, "auc"), figure(c.AP), g.Cases)
		case s.Numbers != nil:
			for _, n := range s.Numbers {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\n", g.Name, n.Name, ranged(n.MAE, n.Intervals, "mae"), ranged(n.RMSE, n.Intervals, "rmse"), figure(n.Bias), g.Cases)
			}
		case s.Images != nil:
			i := s.Images
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\n", g.Name, ranged(i.MAE, i.Intervals, "mae"), figure(i.PSNR), ranged(i.SSIM, i.Intervals, "ssim"), g.Cases)
		case s.Mean != nil:
			m := s.Mean
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\n", g.Name, ranged(m.Dice, s.MeanIntervals, "dice"), figure(m.IoU), figure(m.Precision), figure(m.Sensitivity), g.Cases)
		}
	}
}

func printLabels(t io.Writer, s evaluation.Summary, cases int) {
	surfaces := len(s.Labels) > 0 && s.Labels[0].Tolerance != nil
	row := func(name string, m evaluation.Means, i map[string]metric.Interval, cases string) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s", name, ranged(m.Dice, i, "dice"), figure(m.IoU), figure(m.Precision), figure(m.Sensitivity), figure(m.VolumeError))
		if surfaces {
			fmt.Fprintf(t, "\t%s\t%s\t%s\t%s", ranged(m.HD95, i, "hd95_mm"), figure(m.ASSD), figure(m.SurfaceDice), figure(m.NSD))
		}
		fmt.Fprintf(t, "\t%s\n", cases)
	}
	fmt.Fprint(t, "label\tdice\tiou\tprecision\tsensitivity\tvolume error")
	if surfaces {
		fmt.Fprint(t, "\thd95 mm\tassd mm\tsurface dice\tnsd")
	}
	fmt.Fprintln(t, "\tcases")
	for _, l := range s.Labels {
		count := strconv.Itoa(l.Cases)
		if l.Missed > 0 {
			count += fmt.Sprintf(" (%d missed or extra)", l.Missed)
		}
		row(fmt.Sprintf("%d %s", l.Value, l.Name), l.Means, l.Intervals, count)
	}
	row("mean", *s.Mean, s.MeanIntervals, strconv.Itoa(cases))
}

func printClasses(t io.Writer, s *evaluation.ClassSummary) {
	fmt.Fprintf(t, "accuracy\t%s\nbalanced accuracy\t%s\nAUC (mean over classes)\t%s\nAUC (all together)\t%s\naverage precision\t%s\ncalibration error\t%s\nBrier score\t%s\n",
		ranged(s.Accuracy, s.Intervals, "accuracy"), ranged(s.BalancedAccuracy, s.Intervals, "balanced_accuracy"), ranged(s.AUC, s.Intervals, "auc"),
		ranged(s.MicroAUC, s.Intervals, "auc_micro"), ranged(s.AP, s.Intervals, "average_precision"), ranged(s.ECE, s.Intervals, "ece"), ranged(s.Brier, s.Intervals, "brier"))
	fmt.Fprintln(t, "\nclass\tAUC\taverage precision\tsensitivity\tspecificity\tprecision\tF1\tcases")
	for _, c := range s.Classes {
		fmt.Fprintf(t, "%d %s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", c.Value, c.Name, figure(c.AUC), figure(c.AP), figure(c.Sensitivity), figure(c.Specificity), figure(c.Precision), figure(c.F1), c.Truth())
	}
	if s.Confusion == nil {
		return
	}
	fmt.Fprint(t, "\ntrue \\ picked")
	for _, n := range s.Names {
		fmt.Fprintf(t, "\t%s", n)
	}
	for i, row := range s.Confusion {
		fmt.Fprintf(t, "\n%s", s.Names[i])
		for _, n := range row {
			fmt.Fprintf(t, "\t%d", n)
		}
	}
	fmt.Fprintln(t)
}

// ranged is a number with its interval.
func ranged(v metric.Number, intervals map[string]metric.Interval, key string) string {
	i, ok := intervals[key]
	if !ok || math.IsNaN(float64(i.Low)) {
		return figure(v)
	}
	return fmt.Sprintf("%s [%s, %s]", figure(v), figure(i.Low), figure(i.High))
}

// figure is a number with four significant digits or decimals, - where there is none.
func figure(v metric.Number) string {
	switch f := float64(v); {
	case math.IsNaN(f):
		return "-"
	case math.Abs(f) >= 1:
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return strconv.FormatFloat(float64(v), 'f', 4, 64)
}
