package predict

import (
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/tasks"
)

// canvas holds, for each voxel of the wanted grid, which label was picked, compactly: 0 for none, else its place
// among the Spec's picks plus one.
type canvas interface {
	fill(at, n int, v uint16)
	put(at int, v []uint16)
	// image gives the voxels their values, of which there is one for each pick and one for none before them.
	image(grid imageio.Grid, values []float32, threads int) *imageio.Image
}

func newCanvas(voxels, picks int) canvas {
	if picks < 1<<8 {
		return cells[uint8](make([]uint8, voxels))
	}
	return cells[uint16](make([]uint16, voxels))
}

// canvasBytes is what a voxel takes.
func canvasBytes(picks int) int64 {
	if picks < 1<<8 {
		return 1
	}
	return 2
}

type cells[T uint8 | uint16] []T

func (c cells[T]) fill(at, n int, v uint16) {
	row := c[at : at+n]
	for i := range row {
		row[i] = T(v)
	}
}

func (c cells[T]) put(at int, v []uint16) {
	row := c[at:][:len(v)]
	for i := range row {
		row[i] = T(v[i])
	}
}

func (c cells[T]) image(grid imageio.Grid, values []float32, threads int) *imageio.Image {
	out := imageio.New(grid, 1, imageio.Label)
	const piece = 1 << 18
	tasks.Run(threads, (len(c)+piece-1)/piece, func(k int) {
		from := c[k*piece : min((k+1)*piece, len(c))]
		to := out.Data[k*piece:][:len(from)]
		for i, v := range from {
			to[i] = values[v]
		}
	})
	return out
}
