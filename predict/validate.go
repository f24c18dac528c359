package predict

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// faults collects what is wrong with a Spec, so that all of it is reported at once.
type faults struct {
	all   []error
	newer bool // something that this version does not know
}

func (f *faults) add(format string, args ...any) {
	f.all = append(f.all, fmt.Errorf("predict: spec: "+format, args...))
}

// oneOf adds a fault unless value is in the list.
func oneOf[T ~string](f *faults, key string, value T, want ...T) {
	if slices.Contains(want, value) {
		return
	}
	names := make([]string, 0, len(want))
	for _, w := range want {
		if w != "" {
			names = append(names, string(w))
		}
	}
	f.add("%s: want %s, got %q", key, strings.Join(names, " or "), string(value))
}

// Validate reports every fault of a Spec in a [*SpecError].
func (s *Spec) Validate() error {
	f := faults{newer: s.Version > Version}
	if s.Version != Version {
		f.add("version: want %d, got %d", Version, s.Version)
	}
	oneOf(&f, "task", s.Task, Segmentation, Classification, Regression, ImageToImage)
	s.Input.validate(&f)
	for i, step := range s.Prepare {
		if step == nil {
			f.add("prepare[%d]: no step", i)
		}
	}
	if s.Tile != nil {
		s.Tile.validate(&f)
		if s.Task == Classification || s.Task == Regression {
			f.add("tile: a %s sees the whole image", s.Task)
		}
	}
	s.validateSlices(&f)
	s.Decode.validate(&f)
	s.validateTask(&f)
	s.validateLabels(&f)
	if p := s.Provenance; p != nil && p.Trained != nil && !finite(p.Trained.Score, p.Trained.Epochs) {
		f.add("provenance.trained: want finite numbers")
	}
	if len(f.all) == 0 {
		return nil
	}
	return &SpecError{Faults: f.all, Newer: f.newer}
}

func (in Input) validate(f *faults) {
	if err := in.Layout.Validate(); err != nil {
		f.add("input.layout: want x, y and z or two of them in any order, like xyz or yx, got %q", string(in.Layout))
	}
	if len(in.Channels) == 0 {
		f.add("input.channels: want at least one")
	}
	for i, c := range in.Channels {
		if c.Name == "" {
			f.add("input.channels[%d].name: empty", i)
		}
		if c.Value != nil && (*c.Value < 1 || *c.Value > maxLabel) {
			f.add("input.channels[%d].value: want 1 to %d, got %d", i, maxLabel, *c.Value)
		}
		if c.Value == nil && i > in.Images() {
			f.add("input.channels[%d]: want the channels that are made from a label image last", i)
		}
	}
	if len(in.Channels) > 0 && in.Images() == 0 {
		f.add("input.channels: want at least one without a value: a scan beside the label image")
	}
	if in.Stack < 0 || in.Stack > maxStack || in.Stack != 0 && in.Stack%2 == 0 {
		f.add("input.stack: want an odd number from 1 to %d, got %d", maxStack, in.Stack)
	}
}

// maxStack bounds how many slices make up a 2-D model's input.
const maxStack = 1001

// validateSlices checks what a 2-D model sees of a volume.
func (s *Spec) validateSlices(f *faults) {
	axis, flat := s.Input.Layout.Missing()
	if !flat || s.Input.Layout.Validate() != nil {
		if s.Input.Stack > 1 {
			f.add("input.stack: only with a layout of two axes, got %q", string(s.Input.Layout))
		}
		return
	}
	if s.Input.Stack > 1 && (s.Tile == nil || s.Tile.Size[axis] != 1) {
		f.add("input.stack: wants a tile whose size is 1 along %c, the axis of the slices", "xyz"[axis])
	}
	if s.Tile != nil && s.Tile.Size[axis] > 1 {
		f.add("tile.size: want 1 or 0 along %c, the axis that layout %s leaves out, got %v", "xyz"[axis], s.Input.Layout, s.Tile.Size)
	}
}

func (t *Tile) validate(f *faults) {
	if err := t.Tiling().Validate(); err != nil {
		f.add("tile: %w", err)
	}
	if err := t.Pad.Validate(); err != nil {
		f.add("tile.pad: %w", err)
	}
	if t.Batch < 0 || t.Batch > 1<<16 {
		f.add("tile.batch: want at least 1, got %d", t.Batch)
	}
	if t.SkipBelow != nil && !finite(*t.SkipBelow) {
		f.add("tile.skip_below: want a finite number")
	}
	for i, a := range t.Mirror {
		if a < 0 || a > 2 || slices.Contains(t.Mirror[:i], a) {
			f.add("tile.mirror: want axes among 0, 1 and 2, each once, got %v", t.Mirror)
			break
		}
	}
}

func (d *Decode) validate(f *faults) {
	oneOf(f, "decode.activation", d.Activation, None, Softmax, Sigmoid)
	oneOf(f, "decode.restore", d.Restore, "", RestoreProbabilities, RestoreLogits, RestoreLabels)
	oneOf(f, "decode.ensemble", d.Ensemble, "", "probabilities", "logits")
	oneOf(f, "decode.restore_rule", d.RestoreRule, RestoreCentres, RestoreNNUNet)
	if !finite(d.Threshold) {
		f.add("decode.threshold: want a finite number")
	}
	if d.Threshold != 0 && d.Pick != Threshold {
		f.add("decode.threshold: only with pick threshold")
	}
	for i, k := range d.Keep {
		if k.Largest < 0 || k.MinSize < 0 || k.Largest == 0 && k.MinSize == 0 {
			f.add("decode.keep[%d]: want largest or min_size above 0, got %d and %d", i, k.Largest, k.MinSize)
		}
		if !slices.Contains([]int{0, 6, 18, 26}, k.Connectivity) {
			f.add("decode.keep[%d].connectivity: want 6, 18 or 26, got %d", i, k.Connectivity)
		}
	}
}

// maxLabel is the largest value that float32 voxels hold exactly, with all whole numbers below it.
const maxLabel = 1 << 24

func (s *Spec) validateLabels(f *faults) {
	color := regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	seen := map[int]bool{}
	for i, l := range s.Labels {
		if l.Value < 0 || l.Value > maxLabel {
			f.add("labels[%d].value: want 0 to %d, got %d", i, maxLabel, l.Value)
		}
		if seen[l.Value] {
			f.add("labels[%d].value: %d stands twice", i, l.Value)
		}
		seen[l.Value] = true
		if l.Name == "" {
			f.add("labels[%d].name: empty", i)
		}
		for _, v := range l.Region {
			if v < 0 || v > maxLabel {
				f.add("labels[%d].region: want values from 0 to %d, got %v", i, maxLabel, l.Region)
				break
			}
		}
		if l.Color != "" && !color.MatchString(l.Color) {
			f.add("labels[%d].color: want #rrggbb, got %q", i, l.Color)
		}
	}
	for i, k := range s.Decode.Keep {
		for _, v := range k.Labels {
			if v == 0 || !seen[v] {
				f.add("decode.keep[%d].labels: %d is no foreground label of this Spec", i, v)
			}
		}
	}
}

func finite(values ...float64) bool {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}
