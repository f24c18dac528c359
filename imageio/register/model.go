package register

import (
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// model turns parameters into a map near a given one. Every parameter is in mm of movement at the body's radius, so
// that all of them weigh alike.
type model struct {
	kind   Kind
	base   imageio.Affine // at parameters zero
	center [3]float64     // fixed point of rotations, scales and shears
	radius float64
}

func newModel(k Kind, base imageio.Affine, b body) model {
	return model{kind: k, base: base, center: b.center, radius: b.radius}
}

// size returns the number of parameters.
func (m model) size() int {
	switch m.kind {
	case Rigid:
		return 6
	case Similarity:
		return 7
	default:
		return 12
	}
}

// at returns the map: a change about the centre, then the base, then a translation.
func (m model) at(p []float64) imageio.Affine {
	var change [3][3]float64
	switch m.kind {
	case Rigid, Similarity:
		change = rotation([3]float64{p[3] / m.radius, p[4] / m.radius, p[5] / m.radius})
		if m.kind == Similarity {
			s := math.Exp(p[6] / m.radius)
			for i := range 3 {
				for j := range 3 {
					change[i][j] *= s
				}
			}
		}
	default:
		for i := range 3 {
			for j := range 3 {
				change[i][j] = p[3+3*i+j] / m.radius
			}
			change[i][i]++
		}
	}
	out := m.base.Mul(about(change, m.center))
	for i := range 3 {
		out[i][3] += p[i]
	}
	return out
}

// gradient turns the derivatives by the map's entries, taken for points relative to the centre, into those by the
// parameters. The map is smooth in few parameters: central differences give 9 digits.
func (m model) gradient(p []float64, entries [3][4]float64, out []float64) {
	const h = 1e-4
	q := make([]float64, len(p))
	for k := range p {
		copy(q, p)
		q[k] = p[k] + h
		hi := m.centered(m.at(q))
		q[k] = p[k] - h
		lo := m.centered(m.at(q))
		out[k] = 0
		for i := range 3 {
			for j := range 4 {
				out[k] += entries[i][j] * (hi[i][j] - lo[i][j]) / (2 * h)
			}
		}
	}
}

// centered returns the map for points given relative to the centre.
func (m model) centered(a imageio.Affine) imageio.Affine {
	at := a.Apply(m.center)
	for i := range 3 {
		a[i][3] = at[i]
	}
	return a
}
