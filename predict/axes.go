package predict

import (
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
)

// axes says which axis of an image each axis of a tensor is, the tensor's fastest first. What a model says about a
// window is never turned: windows, cells and the way back are seen in the tensor's order instead.
type axes [3]int

// axesOf returns the axes of a layout.
func axesOf(l patch.Layout) axes {
	slow := l.Order()
	return axes{slow[2], slow[1], slow[0]}
}

// of returns sizes or starts of an image in the tensor's order.
func (x axes) of(v [3]int) [3]int { return [3]int{v[x[0]], v[x[1]], v[x[2]]} }

// box returns a box in the tensor's order as one of the image.
func (x axes) box(b patch.Box) patch.Box {
	var out patch.Box
	for i, a := range x {
		out.Start[a], out.Size[a] = b.Start[i], b.Size[i]
	}
	return out
}

// flip returns mirrored axes of an image in the tensor's order.
func (x axes) flip(bits uint) uint {
	var out uint
	for i, a := range x {
		out |= bits >> a & 1 << i
	}
	return out
}

// grid returns an image's grid in the tensor's order.
func (x axes) grid(g imageio.Grid) imageio.Grid {
	out := imageio.Grid{Size: x.of(g.Size), Affine: g.Affine}
	for i, a := range x {
		for row := range 3 {
			out.Affine[row][i] = g.Affine[row][a]
		}
	}
	return out
}

// tiling returns a tiling of an image in the tensor's order.
func (x axes) tiling(t patch.Tiling) patch.Tiling {
	t.Size = x.of(t.Size)
	t.Overlap = [3]float64{t.Overlap[x[0]], t.Overlap[x[1]], t.Overlap[x[2]]}
	return t
}
