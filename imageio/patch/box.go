// Package patch cuts images into boxes and blends boxes back.
//
// Training crops and inference windows share one definition of a [Box]; a 2-D slice is a box one voxel
// thick. [Tiling] lays windows as MONAI's sliding_window_inference or nnU-Net do, [Stitcher] averages what
// a model says about them, [Foreground] draws boxes for training, and [Layout] moves voxels between an
// image's order and a tensor's.
package patch

import (
	"fmt"
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// Box is a block of voxels: the index of its first voxel and its sizes along x, y and z. It may reach
// outside an image.
type Box struct{ Start, Size [3]int }

// End returns the index after the last voxel along each axis.
func (b Box) End() [3]int {
	return [3]int{b.Start[0] + b.Size[0], b.Start[1] + b.Size[1], b.Start[2] + b.Size[2]}
}

// Len returns the number of voxels.
func (b Box) Len() int { return b.Size[0] * b.Size[1] * b.Size[2] }

// Within reports whether an image of the given sizes holds the whole box.
func (b Box) Within(image [3]int) bool {
	for a := range 3 {
		if b.Start[a] < 0 || b.Start[a]+b.Size[a] > image[a] {
			return false
		}
	}
	return true
}

// Centred returns the box of the given size around a voxel, moved so that it fits the image, as MONAI's
// RandCropByPosNegLabel does: along an even size the voxel is the first of the second half. Where the
// image is smaller than the box, the box reaches outside on both sides, on the far one by the odd voxel.
func Centred(voxel, size, image [3]int) Box {
	b := Box{Size: size}
	for a := range 3 {
		if image[a] < size[a] {
			b.Start[a] = -((size[a] - image[a]) / 2)
			continue
		}
		b.Start[a] = min(max(voxel[a]-size[a]/2, 0), image[a]-size[a])
	}
	return b
}

// Edge says what stands outside an image.
type Edge string

// The edges, named as in PyTorch's pad.
const (
	Constant  Edge = "constant"  // one value
	Replicate Edge = "replicate" // the nearest voxel
	Reflect   Edge = "reflect"   // mirrored about the outermost voxel, which is not repeated
	Circular  Edge = "circular"  // the other side
)

// Validate reports an edge that does not exist. The empty one is Constant.
func (e Edge) Validate() error {
	switch e {
	case "", Constant, Replicate, Reflect, Circular:
		return nil
	}
	return fmt.Errorf("patch: edge %q: want constant, replicate, reflect or circular", string(e))
}

// Extract returns the part of an image that a box covers, on the grid that belongs to it. Voxels outside
// the image follow edge; value is that of [Constant]. The result shares nothing with the image.
func Extract(im *imageio.Image, b Box, edge Edge, value float32) (*imageio.Image, error) {
	if err := edge.Validate(); err != nil {
		return nil, err
	}
	var index [3][]int
	for a := range 3 {
		if b.Size[a] < 1 {
			return nil, fmt.Errorf("patch: box of size %v: want at least 1 along every axis", b.Size)
		}
		if b.Size[a] > math.MaxInt32 || b.Start[a] > math.MaxInt32 || b.Start[a] < math.MinInt32 {
			return nil, fmt.Errorf("patch: box at %v of size %v is too large", b.Start, b.Size)
		}
	}
	if tooLarge(b.Size, im.Channels) {
		return nil, fmt.Errorf("patch: box of size %v is too large", b.Size)
	}
	for a := range 3 {
		index[a] = sources(b.Start[a], b.Size[a], im.Grid.Size[a], edge)
	}
	grid := imageio.Grid{Size: b.Size, Affine: im.Grid.Affine}
	origin := im.Grid.World(float64(b.Start[0]), float64(b.Start[1]), float64(b.Start[2]))
	for r := range 3 {
		grid.Affine[r][3] = origin[r]
	}
	out := imageio.New(grid, im.Channels, im.Kind)
	for c := range im.Channels {
		copyBox(out.Channel(c), im.Channel(c), im.Grid.Size, index, value)
	}
	return out, nil
}

// copyBox fills dst, row by row, from the source indices of each axis; -1 stands for value.
func copyBox(dst, src []float32, size [3]int, index [3][]int, value float32) {
	nx, run := len(index[0]), contiguous(index[0])
	at := 0
	for _, z := range index[2] {
		for _, y := range index[1] {
			row := dst[at : at+nx]
			at += nx
			if y < 0 || z < 0 {
				fill(row, value)
				continue
			}
			from := src[size[0]*(y+size[1]*z):][:size[0]]
			if run {
				copy(row, from[index[0][0]:])
				continue
			}
			for i, x := range index[0] {
				if x < 0 {
					row[i] = value
				} else {
					row[i] = from[x]
				}
			}
		}
	}
}

// contiguous reports whether the indices are a rising run inside the image.
func contiguous(index []int) bool {
	for i, v := range index {
		if v < 0 || v != index[0]+i {
			return false
		}
	}
	return true
}

func fill(s []float32, v float32) {
	for i := range s {
		s[i] = v
	}
}

// sources returns which voxel of an axis of n stands at each of size positions from start; -1 is none.
func sources(start, size, n int, edge Edge) []int {
	index := make([]int, size)
	for i := range index {
		index[i] = source(start+i, n, edge)
	}
	return index
}

func source(i, n int, edge Edge) int {
	if i >= 0 && i < n {
		return i
	}
	switch edge {
	case Replicate:
		return min(max(i, 0), n-1)
	case Circular:
		return ((i % n) + n) % n
	case Reflect:
		if n == 1 {
			return 0
		}
		period := 2 * (n - 1)
		i = ((i % period) + period) % period
		return min(i, period-i)
	default:
		return -1
	}
}
