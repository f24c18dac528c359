package evaluation

import (
	"encoding/csv"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio/metric"
	"github.com/nitrain/nitrain/predict"
)

// WriteCSV writes a row for each case, and of a segmentation for each of its labels, of a regression for
// each number. Numbers that do not exist are empty, infinite ones "inf".
func (r *Report) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	var rows [][]string
	switch r.Task {
	case predict.Classification:
		rows = r.classRows()
	case predict.Regression:
		rows = r.numberRows()
	case predict.ImageToImage:
		rows = r.imageRows()
	default:
		rows = r.labelRows()
	}
	return out.WriteAll(rows)
}

func (r *Report) labelRows() [][]string {
	rows := [][]string{{
		"case", "label", "name", "dice", "iou", "precision", "sensitivity", "hd95_mm", "assd_mm", "ml", "truth_ml", "volume_error",
		"specificity", "hd_mm", "asd_mm", "surface_dice", "nsd", "tp", "fp", "fn", "tn", "n_pred", "n_ref", "group",
	}}
	for _, c := range r.Cases {
		for i, s := range c.Labels {
			row := []string{c.ID, strconv.Itoa(s.Label), r.Labels[i].Name}
			row = append(row, cells(s.Dice, s.IoU, s.Precision, s.Sensitivity, s.HD95, s.ASSD, s.ML, s.TruthML, s.VolumeError,
				s.Specificity, s.HD, s.ASD, s.SurfaceDice, s.NSD)...)
			for _, n := range []int{s.TruePositive, s.FalsePositive, s.FalseNegative, s.TrueNegative, s.Predicted, s.Truth} {
				row = append(row, strconv.Itoa(n))
			}
			rows = append(rows, append(row, c.Group))
		}
	}
	return rows
}

func (r *Report) classRows() [][]string {
	head := []string{"case", "group", "truth", "picked", "correct"}
	if r.Classes != nil {
		for _, c := range r.Classes.Classes {
			head = append(head, "p_"+c.Name)
		}
	}
	rows := [][]string{head}
	for _, c := range r.Cases {
		row := []string{c.ID, c.Group, strings.Join(c.Class.Truth, ";"), strings.Join(c.Class.Picked, ";"), strconv.FormatBool(c.Class.Right())}
		for _, p := range c.Class.Probabilities {
			row = append(row, cell(p.Probability))
		}
		rows = append(rows, row)
	}
	return rows
}

func (r *Report) numberRows() [][]string {
	rows := [][]string{{"case", "group", "name", "unit", "truth", "predicted", "difference"}}
	for _, c := range r.Cases {
		for _, n := range c.Numbers {
			rows = append(rows, []string{c.ID, c.Group, n.Name, n.Unit, cell(n.Truth), cell(n.Predicted), cell(n.Predicted - n.Truth)})
		}
	}
	return rows
}

func (r *Report) imageRows() [][]string {
	rows := [][]string{{"case", "group", "mae", "rmse", "psnr", "ssim", "range"}}
	for _, c := range r.Cases {
		s := c.Image
		rows = append(rows, append([]string{c.ID, c.Group}, cells(s.MAE, s.RMSE, s.PSNR, s.SSIM, s.Range)...))
	}
	return rows
}

func cells(values ...metric.Number) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = cell(float64(v))
	}
	return out
}

func cell(v float64) string {
	switch {
	case math.IsNaN(v):
		return ""
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	}
	return strconv.FormatFloat(v, 'g', 9, 64)
}
