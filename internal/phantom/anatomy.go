package phantom

import (
	"math"
	"math/rand/v2"
)

// tissue is what a point of the head is made of.
type tissue uint8

const (
	air tissue = iota
	scalp
	skull
	fluid
	eye
	cortex
	whiteMatter
	nucleus
	ventricle
	lesion
	tissues
)

// label returns the tissue's value in the label map.
func (t tissue) label() int {
	switch t {
	case cortex, nucleus:
		return Grey
	case whiteMatter:
		return White
	case ventricle:
		return Ventricle
	case lesion:
		return Lesion
	default:
		return Background
	}
}

// ellipsoid is a solid with half axes in mm, turned about its centre.
type ellipsoid struct {
	centre, radius [3]float64
	turn           [3][3]float64 // rows are the ellipsoid's own axes
}

// depth is below 1 inside and grows linearly outwards from the centre.
func (e *ellipsoid) depth(p [3]float64) float64 {
	var s float64
	for i := range 3 {
		d := 0.0
		for j := range 3 {
			d += e.turn[i][j] * (p[j] - e.centre[j])
		}
		d /= e.radius[i]
		s += d * d
	}
	return math.Sqrt(s)
}

// wave is one ripple of a surface: it depends on the direction from the centre alone.
type wave struct {
	k             [3]float64
	phase, height float64
}

// anatomy is one head: shapes in mm around the origin, turned and moved as a whole.
type anatomy struct {
	pose       [3][3]float64
	shift      [3]float64
	radius     [3]float64
	outline    []wave // slow ripples of every nested surface
	folds      []wave // fast ripples of the cortex
	eyes       [2]ellipsoid
	ventricles [3]ellipsoid
	nuclei     [4]ellipsoid
	lesions    []ellipsoid
}

func drawAnatomy(rng *rand.Rand) *anatomy {
	vary := func(v, by float64) float64 { return v * (1 + by*(2*rng.Float64()-1)) }
	h := &anatomy{pose: rotation(rng, 0.15)}
	for i, r := range [3]float64{72, 90, 74} {
		h.radius[i] = vary(r, 0.07)
		h.shift[i] = 5 * (2*rng.Float64() - 1)
	}
	for range 5 {
		h.outline = append(h.outline, drawWave(rng, 2.5, 0.012))
	}
	for range 7 {
		h.folds = append(h.folds, drawWave(rng, 9, 0.016))
	}
	solid := func(x, y, z, rx, ry, rz, tilt float64) ellipsoid {
		return ellipsoid{
			centre: [3]float64{vary(x, 0.12), vary(y, 0.12), vary(z, 0.12)},
			radius: [3]float64{vary(rx, 0.2), vary(ry, 0.2), vary(rz, 0.2)},
			turn:   rotation(rng, tilt),
		}
	}
	for side, sign := range [2]float64{-1, 1} {
		h.eyes[side] = solid(sign*28, 72, -30, 12, 12, 12, 0)
		h.ventricles[side] = solid(sign*12, 2, 12, 9, 28, 12, 0.25)
		h.nuclei[side] = solid(sign*22, 14, 2, 9, 15, 10, 0.3)
		h.nuclei[2+side] = solid(sign*11, -12, -2, 9, 11, 9, 0.3)
	}
	h.ventricles[2] = solid(0, -4, -6, 4.5, 14, 10, 0.1)
	h.drawLesions(rng, 2+rng.IntN(4))
	return h
}

// drawLesions puts n lesions at random points of the white matter.
func (h *anatomy) drawLesions(rng *rand.Rand, n int) {
	size := 10 + 5*rng.Float64()
	for tries := 0; len(h.lesions) < n && tries < 10000; tries++ {
		var p [3]float64
		for i := range 3 {
			p[i] = h.radius[i] * (2*rng.Float64() - 1)
		}
		if h.solidAt(p) != whiteMatter {
			continue
		}
		e := ellipsoid{centre: p, turn: rotation(rng, math.Pi)}
		for i := range 3 {
			e.radius[i] = size * (0.7 + 0.6*rng.Float64())
		}
		h.lesions = append(h.lesions, e)
	}
}

// tissueAt returns what is at a world point.
func (h *anatomy) tissueAt(world [3]float64) tissue {
	var p [3]float64
	for i := range 3 {
		for j := range 3 {
			p[i] += h.pose[i][j] * (world[j] - h.shift[j])
		}
	}
	t := h.solidAt(p)
	if t == whiteMatter || t == cortex || t == nucleus {
		for i := range h.lesions {
			if h.lesions[i].depth(p) < 1 {
				return lesion
			}
		}
	}
	return t
}

// solidAt returns what is at a point of the head's own space, lesions aside.
func (h *anatomy) solidAt(p [3]float64) tissue {
	depth := math.Sqrt(sq(p[0]/h.radius[0]) + sq(p[1]/h.radius[1]) + sq(p[2]/h.radius[2]))
	if depth > 1.2 {
		return air
	}
	depth += ripple(h.outline, p, depth)
	fold := ripple(h.folds, p, depth)
	switch {
	case depth < 0.81+fold/2:
		return h.brainAt(p, depth, fold)
	case depth < 0.86:
		return fluid
	case h.eyes[0].depth(p) < 1 || h.eyes[1].depth(p) < 1:
		return eye
	case depth < 0.93:
		return skull
	case depth < 1:
		return scalp
	default:
		return air
	}
}

func (h *anatomy) brainAt(p [3]float64, depth, fold float64) tissue {
	for i := range h.ventricles {
		if h.ventricles[i].depth(p) < 1 {
			return ventricle
		}
	}
	for i := range h.nuclei {
		if h.nuclei[i].depth(p) < 1 {
			return nucleus
		}
	}
	if depth > 0.64+1.5*fold {
		return cortex
	}
	return whiteMatter
}

// drawWave draws a ripple of about the given number of periods around the head.
func drawWave(rng *rand.Rand, frequency, height float64) wave {
	w := wave{phase: 2 * math.Pi * rng.Float64(), height: height * (0.5 + rng.Float64())}
	for i := range 3 {
		w.k[i] = frequency * rng.NormFloat64()
	}
	return w
}

// ripple sums waves at the direction of p, damped towards the centre where directions mean nothing.
func ripple(waves []wave, p [3]float64, depth float64) float64 {
	if depth < 0.3 {
		return 0
	}
	n := 1 / math.Sqrt(sq(p[0])+sq(p[1])+sq(p[2])+1e-9)
	var s float64
	for i := range waves {
		w := &waves[i]
		s += w.height * math.Sin(n*(w.k[0]*p[0]+w.k[1]*p[1]+w.k[2]*p[2])+w.phase)
	}
	return s
}

// rotation draws turns of at most limit radians about the three axes, one after the other.
func rotation(rng *rand.Rand, limit float64) [3][3]float64 {
	m := [3][3]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}
	for axis := range 3 {
		s, c := math.Sincos(limit * (2*rng.Float64() - 1))
		i, j := (axis+1)%3, (axis+2)%3
		for col := range 3 {
			m[i][col], m[j][col] = c*m[i][col]-s*m[j][col], s*m[i][col]+c*m[j][col]
		}
	}
	return m
}

func sq(v float64) float64 { return v * v }
