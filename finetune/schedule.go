package finetune

import "math"

// rates gives the learning rate of each step of a run.
type rates struct {
	kind   Schedule
	high   float64
	warmup int
	steps  int
}

// at returns the rate of a step, counted from 0. It rises linearly from high/(warmup+1) to high at step
// warmup, then follows the schedule over the steps that are left: PyTorch's LinearLR(1/(warmup+1), 1,
// warmup) followed by ConstantLR, CosineAnnealingLR or PolynomialLR(power 0.9) of steps-warmup.
func (r rates) at(step int) float64 {
	if step < r.warmup {
		return r.high * float64(step+1) / float64(r.warmup+1)
	}
	part := float64(step-r.warmup) / float64(max(1, r.steps-r.warmup))
	switch r.kind {
	case Cosine:
		return r.high * (1 + math.Cos(math.Pi*part)) / 2
	case Poly:
		return r.high * math.Pow(math.Max(0, 1-part), 0.9)
	default:
		return r.high
	}
}
