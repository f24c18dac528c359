package evaluation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/metric"
	"github.com/nitrain/nitrain/predict"
)

// judgeLabels compares two label images.
func (e *Evaluation) judgeLabels(result *Case, c dataset.Case, out *answer, read reading, worst *gallery) error {
	truth, err := read()
	if err != nil {
		return err
	}
	result.Reference = c.Label
	if got, want := truth.Grid.Size, out.Labels.Grid.Size; got != want {
		return &predict.ImageError{
			What: fmt.Sprintf("label image has %v voxels, prediction %v", got, want),
			Help: "a prediction is compared on the grid of its scan: resample neither, or both",
		}
	}
	labels := foreground(e.labels)
	if e.labels == nil {
		values, err := metric.Values(out.Labels, truth)
		if err != nil {
			return unlike(err)
		}
		labels = named(values, e.o.Ignore)
	} else if e.strict {
		if err := e.known(truth); err != nil {
			return err
		}
	}
	if result.Labels, err = e.comparison(labels).Scores(out.Labels, truth); err != nil {
		return unlike(err)
	}
	result.voxels = truth.Grid.Len()
	return worst.labels(result, c, out, truth, e.labels)
}

// unlike says that two images cannot be compared.
func unlike(err error) error {
	return &predict.ImageError{What: strings.TrimPrefix(err.Error(), "metric: "), Err: err}
}

// known reports a value in the truth that nothing names: it would count as background in silence.
func (e *Evaluation) known(truth *imageio.Image) error {
	known := map[float32]bool{0: true}
	for _, l := range e.labels {
		known[float32(l.Value)] = true
		for _, v := range l.Region {
			known[float32(v)] = true
		}
	}
	if e.o.Ignore != nil {
		known[float32(*e.o.Ignore)] = true
	}
	last := float32(0)
	for _, v := range truth.Data {
		if v == last {
			continue
		}
		if last = v; !known[v] {
			return &predict.ImageError{
				What: fmt.Sprintf("label image has the value %g, which the Spec does not name", v),
				Help: "name it in the Spec's labels, map the files' values to the Spec's, or leave it out with --ignore",
			}
		}
	}
	return nil
}

// comparison says what is measured of those labels.
func (e *Evaluation) comparison(labels []predict.Label) metric.Comparison {
	c := metric.Comparison{Surfaces: e.o.Surfaces, Empty: e.o.Empty, Ignore: e.o.Ignore}
	for _, l := range labels {
		c.Regions = append(c.Regions, metric.Region{Label: l.Value, Values: l.Region})
		c.Tolerance = append(c.Tolerance, e.o.tolerance(l))
	}
	return c
}

func (o Options) tolerance(l predict.Label) float64 {
	if mm, ok := o.NamedTolerances[l.Name]; ok {
		return mm
	}
	if mm, ok := o.Tolerances[l.Value]; ok {
		return mm
	}
	return o.Tolerance
}

// foreground leaves out background.
func foreground(labels []predict.Label) []predict.Label {
	return slices.DeleteFunc(slices.Clone(labels), func(l predict.Label) bool { return l.Value == 0 })
}

// named makes labels of values.
func named(values []int, ignore *int) []predict.Label {
	var out []predict.Label
	for _, v := range values {
		if ignore == nil || v != *ignore {
			out = append(out, predict.Label{Value: v, Name: fmt.Sprintf("label %d", v)})
		}
	}
	return out
}

// occurring lists the labels of all cases.
func occurring(cases []Case) []predict.Label {
	seen := map[int]bool{}
	for _, c := range cases {
		for _, s := range c.Labels {
			seen[s.Label] = true
		}
	}
	return named(slices.Sorted(maps.Keys(seen)), nil)
}

// fillAbsent gives each case a score for each label.
func (e *Evaluation) fillAbsent(cases []Case) {
	for i, c := range cases {
		all := make([]metric.Score, len(e.labels))
		for k, l := range e.labels {
			at := slices.IndexFunc(c.Labels, func(s metric.Score) bool { return s.Label == l.Value })
			if at >= 0 {
				all[k] = c.Labels[at]
			} else {
				all[k] = e.comparison(nil).Absent(l.Value, c.voxels)
			}
		}
		cases[i].Labels = all
	}
}
