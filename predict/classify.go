package predict

// classify turns scores into the probabilities of the labels.
func (p *Predictor) classify(s *scores) (*Prediction, error) {
	act := activate(s, p.spec.Decode.Activation)
	channels := map[int]int{} // of each label
	for _, k := range p.spec.picks() {
		channels[k.value] = k.channel
	}
	var classes []ClassProbability
	best, high, first := 0, float32(0), 0
	for _, l := range p.spec.Labels {
		c, ok := channels[l.Value]
		if !ok {
			continue
		}
		v := act.values[c]
		if v != v {
			return nil, p.notANumber()
		}
		picked := p.spec.Decode.Pick == Threshold && v > p.spec.Decode.threshold()
		if n := len(classes); n == 0 || v > high || v == high && c < first {
			best, high, first = n, v, c
		}
		classes = append(classes, ClassProbability{Value: l.Value, Name: l.Name, Probability: float64(v), Picked: picked})
	}
	if p.spec.Decode.Pick == Argmax {
		classes[best].Picked = true
	}
	return &Prediction{Classes: classes, Spec: &p.spec}, nil
}
