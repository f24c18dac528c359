package evaluation

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio/metric"
	"github.com/nitrain/nitrain/predict"
)

// summaryKeys are the numbers of nnU-Net's summary, as its own file sorts them.
func summaryKeys() []string {
	return []string{"Dice", "FN", "FP", "IoU", "TN", "TP", "n_pred", "n_ref"}
}

// WriteNNUNet writes what nnUNetv2_evaluate_folder writes as summary.json: Dice, IoU and voxel counts by
// case and label, their means over cases, and the mean of these over labels. What is NaN there is NaN here,
// which strict JSON does not have but Python reads.
func (r *Report) WriteNNUNet(w io.Writer) error {
	if r.Task != predict.Segmentation {
		return errTask("nnU-Net's summary", predict.Segmentation, r.Task)
	}
	labels := foreground(r.labels)
	var b strings.Builder
	b.WriteString("{\n    \"foreground_mean\": ")
	means := make([][]float64, len(labels))
	for i := range labels {
		means[i] = r.summaryMean(i)
	}
	all := make([]float64, len(summaryKeys()))
	for k := range all {
		for i := range labels {
			all[k] += means[i][k] / float64(len(labels))
		}
		if len(labels) == 0 {
			all[k] = math.NaN()
		}
	}
	summaryNumbers(&b, all, 4)
	b.WriteString(",\n    \"mean\": {")
	for i, l := range labels {
		fmt.Fprintf(&b, "%s\n        %q: ", comma(i), summaryKey(l))
		summaryNumbers(&b, means[i], 8)
	}
	b.WriteString("\n    },\n    \"metric_per_case\": [")
	for i, c := range r.Cases {
		fmt.Fprintf(&b, "%s\n        {\n            \"metrics\": {", comma(i))
		for k, l := range labels {
			fmt.Fprintf(&b, "%s\n                %q: ", comma(k), summaryKey(l))
			summaryNumbers(&b, summaryValues(c.Labels[k]), 16)
		}
		prediction, err := json.Marshal(or(c.Prediction, c.ID))
		if err != nil {
			return err
		}
		reference, err := json.Marshal(c.Reference)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "\n            },\n            \"prediction_file\": %s,\n            \"reference_file\": %s\n        }", prediction, reference)
	}
	b.WriteString("\n    ]\n}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func or(path, otherwise string) string {
	if path == "" {
		return otherwise
	}
	return filepath.ToSlash(path)
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

// summaryKey is how nnU-Net names a label ("1") or a region ("(1, 2)").
func summaryKey(l predict.Label) string {
	if l.Region == nil {
		return strconv.Itoa(l.Value)
	}
	parts := make([]string, len(l.Region))
	for i, v := range l.Region {
		parts[i] = strconv.Itoa(v)
	}
	if len(parts) == 1 {
		return "(" + parts[0] + ",)"
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// summaryValues are a score's numbers in the order of summaryKeys. An overlap with an empty truth is as
// nnU-Net has it, whatever the report's own rule is.
func summaryValues(s metric.Score) []float64 {
	return []float64{
		s.Counts.Dice(), float64(s.FalseNegative), float64(s.FalsePositive), s.Counts.IoU(), float64(s.TrueNegative), float64(s.TruePositive),
		float64(s.Predicted), float64(s.Truth),
	}
}

func (r *Report) summaryMean(label int) []float64 {
	out := make([]float64, len(summaryKeys()))
	for k := range out {
		column := make([]float64, len(r.Cases))
		for i, c := range r.Cases {
			column[i] = summaryValues(c.Labels[label])[k]
		}
		out[k] = metric.Mean(column)
	}
	return out
}

func summaryNumbers(b *strings.Builder, values []float64, indent int) {
	space := strings.Repeat(" ", indent)
	b.WriteString("{")
	for i, key := range summaryKeys() {
		text := strconv.FormatFloat(values[i], 'g', -1, 64)
		if values[i] == math.Trunc(values[i]) {
			text = strconv.FormatFloat(values[i], 'f', -1, 64)
		}
		fmt.Fprintf(b, "%s\n%s    %q: %s", comma(i), space, key, text)
	}
	b.WriteString("\n" + space + "}")
}
