package predict

import (
	"fmt"

	"github.com/nitrain/nitrain/onnx"
)

// Value is a number that a regression says about an image.
type Value struct {
	Channel int     `json:"channel"` // of the output
	Name    string  `json:"name"`
	Unit    string  `json:"unit,omitempty"`
	Value   float64 `json:"value"`
}

// imageScores returns what a model says about the whole image: [1, K], or [1, K, 1, ...]; [1] for one number.
func (m *model) imageScores(t *onnx.Tensor) (*scores, error) {
	shape, batch := t.Shape(), m.batchOf(1)
	channels := 1
	if len(shape) > 1 {
		channels = shape[1]
	}
	if len(shape) == 0 || len(shape) == 1 && m.spec.Task != Regression || shape[0] != batch || t.Len() != batch*channels {
		return nil, &MismatchError{What: fmt.Sprintf("output %q has the shape %v, a %s wants [%d, %d]",
			m.output, shape, m.spec.Task, batch, m.channels)}
	}
	if err := m.checkChannels(channels); err != nil {
		return nil, err
	}
	v, err := valuesOf(t)
	if err != nil {
		return nil, err
	}
	return &scores{values: v[:channels]}, nil
}

// regress turns scores into the numbers of the labels, in their order.
func (p *Predictor) regress(s *scores) (*Prediction, error) {
	act := activate(s, p.spec.Decode.Activation)
	values := make([]Value, len(p.spec.Labels))
	for i, l := range p.spec.Labels {
		v := act.values[l.Value]
		if v-v != 0 {
			return nil, p.notANumber()
		}
		scale, offset := p.spec.Decode.linear(l.Value)
		values[i] = Value{Channel: l.Value, Name: l.Name, Unit: l.Unit, Value: float64(v)*scale + offset}
	}
	return &Prediction{Values: values, Spec: &p.spec}, nil
}

// linear returns the scale and offset of a channel, the defaults filled in.
func (d Decode) linear(channel int) (scale, offset float64) {
	return ofChannel(d.Scale, channel, 1), ofChannel(d.Offset, channel, 0)
}

// ofChannel returns a channel's own value or that of all.
func ofChannel(values []float64, channel int, absent float64) float64 {
	switch {
	case len(values) == 0:
		return absent
	case len(values) == 1:
		return values[0]
	default:
		return values[channel]
	}
}
