package transform

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/nitrain/nitrain/imageio"
)

// Keep sets to zero the voxels of small connected components: of its labels it keeps the Largest components, and
// those of at least MinSize voxels; with both given, a component must satisfy both. The labels count as one
// (their union) unless Each. Other labels are not touched. Each channel is handled alone.
//
// It is a rule of a Spec's decode and, as op "components", a step for files.
type Keep struct {
	Labels       []int `json:"labels,omitzero"`       // none: every label but 0
	Largest      int   `json:"largest,omitzero"`      // how many components; 0: all
	MinSize      int   `json:"min_size,omitzero"`     // voxels; 0: any
	Connectivity int   `json:"connectivity,omitzero"` // 6, 18 or 26 (default)
	Each         bool  `json:"each,omitzero"`         // label by label
}

func (Keep) op() string { return "components" }

func (k Keep) check() error {
	faults := []error{checkConnectivity(or(k.Connectivity, 26))}
	if k.Largest < 0 || k.MinSize < 0 || k.Largest == 0 && k.MinSize == 0 {
		faults = append(faults, fmt.Errorf("want largest or min_size above 0, got %d and %d", k.Largest, k.MinSize))
	}
	if slices.Contains(k.Labels, 0) {
		faults = append(faults, errors.New("labels: 0 is the background"))
	}
	return errors.Join(faults...)
}

// UnmarshalJSON reads the rule as strictly as a step: an unknown, repeated or bad key is an error that names it.
func (k *Keep) UnmarshalJSON(data []byte) error {
	if err := checkTokens(data); err != nil {
		return &FormatError{Op: "keep", Err: err}
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil {
		return &FormatError{Op: "keep", Err: wantError{`an object like {"labels":[1],"largest":1}`, string(data)}}
	}
	var read Keep
	var faults []error
	for _, f := range readFields(&read, keys) {
		f.Op = "keep"
		faults = append(faults, f)
	}
	if len(faults) == 0 {
		if err := read.check(); err != nil {
			faults = append(faults, &FormatError{Op: "keep", Err: err})
		}
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	*k = read
	return nil
}

// Apply removes the small components.
func (k Keep) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(k, im) }

func (k Keep) run(im *imageio.Image) (*imageio.Image, error) {
	out, err := newImage(im, im.Grid, im.Channels, true)
	if err != nil {
		return nil, err
	}
	copy(out.Data, im.Data)
	for c := range im.Channels {
		groups, err := k.groups(im.Channel(c))
		if err != nil {
			return nil, err
		}
		for _, labels := range groups {
			k.prune(out.Channel(c), im.Grid.Size, labels)
		}
	}
	return out, nil
}

// groups returns the sets of labels whose components are judged together; nil means every label but 0.
func (k Keep) groups(samples []float32) ([][]float32, error) {
	labels := make([]float32, len(k.Labels))
	for i, v := range k.Labels {
		labels[i] = float32(v)
	}
	if !k.Each {
		return [][]float32{labels}, nil
	}
	if len(labels) == 0 {
		var err error
		if labels, err = labelsOf(samples); err != nil {
			return nil, err
		}
	}
	var groups [][]float32
	for _, v := range labels {
		groups = append(groups, []float32{v})
	}
	return groups, nil
}

// maxLabels is how many different values may be handled one by one.
const maxLabels = 4096

// labelsOf returns the whole numbers other than 0 that occur, ascending.
func labelsOf(samples []float32) ([]float32, error) {
	seen := map[float32]bool{}
	last := float32(0)
	for _, v := range samples {
		if v == 0 || v == last {
			continue
		}
		if v != float32(math.Trunc(float64(v))) || len(seen) > maxLabels {
			return nil, fmt.Errorf("want a label image of at most %d whole numbers, got a sample %v", maxLabels, v)
		}
		seen[v], last = true, v
	}
	labels := make([]float32, 0, len(seen))
	for v := range seen {
		labels = append(labels, v)
	}
	slices.Sort(labels)
	return labels, nil
}

// prune sets to zero the components of a set of labels that are not kept.
func (k Keep) prune(samples []float32, size [3]int, labels []float32) {
	runs := findRuns(size, or(k.Connectivity, 26), func(i int) bool {
		v := samples[i]
		if len(labels) == 1 {
			return v == labels[0]
		}
		return v != 0 && (len(labels) == 0 || slices.Contains(labels, v))
	})
	kept := map[int32]bool{}
	for i, c := range runs.bySize() {
		if (k.Largest == 0 || i < k.Largest) && c.size >= k.MinSize {
			kept[c.root] = true
		}
	}
	runs.each(func(root int32, lo, hi int) {
		if !kept[root] {
			setAll(samples[lo:hi], 0)
		}
	})
}
