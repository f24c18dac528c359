package transform

import (
	"github.com/nitrain/nitrain/imageio"
)

// box is a range of voxels, hi excluded; it may reach over the image's edges.
type box struct{ lo, hi [3]int }

func wholeBox(size [3]int) box { return box{hi: size} }

// emptyBox is the start of a bounding box.
func emptyBox(size [3]int) box { return box{lo: size} }

func (b box) empty() bool {
	return b.lo[0] >= b.hi[0] || b.lo[1] >= b.hi[1] || b.lo[2] >= b.hi[2]
}

// include widens the box by the voxels whose sample is in the foreground.
func (b *box) include(samples []float32, size [3]int, foreground func(float32) bool) {
	for z := range size[2] {
		for y := range size[1] {
			row := samples[(z*size[1]+y)*size[0]:][:size[0]]
			first := 0
			for first < len(row) && !foreground(row[first]) {
				first++
			}
			if first == len(row) {
				continue
			}
			last := len(row) - 1
			for !foreground(row[last]) {
				last--
			}
			b.lo = [3]int{min(b.lo[0], first), min(b.lo[1], y), min(b.lo[2], z)}
			b.hi = [3]int{max(b.hi[0], last+1), max(b.hi[1], y+1), max(b.hi[2], z+1)}
		}
	}
}

// fill says what is written where a box reaches over the image.
type fill struct {
	value float32
	mode  PadMode
}

// grid returns the grid of the box's voxels.
func (b box) grid(g imageio.Grid) imageio.Grid {
	out := imageio.Grid{Affine: g.Affine}
	var at [3]float64
	for i := range 3 {
		out.Size[i] = b.hi[i] - b.lo[i]
		at[i] = float64(b.lo[i])
	}
	origin := g.Affine.Apply(at)
	for i := range 3 {
		out.Affine[i][3] = origin[i]
	}
	return out
}

// cut returns the voxels of a box, the grid moved exactly; the image itself when the box is the whole.
func cut(im *imageio.Image, b box, f fill) (*imageio.Image, error) {
	if b == wholeBox(im.Grid.Size) {
		return im, nil
	}
	grid := b.grid(im.Grid)
	out, err := newImage(im, grid, im.Channels, true)
	if err != nil {
		return nil, err
	}
	xs, ys, zs := f.indices(b, im.Grid.Size, 0), f.indices(b, im.Grid.Size, 1), f.indices(b, im.Grid.Size, 2)
	for c := range im.Channels {
		gather(out.Channel(c), grid.Size, im.Channel(c), im.Grid.Size, [3][]int{xs, ys, zs}, f.value)
	}
	return out, nil
}

// gather writes one channel whose voxel (x, y, z) is the source's voxel (at[0][x], at[1][y], at[2][z]);
// -1 stands for the value outside.
func gather(dst []float32, n [3]int, src []float32, size [3]int, at [3][]int, outside float32) {
	run := firstRun(at[0])
	parallel(n[1]*n[2], n[0], func(row int) {
		y, z := at[1][row%n[1]], at[2][row/n[1]]
		out := dst[row*n[0] : (row+1)*n[0]]
		if y < 0 || z < 0 {
			for i := range out {
				out[i] = outside
			}
			return
		}
		in := src[(z*size[1]+y)*size[0]:][:size[0]]
		copy(out[run.at:run.at+run.n], in[run.from:])
		gatherRow(out[:run.at], in, at[0], outside)
		gatherRow(out[run.at+run.n:], in, at[0][run.at+run.n:], outside)
	})
}

func gatherRow(out, in []float32, at []int, outside float32) {
	for i := range out {
		if k := at[i]; k >= 0 {
			out[i] = in[k]
		} else {
			out[i] = outside
		}
	}
}

// stretch is n indices from out position at that are from, from+1, ...
type stretch struct{ at, n, from int }

// firstRun finds the first rising stretch of indices, which is copied as a block.
func firstRun(at []int) stretch {
	i := 0
	for i < len(at) && at[i] < 0 {
		i++
	}
	if i == len(at) {
		return stretch{}
	}
	s := stretch{at: i, n: 1, from: at[i]}
	for i++; i < len(at) && at[i] == at[i-1]+1; i++ {
		s.n++
	}
	return s
}
