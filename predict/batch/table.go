package batch

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"
)

// WriteVolumes writes a CSV table with a row for each scan and label.
func (r *Report) WriteVolumes(w io.Writer) error {
	rows := [][]string{{"scan", "label", "name", "voxels", "ml"}}
	for _, s := range r.Results {
		for _, v := range s.Volumes {
			rows = append(rows, []string{s.Scan, strconv.Itoa(v.Value), v.Name, strconv.Itoa(v.Voxels), number(v.ML)})
		}
	}
	return csv.NewWriter(w).WriteAll(rows)
}

// WriteStatistics writes a CSV table with a row for each scan, label and channel of the scan; what an empty label does not
// have is an empty field.
func (r *Report) WriteStatistics(w io.Writer) error {
	rows := [][]string{{
		"scan", "label", "name", "voxels", "ml", "x_min", "y_min", "z_min", "x_max", "y_max", "z_max",
		"centroid_x", "centroid_y", "centroid_z", "border_voxels", "border_sides", "entropy", "variance",
		"channel", "mean", "std", "min", "max", "median",
	}}
	for _, s := range r.Results {
		for _, l := range s.Statistics {
			shape := append([]string{s.Scan}, l.row()...)
			if len(l.Intensity) == 0 {
				rows = append(rows, append(shape, "", "", "", "", "", ""))
			}
			for _, i := range l.Intensity {
				rows = append(rows, append(slices.Clip(shape), i.Channel, number(i.Mean), number(i.Std), number(i.Min), number(i.Max), number(i.Median)))
			}
		}
	}
	return csv.NewWriter(w).WriteAll(rows)
}

// row has the columns from label to variance.
func (l LabelStatistics) row() []string {
	row := []string{strconv.Itoa(l.Value), l.Name, strconv.Itoa(l.Voxels), number(l.ML)}
	if l.Box == nil {
		row = append(row, make([]string, 9)...)
	} else {
		for _, i := range append(l.Box.Low[:], l.Box.High[:]...) {
			row = append(row, strconv.Itoa(i))
		}
		for _, mm := range l.Centroid {
			row = append(row, number(mm))
		}
	}
	row = append(row, strconv.Itoa(l.BorderVoxels), l.BorderSides)
	for _, mean := range []*float64{l.Entropy, l.Variance} {
		if mean == nil {
			row = append(row, "")
			continue
		}
		row = append(row, number(*mean))
	}
	return row
}

// WriteResults writes a CSV table with a row for each scan of a classification or regression: what was picked and every
// class's probability, or every number.
func (r *Report) WriteResults(w io.Writer) error {
	var rows [][]string
	for _, s := range r.Results {
		if s.Error != "" {
			continue
		}
		head, row, picked := []string{"scan"}, []string{s.Scan}, []string{}
		if s.Classes != nil {
			head, row = append(head, "picked"), append(row, "")
		}
		for _, c := range s.Classes {
			if c.Picked {
				picked = append(picked, c.Name)
			}
			head, row = append(head, c.Name), append(row, number(c.Probability))
		}
		for _, v := range s.Values {
			head, row = append(head, v.Name), append(row, number(v.Value))
		}
		if s.Classes != nil {
			row[1] = strings.Join(picked, ";")
		}
		if rows == nil {
			rows = append(rows, head)
		}
		rows = append(rows, row)
	}
	return csv.NewWriter(w).WriteAll(rows)
}

// number writes what CSV readers take, with the precision that samples have.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 8, 64) }
