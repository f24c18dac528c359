package predict

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// faults collects what is wrong with a Spec, so that all of it is reported at once.
type faults []error

func (f *faults) add(format string, args ...any) {
	*f = append(*f, fmt.Errorf("predict: spec: "+format, args...))
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

// Validate reports every fault of a Spec, joined.
func (s *Spec) Validate() error {
	var f faults
	if s.Version != Version {
		f.add("version: want %d, got %d", Version, s.Version)
	}
	oneOf(&f, "task", s.Task, Segmentation, Classification)
	s.Input.validate(&f)
	for i, step := range s.Prepare {
		if step == nil {
			f.add("prepare[%d]: no step", i)
		}
	}
	if s.Tile != nil {
		s.Tile.validate(&f)
		if s.Task == Classification {
			f.add("tile: a classification sees the whole image")
		}
	}
	s.Decode.validate(&f)
	s.validateLabels(&f)
	if p := s.Provenance; p != nil && p.Trained != nil && !finite(p.Trained.Score, p.Trained.Epochs) {
		f.add("provenance.trained: want finite numbers")
	}
	return errors.Join(f...)
}

func (in Input) validate(f *faults) {
	if err := in.Layout.Validate(); err != nil {
		f.add("input.layout: want xyz, zyx, xy or yx, got %q", string(in.Layout))
	}
	if len(in.Channels) == 0 {
		f.add("input.channels: want at least one")
	}
	for i, c := range in.Channels {
		if c.Name == "" {
			f.add("input.channels[%d].name: empty", i)
		}
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
	for i, a := range t.Mirror {
		if a < 0 || a > 2 || slices.Contains(t.Mirror[:i], a) {
			f.add("tile.mirror: want axes among 0, 1 and 2, each once, got %v", t.Mirror)
			break
		}
	}
}

func (d *Decode) validate(f *faults) {
	oneOf(f, "decode.activation", d.Activation, None, Softmax, Sigmoid)
	oneOf(f, "decode.pick", d.Pick, Argmax, Threshold)
	oneOf(f, "decode.restore", d.Restore, "", RestoreProbabilities, RestoreLogits, RestoreLabels)
	oneOf(f, "decode.ensemble", d.Ensemble, "", "probabilities", "logits")
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
		if l.Color != "" && !color.MatchString(l.Color) {
			f.add("labels[%d].color: want #rrggbb, got %q", i, l.Color)
		}
	}
	switch {
	case s.Decode.Pick == Argmax && len(s.Labels) < 2:
		f.add("labels: pick argmax wants at least 2, got %d", len(s.Labels))
	case s.Decode.Pick == Threshold && len(s.Foreground()) < 1:
		f.add("labels: pick threshold wants at least one whose value is not 0")
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
