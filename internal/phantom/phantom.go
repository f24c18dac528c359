// Package phantom draws head-like 3-D scans with known labels, and the CT of a trunk without, so that the project
// can show, test and measure the whole loop without anybody's data.
//
// A head is nested and overlapping shapes (scalp, skull, fluid, a folded cortex, white matter,
// ventricles, deep nuclei, eyes, lesions), drawn on an oblique anisotropic grid with partial volume, a
// smooth bias field and Rician noise. Everything that varies follows from the seed.
package phantom

import (
	"math"
	"math/rand/v2"

	"github.com/nitrain/nitrain/imageio"
)

// Contrast is the weighting under which the same tissues are seen.
type Contrast uint8

const (
	// A is like T1: white matter bright, fluid dark.
	A Contrast = iota
	// B is like T2: fluid bright, white matter darker than grey.
	B
)

// The values of the label map.
const (
	Background = iota
	Grey
	White
	Ventricle
	Lesion
)

// LabelNames are the names of the label values, in their order.
func LabelNames() []string {
	return []string{"background", "grey matter", "white matter", "ventricles", "lesion"}
}

// Case is one head: the scan and its true labels on the same grid.
type Case struct {
	Scan, Labels *imageio.Image
}

// Head draws the head of a seed. The same seed gives the same anatomy, grid and label map under both
// contrasts, noise and bias field included.
func Head(seed uint64, contrast Contrast) Case { return head(seed, contrast, nil) }

// HeadOn draws the head of a seed on a grid that is given.
func HeadOn(seed uint64, contrast Contrast, grid imageio.Grid) Case {
	return head(seed, contrast, &grid)
}

func head(seed uint64, contrast Contrast, on *imageio.Grid) Case {
	rng := rand.New(rand.NewPCG(seed, 0x6e69747261696e))
	head := drawAnatomy(rng)
	grid := drawGrid(rng)
	if on != nil {
		grid = *on
	}
	signal := drawSignal(rng, contrast)
	bias := drawBias(rng)

	scan := imageio.New(grid, 1, imageio.Intensity)
	labels := imageio.New(grid, 1, imageio.Label)
	noise := rand.New(rand.NewPCG(seed, 0x6e6f697365))
	sigma := 0.025 + 0.03*rng.Float64()
	i := 0
	for z := range grid.Size[2] {
		for y := range grid.Size[1] {
			for x := range grid.Size[0] {
				mean, label := sample(head, signal, grid, x, y, z)
				v := mean * bias.at(grid.World(float64(x), float64(y), float64(z)))
				re, im := v+sigma*noise.NormFloat64(), sigma*noise.NormFloat64()
				scan.Data[i] = float32(math.Round(1000 * math.Hypot(re, im)))
				labels.Data[i] = float32(label)
				i++
			}
		}
	}
	return Case{Scan: scan, Labels: labels}
}

// sample averages the signal over eight points inside a voxel, which is partial volume, and gives the
// voxel the label that most of them have.
func sample(h *anatomy, signal [tissues]float64, g imageio.Grid, x, y, z int) (mean float64, label int) {
	var votes [Lesion + 1]int
	for k := range 8 {
		d := [3]float64{-0.25, -0.25, -0.25}
		for a := range 3 {
			if k>>a&1 == 1 {
				d[a] = 0.25
			}
		}
		t := h.tissueAt(g.World(float64(x)+d[0], float64(y)+d[1], float64(z)+d[2]))
		mean += signal[t] / 8
		votes[t.label()]++
	}
	for l, n := range votes {
		if n > votes[label] {
			label = l
		}
	}
	return mean, label
}

// drawGrid places an oblique anisotropic grid, in a random axis order, around the head.
func drawGrid(rng *rand.Rand) imageio.Grid {
	order := rng.Perm(3)
	in, through := 2.2+0.6*rng.Float64(), 2.8+1.2*rng.Float64()
	extent := [3]float64{176, 210, 180}
	turn := rotation(rng, 0.2)
	grid := imageio.Grid{Affine: imageio.Identity()}
	for axis, world := range order {
		step := in
		if axis == 2 {
			step = through
		}
		sign := 1.0
		if rng.IntN(2) == 1 {
			sign = -1
		}
		grid.Size[axis] = int(math.Ceil(extent[world] / step))
		for r := range 3 {
			grid.Affine[r][axis] = sign * step * turn[r][world]
		}
	}
	for r := range 3 {
		shift := 6 * (rng.Float64() - 0.5)
		for axis := range 3 {
			shift -= grid.Affine[r][axis] * float64(grid.Size[axis]-1) / 2
		}
		grid.Affine[r][3] = shift
	}
	return grid
}

// drawSignal gives every tissue its brightness under a contrast, varied by a few percent.
func drawSignal(rng *rand.Rand, contrast Contrast) [tissues]float64 {
	signal := [tissues]float64{air: 0.02, scalp: 0.80, skull: 0.14, fluid: 0.20, eye: 0.25, cortex: 0.50, whiteMatter: 0.74, nucleus: 0.56, ventricle: 0.20, lesion: 0.34}
	if contrast == B {
		signal = [tissues]float64{air: 0.02, scalp: 0.52, skull: 0.10, fluid: 0.92, eye: 0.88, cortex: 0.62, whiteMatter: 0.42, nucleus: 0.55, ventricle: 0.92, lesion: 0.78}
	}
	gain := 0.8 + 0.4*rng.Float64()
	for t := range signal {
		signal[t] = gain * signal[t] * (1 + 0.05*(2*rng.Float64()-1))
	}
	return signal
}

// field is a smooth multiplicative bias: the exponential of a quadratic in world coordinates.
type field [9]float64

func drawBias(rng *rand.Rand) field {
	var f field
	for i := range f {
		f[i] = 0.28 * (2*rng.Float64() - 1)
	}
	return f
}

func (f field) at(p [3]float64) float64 {
	x, y, z := p[0]/100, p[1]/100, p[2]/100
	return math.Exp(f[0]*x + f[1]*y + f[2]*z + f[3]*x*y + f[4]*y*z + f[5]*x*z + f[6]*x*x + f[7]*y*y + f[8]*z*z)
}
