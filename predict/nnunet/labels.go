package nnunet

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nitrain/nitrain/predict"
)

// regions reports whether the labels are regions, which overlap: nnU-Net's has_regions.
func (d dataset) regions() bool {
	return slices.ContainsFunc(d.labels, func(l label) bool { return l.list && len(l.values) > 1 })
}

// values returns all values of the label images but the ignored one, ascending.
func (d dataset) values() []int {
	var all []int
	for _, l := range d.labels {
		if l.name != ignored {
			all = append(all, l.values...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

const (
	background = "background"
	ignored    = "ignore" // voxels that training left out; the network has no channel for them
)

// background reports whether all values are 0.
func (l label) background() bool {
	return !slices.ContainsFunc(l.values, func(v int) bool { return v != 0 })
}

// check repeats the rules of nnU-Net's LabelManager.
func (d dataset) check() error {
	at := slices.IndexFunc(d.labels, func(l label) bool { return l.name == background })
	if at < 0 || d.labels[at].list || d.labels[at].values[0] != 0 {
		return errors.New("want background with the value 0")
	}
	values := d.values()
	if i := slices.IndexFunc(d.labels, func(l label) bool { return l.name == ignored }); i >= 0 {
		if l := d.labels[i]; l.list || l.values[0] != values[len(values)-1]+1 {
			return fmt.Errorf("ignore: want %d, one more than the largest label, got %v", values[len(values)-1]+1, l.values)
		}
	}
	if len(values) < 2 {
		return errors.New("want at least one label beside background")
	}
	return nil
}

// exclusive returns the Spec's labels where each voxel has one: the channel is the value.
func (d dataset) exclusive() ([]predict.Label, error) {
	values := d.values()
	labels := make([]predict.Label, len(values))
	for i, v := range values {
		if v != i {
			return nil, fmt.Errorf("want consecutive values, got %v", values)
		}
		labels[i].Value = i
	}
	for _, l := range d.labels {
		if l.name == ignored {
			continue
		}
		if at := &labels[l.values[0]]; at.Name != "" {
			return nil, fmt.Errorf("%q and %q have the same value", at.Name, l.name)
		}
		labels[l.values[0]].Name = nonempty(l.name, l.values[0])
	}
	return labels, nil
}

// overlapping returns the Spec's labels where they are regions: their order is that of the network's channels, and a
// later one wins over an earlier one.
func (d dataset) overlapping() ([]predict.Label, error) {
	labels := []predict.Label{{Value: 0, Name: background}}
	for _, l := range d.labels {
		if l.name == ignored || l.background() {
			continue
		}
		i := len(labels) - 1
		if i >= len(d.order) {
			return nil, fmt.Errorf("regions_class_order: want an entry for each region, got %v", d.order)
		}
		if slices.Contains(d.order[:i], d.order[i]) || d.order[i] < 1 || d.order[i] > maxValue {
			return nil, fmt.Errorf("regions_class_order: want values of 1 to %d, each once, got %v", maxValue, d.order)
		}
		labels = append(labels, predict.Label{
			Value: d.order[i], Name: nonempty(l.name, d.order[i]), Region: slices.Clone(l.values), Channel: new(i),
		})
	}
	if len(labels)-1 != len(d.order) {
		return nil, fmt.Errorf("regions_class_order: want %d entries, one for each region, got %v", len(labels)-1, d.order)
	}
	return labels, nil
}

func nonempty(name string, value int) string {
	if name == "" {
		return fmt.Sprintf("label %d", value)
	}
	return name
}
