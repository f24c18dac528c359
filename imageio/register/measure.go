package register

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/tasks"
)

// errApart is a map under which the images hardly overlap.
var errApart = errors.New("the images do not overlap")

const (
	bins    = 32       // of each image's values
	columns = bins + 3 // of the moving image: a cubic B-spline reaches one bin below and two above
	chunk   = 2048     // points that are summed together, whatever the number of processors
)

// measure is the mutual information of a fixed and a moving image as Mattes computes it (Mattes et al., IEEE Trans.
// Medical Imaging 22, 2003): points of the fixed image fall into the bin of their value, points of the moving image
// into four by a cubic B-spline, so that it has a derivative. Beyond a face of the moving image that shows background,
// the background goes on; beyond one that cuts through content, points fade within its border voxels and then do not count.
type measure struct {
	mm     float64
	point  [][3]float32 // relative to center, mm
	bin    []uint8
	center [3]float64
	moving surface
	inv    imageio.Affine // from world to voxels of moving
	lo, up float32        // from a sample v of moving to bins: (v-lo)·up
}

// measure draws the points of a stage and bins the fixed image there.
func (s *search) measure(st stage) (*measure, error) {
	fixed, err := s.fixed.smooth(st.mm)
	if err != nil {
		return nil, err
	}
	moving, err := s.moving.smooth(st.mm)
	if err != nil {
		return nil, err
	}
	m := &measure{mm: st.mm, center: s.body.center, moving: newSurface(moving)}
	if m.inv, err = moving.Grid.Affine.Inverse(); err != nil {
		return nil, err
	}
	low, high := robust(moving.Data)
	m.lo, m.up = low, float32(bins-1)/(high-low)
	values, err := m.draw(s, fixed, st)
	if err != nil {
		return nil, err
	}
	low, high = robust(fixed.Data)
	m.bin = make([]uint8, len(values))
	for i, v := range values {
		m.bin[i] = uint8(min(max((v-low)/(high-low)*bins, 0), bins-1))
	}
	return m, nil
}

// robust returns the values between which nearly all samples lie.
func robust(samples []float32) (lo, hi float32) {
	step := max(1, len(samples)/200000)
	few := make([]float32, 0, len(samples)/step+1)
	for i := 0; i < len(samples); i += step {
		few = append(few, samples[i])
	}
	slices.Sort(few)
	lo, hi = few[len(few)/1000], few[len(few)-1-len(few)/1000]
	if !(hi > lo) {
		lo, hi = few[0], few[len(few)-1]
	}
	if !(hi > lo) {
		hi = lo + 1
	}
	return lo, hi
}

// draw puts one point at random into each cell of a lattice over the fixed image's content and a margin, and returns
// the fixed image's values there.
func (m *measure) draw(s *search, fixed *imageio.Image, st stage) ([]float32, error) {
	whole := s.body.level.Grid
	lo, hi, volume := s.body.lo, s.body.hi, 1.0
	mm := whole.Spacing()
	var side [3]float64
	for i := range 3 {
		margin := s.body.radius / 6 / mm[i]
		lo[i], hi[i] = max(lo[i]-margin, 0), min(hi[i]+margin, float64(whole.Size[i]-1))
		side[i] = max(hi[i]-lo[i], 1e-3)
		volume *= max(side[i]*mm[i], st.mm)
	}
	cell := math.Cbrt(volume / float64(st.samples))
	var n [3]int
	for i := range 3 {
		n[i] = max(1, int(math.Round(side[i]*mm[i]/cell)))
	}
	toFixed, err := fixed.Grid.Affine.Inverse()
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(s.o.Seed, 0x6e697472))
	keep := s.inMask()
	var values []float32
	each(n, func(_ int, v [3]float64) {
		for i := range 3 {
			v[i] = lo[i] + (v[i]+rng.Float64())/float64(n[i])*side[i]
		}
		w := whole.Affine.Apply(v)
		if !keep(w) {
			return
		}
		at := toFixed.Apply(w)
		value := surface{im: fixed}.sample([3]float32{float32(at[0]), float32(at[1]), float32(at[2])}).value
		m.point = append(m.point, [3]float32{float32(w[0] - m.center[0]), float32(w[1] - m.center[1]), float32(w[2] - m.center[2])})
		values = append(values, value)
	})
	if len(values) < 100 {
		return nil, errors.New("register: mask: too few points of the fixed image lie in it")
	}
	return values, nil
}

func (s *search) inMask() func(w [3]float64) bool {
	if s.mask == nil {
		return func([3]float64) bool { return true }
	}
	size := s.mask.Grid.Size
	inv, _ := s.mask.Grid.Affine.Inverse() // valid: newSearch has checked the mask
	return func(w [3]float64) bool {
		v := inv.Apply(w)
		var at [3]int
		for i := range 3 {
			at[i] = int(math.Floor(v[i] + 0.5))
			if at[i] < 0 || at[i] >= size[i] {
				return false
			}
		}
		return s.mask.At(at[0], at[1], at[2], 0) != 0
	}
}

