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
		var v [1]float32
		act.channel(c, v[:])
		if v[0] != v[0] {
			return nil, p.notANumber()
		}
		picked := p.spec.Decode.Pick == Threshold && v[0] > p.spec.Decode.threshold()
		if n := len(classes); n == 0 || v[0] > high || v[0] == high && c < first {
			best, high, first = n, v[0], c
		}
		classes = append(classes, ClassProbability{Value: l.Value, Name: l.Name, Probability: float64(v[0]), Picked: picked})
	}
	if p.spec.Decode.Pick == Argmax {
		classes[best].Picked = true
	}
	return &Prediction{Classes: classes, Spec: &p.spec}, nil
}
