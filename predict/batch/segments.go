package batch

import (
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/view"
	"github.com/nitrain/nitrain/predict"
)

// segments returns the labels of a Spec, without the background, with their colours and codes.
func segments(labels []predict.Label) []imageio.Segment {
	var out []imageio.Segment
	for _, l := range labels {
		if l.Value == 0 {
			continue
		}
		s := imageio.Segment{Value: l.Value, Name: l.Name}
		if c, err := view.ParseColor(l.Color); err == nil {
			s.Color = [3]uint8{c.R, c.G, c.B}
		}
		if l.Code != nil {
			s.Code = imageio.Code{Scheme: l.Code.Scheme, Value: l.Code.Value, Meaning: l.Code.Meaning}
		}
		out = append(out, s)
	}
	return out
}

// classes names the channels of a probability image: those that labels name, else one for each label, with or without the
// background.
func classes(spec predict.Spec, channels int) []imageio.Segment {
	named := segments(spec.Labels)
	first := channels - len(named)
	at := 0
	for _, l := range spec.Labels {
		switch {
		case l.Value == 0:
			continue
		case l.Channel != nil:
			named[at].Value = *l.Channel
		case first != 0 && first != 1:
			return nil
		default:
			named[at].Value = first + at
		}
		at++
	}
	return named
}
