package register

import "math"

// climb maximizes the mutual information over a model's parameters from zero: BFGS with a limited step and
// backtracking (Nocedal and Wright, Numerical Optimization, chapters 3 and 6).
func (s *search) climb(m *measure, mod model, most int) (peak, error) {
	n := mod.size()
	p, g := make([]float64, n), make([]float64, n)
	value, err := s.evaluate(m, mod, p, g)
	if err != nil {
		return peak{}, err
	}
	h := newInverse(n, 0)
	for range most {
		if err := s.ctx.Err(); err != nil {
			return peak{}, err
		}
		step := h.times(g)
		if h.scale == 0 || dot(step, g) <= 0 { // no curvature known: along the gradient by half a voxel
			h = newInverse(n, 0.5*m.mm/max(norm(g), 1e-300))
			step = h.times(g)
		}
		if length := norm(step); length > 2*m.mm {
			scale(step, 2*m.mm/length)
		}
		q, gq, v, ok := s.line(m, mod, p, step, value, dot(step, g))
		if !ok {
			break
		}
		moved, turned := minus(q, p), minus(g, gq)
		h.update(moved, turned)
		gain := v - value
		p, g, value = q, gq, v
		if norm(moved) < 0.002*m.mm || gain < 1e-7 && norm(moved) < 0.05*m.mm {
			break
		}
	}
	return peak{mod.at(p), value}, nil
}

// line goes along a step, shorter and shorter, until the measure has risen enough.
func (s *search) line(m *measure, mod model, p, step []float64, value, slope float64) (q, g []float64, v float64, ok bool) {
	t := 1.0
	for range 8 {
		q = make([]float64, len(p))
		for i := range p {
			q[i] = p[i] + t*step[i]
		}
		g = make([]float64, len(p))
		var err error
		if v, err = s.evaluate(m, mod, q, g); err == nil && v >= value+1e-4*t*slope {
			return q, g, v, true
		}
		shrink := 0.25
		if err == nil { // the parabola through both values and the slope
			if bend := 2 * (value + t*slope - v); bend > 0 {
				shrink = min(max(slope*t/bend, 0.1), 0.5)
			}
		}
		t *= shrink
	}
	return nil, nil, 0, false
}

func (s *search) evaluate(m *measure, mod model, p, g []float64) (float64, error) {
	s.evals++
	value, entries, err := m.at(mod.at(p))
	if err != nil {
		return 0, err
	}
	mod.gradient(p, entries, g)
	return value, nil
}

// inverse is an estimate of the inverse of the negative curvature.
type inverse struct {
	m     [][]float64
	scale float64
	fresh bool
}

func newInverse(n int, scale float64) *inverse {
	h := &inverse{m: make([][]float64, n), scale: scale, fresh: true}
	for i := range h.m {
		h.m[i] = make([]float64, n)
		h.m[i][i] = scale
	}
	return h
}

func (h *inverse) times(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, row := range h.m {
		out[i] = dot(row, v)
	}
	return out
}

// update learns from a move s that changed the (falling) gradient by y.
func (h *inverse) update(s, y []float64) {
	sy := dot(s, y)
	if sy <= 1e-10*norm(s)*norm(y) || sy == 0 {
		return
	}
	if h.fresh {
		*h = *newInverse(len(s), sy/dot(y, y))
		h.fresh = false
	}
	hy := h.times(y)
	k := (1 + dot(y, hy)/sy) / sy
	for i := range s {
		for j := range s {
			h.m[i][j] += k*s[i]*s[j] - (hy[i]*s[j]+s[i]*hy[j])/sy
		}
	}
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func norm(a []float64) float64 { return math.Sqrt(dot(a, a)) }

func minus(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] - b[i]
	}
	return out
}

func scale(a []float64, by float64) {
	for i := range a {
		a[i] *= by
	}
}
