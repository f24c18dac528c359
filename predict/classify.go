package predict

import (
	"errors"
	"fmt"

	"github.com/nitrain/nitrain/onnx"
)

// classScores returns the scores of a classification: [1, K], or [1, K, 1, ...].
func (m *model) classScores(t *onnx.Tensor) (*scores, error) {
	shape := t.Shape()
	if len(shape) < 2 || shape[0] != m.batchOf(1) || t.Len() != shape[0]*shape[1] {
		return nil, &MismatchError{What: fmt.Sprintf("output %q has the shape %v, a classification wants [%d, classes]",
			m.output, shape, m.batchOf(1))}
	}
	if err := m.checkChannels(shape[1]); err != nil {
		return nil, err
	}
	v, err := valuesOf(t)
	if err != nil {
		return nil, err
	}
	return &scores{size: [3]int{1, 1, 1}, channels: shape[1], read: func(c int, dst []float32) { v.copy(dst[:1], c) }}, nil
}

// classify turns scores into the probabilities of the labels.
func (p *Predictor) classify(s *scores) (*Prediction, error) {
	act := activate(s, p.spec.Decode.Activation)
	var classes []ClassProbability
	best := 0
	for _, l := range p.spec.Labels {
		if p.spec.Decode.Pick == Threshold && l.Value == 0 {
			continue
		}
		var v [1]float32
		act.channel(len(classes), v[:])
		if v[0] != v[0] {
			return nil, p.notANumber()
		}
		picked := p.spec.Decode.Pick == Threshold && v[0] > p.spec.Decode.threshold()
		classes = append(classes, ClassProbability{Value: l.Value, Name: l.Name, Probability: float64(v[0]), Picked: picked})
		if v[0] > float32(classes[best].Probability) {
			best = len(classes) - 1
		}
	}
	if p.spec.Decode.Pick == Argmax {
		classes[best].Picked = true
	}
	return &Prediction{Classes: classes, Spec: &p.spec}, nil
}

// errNaN is what a model does that got what is no number, or whose weights are broken.
var errNaN = errors.New("want numbers, got NaN")

func (p *Predictor) notANumber() error {
	return fmt.Errorf("predict: output %q: %w", p.models[0].output, errNaN)
}