// at returns the mutual information under a map and its derivatives by the map's twelve entries, taken for points
// relative to the centre.
func (m *measure) at(a imageio.Affine) (float64, [3][4]float64, error) {
	visits := make([]visit, len(m.point))
	histogram := m.count(a, visits)
	total := 0.0
	for _, v := range histogram {
		total += v
	}
	if total < 0.05*float64(len(m.point)) || total < 100 {
		return 0, [3][4]float64{}, errApart
	}
	value, slopes := information(histogram, total)
	return value, m.slope(visits, slopes, float32(value/total)), nil
}

// count fills the joint histogram, chunk by chunk, and adds the chunks in their order.
func (m *measure) count(a imageio.Affine, visits []visit) []float64 {
	at := a.Apply(m.center)
	for i := range 3 {
		a[i][3] = at[i]
	}
	v := m.inv.Mul(a)
	var q [3][4]float32
	for i := range 3 {
		for j := range 4 {
			q[i][j] = float32(v[i][j])
		}
	}
	parts := make([][]float64, (len(m.point)+chunk-1)/chunk)
	tasks.Run(0, len(parts), func(k int) {
		part := make([]float64, bins*columns)
		for i := k * chunk; i < min((k+1)*chunk, len(m.point)); i++ {
			p := m.point[i]
			v := m.moving.sample([3]float32{
				q[0][0]*p[0] + q[0][1]*p[1] + q[0][2]*p[2] + q[0][3],
				q[1][0]*p[0] + q[1][1]*p[1] + q[1][2]*p[2] + q[1][3],
				q[2][0]*p[0] + q[2][1]*p[1] + q[2][2]*p[2] + q[2][3],
			})
			v.value = (v.value - m.lo) * m.up
			if v.weight == 0 {
				continue
			}
			for r := range 3 {
				v.gradient[r] *= m.up
			}
			if v.value <= 0 || v.value >= bins-1 {
				v.value, v.gradient = min(max(v.value, 0), bins-1), [3]float32{}
			}
			visits[i] = v
			bin, b := spline(v.value)
			row := part[int(m.bin[i])*columns+bin:][:4]
			for j := range 4 {
				row[j] += float64(v.weight * b[j])
			}
		}
		parts[k] = part
	})
	for _, part := range parts[1:] {
		for i, v := range part {
			parts[0][i] += v
		}
	}
	return parts[0]
}

// spline returns the first of the four columns and the weights of the cubic B-spline there.
func spline(value float32) (first int, w [4]float32) {
	k := int(value)
	t := value - float32(k)
	u := 1 - t
	w[0], w[3] = u*u*u/6, t*t*t/6
	w[1] = (4 + t*t*(3*t-6)) / 6
	w[2] = 1 - w[0] - w[1] - w[3]
	return k, w
}

// splineSlope returns the derivatives of spline's weights by the value.
func splineSlope(value float32) (first int, w [4]float32) {
	k := int(value)
	t := value - float32(k)
	u := 1 - t
	return k, [4]float32{-u * u / 2, t * (3*t - 4) / 2, u * (4 - 3*u) / 2, t * t / 2}
}

// information returns the mutual information of a joint histogram in nats and, for each cell, its derivative by the
// cell's probability.
func information(h []float64, total float64) (float64, []float32) {
	var rows [bins]float64
	var cols [columns]float64
	for i, v := range h {
		rows[i/columns] += v
		cols[i%columns] += v
	}
	value := 0.0
	slopes := make([]float32, len(h))
	for i, v := range h {
		if v <= 1e-12*total {
			continue
		}
		l := math.Log(v * total / (rows[i/columns] * cols[i%columns]))
		value += v / total * l
		slopes[i] = float32(l / total)
	}
	return value, slopes
}

// slope sums, over the points, the derivative by the map's entries; mean is the information over the number of points.
func (m *measure) slope(visits []visit, slopes []float32, mean float32) [3][4]float64 {
	parts := make([][3][4]float64, (len(visits)+chunk-1)/chunk)
	tasks.Run(0, len(parts), func(k int) {
		var sum [3][4]float64
		for i := k * chunk; i < min((k+1)*chunk, len(visits)); i++ {
			v := &visits[i]
			if v.weight == 0 {
				continue
			}
			first, b := splineSlope(v.value)
			row := slopes[int(m.bin[i])*columns+first:][:4]
			d := v.weight * (b[0]*row[0] + b[1]*row[1] + b[2]*row[2] + b[3]*row[3])
			p := m.point[i]
			fade := float32(0)
			if v.weight < 1 {
				_, b = spline(v.value)
				fade = b[0]*row[0] + b[1]*row[1] + b[2]*row[2] + b[3]*row[3] - mean
			}
			for r := range 3 {
				g := float64(d*v.gradient[r] + fade*v.fading[r])
				sum[r][0] += g * float64(p[0])
				sum[r][1] += g * float64(p[1])
				sum[r][2] += g * float64(p[2])
				sum[r][3] += g
			}
		}
		parts[k] = sum
	})
	var inVoxels, out [3][4]float64
	for _, part := range parts {
		for i := range 3 {
			for j := range 4 {
				inVoxels[i][j] += part[i][j]
			}
		}
	}
	for i := range 3 {
		for j := range 4 {
			for k := range 3 {
				out[i][j] += m.inv[k][i] * inVoxels[k][j]
			}
		}
	}
	return out
}
