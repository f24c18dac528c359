package predict

// maxChannels bounds the channels of an output.
const maxChannels = 1 << 16

// validateTask checks which keys go with the task.
func (s *Spec) validateTask(f *faults) {
	switch s.Task {
	case Segmentation, Classification:
		s.validateDiscrete(f)
	case Regression, ImageToImage:
		s.validateContinuous(f)
	default:
		return
	}
	if s.Task == Segmentation {
		return
	}
	if len(s.Decode.Keep) > 0 {
		f.add("decode.keep: only with the task segmentation")
	}
	if s.Decode.RestoreRule != "" {
		f.add("decode.restore_rule: only with the task segmentation")
	}
	if s.Tile != nil && s.Tile.SkipBelow != nil {
		f.add("tile.skip_below: only with the task segmentation")
	}
	for i, l := range s.Labels {
		if l.Region != nil {
			f.add("labels[%d].region: only with the task segmentation", i)
		}
	}
}

// validateDiscrete checks what belongs to tasks whose results are labels.
func (s *Spec) validateDiscrete(f *faults) {
	d := &s.Decode
	oneOf(f, "decode.pick", d.Pick, Argmax, Threshold)
	if d.Scale != nil || d.Offset != nil || d.NaN != nil {
		f.add("decode.scale, offset and nan: only with the tasks regression and image")
	}
	if d.RestoreRule != "" && d.restore() == RestoreLabels {
		f.add("decode.restore_rule: not with restore labels")
	}
	switch {
	case d.Pick == Argmax && len(s.Labels) < 2:
		f.add("labels: pick argmax wants at least 2, got %d", len(s.Labels))
	case d.Pick == Threshold && len(s.Foreground()) < 1:
		f.add("labels: pick threshold wants at least one whose value is not 0")
	}
	for i, l := range s.Labels {
		if l.Unit != "" {
			f.add("labels[%d].unit: only with the tasks regression and image", i)
		}
	}
	s.validateChannels(f)
}

// validateChannels checks which channel belongs to which label.
func (s *Spec) validateChannels(f *faults) {
	named, unnamed := 0, 0
	seen := map[int]bool{}
	for i, l := range s.Labels {
		switch {
		case s.Decode.Pick == Threshold && l.Value == 0:
			if l.Channel != nil {
				f.add("labels[%d].channel: background has none with pick threshold", i)
			}
		case l.Channel == nil:
			unnamed++
		case *l.Channel < 0 || *l.Channel >= maxChannels:
			f.add("labels[%d].channel: want 0 to %d, got %d", i, maxChannels-1, *l.Channel)
			return
		case seen[*l.Channel]:
			f.add("labels[%d].channel: %d stands twice", i, *l.Channel)
		default:
			named++
			seen[*l.Channel] = true
		}
	}
	if named > 0 && unnamed > 0 {
		f.add("labels: want a channel for each of them or for none, got %d of %d", named, named+unnamed)
		return
	}
	if s.Decode.Pick == Argmax && named > 0 {
		for c := range named {
			if !seen[c] {
				f.add("labels: pick argmax wants a label for every channel, channel %d has none", c)
			}
		}
	}
}

// validateContinuous checks what belongs to tasks whose results are numbers.
func (s *Spec) validateContinuous(f *faults) {
	d := &s.Decode
	if d.Pick != "" || d.Threshold != 0 {
		f.add("decode.pick and threshold: not with the task %s", s.Task)
	}
	if d.Activation == Softmax {
		f.add("decode.activation: want none or sigmoid for the task %s, got %q", s.Task, string(d.Activation))
	}
	if d.Restore != "" {
		f.add("decode.restore: not with the task %s", s.Task)
	}
	if d.NaN != nil && (s.Task != ImageToImage || !finite(*d.NaN)) {
		f.add("decode.nan: want a finite number, and the task image")
	}
	if s.Task == Regression && len(s.Labels) == 0 {
		f.add("labels: a regression wants one for each number")
	}
	for i, l := range s.Labels {
		if l.Value >= len(s.Labels) {
			f.add("labels[%d].value: want the channel of the output, 0 to %d, got %d", i, len(s.Labels)-1, l.Value)
		}
		if l.Channel != nil {
			f.add("labels[%d].channel: value says the channel with the task %s", i, s.Task)
		}
	}
	for _, k := range []struct {
		key    string
		values []float64
	}{{"scale", d.Scale}, {"offset", d.Offset}} {
		if n := len(k.values); k.values != nil && n != 1 && n != len(s.Labels) {
			f.add("decode.%s: want one number or one for each of the %d labels, got %d", k.key, len(s.Labels), n)
		}
		if !finite(k.values...) {
			f.add("decode.%s: want finite numbers", k.key)
		}
	}
}
