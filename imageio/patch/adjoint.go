package patch

import (
	"fmt"

	"github.com/nitrain/nitrain/imageio"
)

// AddBack adds a window to the part of an image that Extract would take it from: the transpose of Extract. What the
// edge made of a voxel inside is added to that voxel; what stands for a constant is dropped.
func AddBack(im *imageio.Image, b Box, edge Edge, window *imageio.Image) error {
	if err := edge.Validate(); err != nil {
		return err
	}
	if window.Grid.Size != b.Size || window.Channels != im.Channels {
		return fmt.Errorf("patch: add back: want %d channels of %v voxels, got %d of %v", im.Channels, b.Size, window.Channels, window.Grid.Size)
	}
	var index [3][]int
	for a := range 3 {
		index[a] = sources(b.Start[a], b.Size[a], im.Grid.Size[a], edge)
	}
	for c := range im.Channels {
		addBack(im.Channel(c), window.Channel(c), im.Grid.Size, index)
	}
	return nil
}

func addBack(dst, src []float32, size [3]int, index [3][]int) {
	at := 0
	for _, z := range index[2] {
		for _, y := range index[1] {
			row := src[at : at+len(index[0])]
			at += len(index[0])
			if y < 0 || z < 0 {
				continue
			}
			to := dst[size[0]*(y+size[1]*z):][:size[0]]
			for i, x := range index[0] {
				if x >= 0 {
					to[x] += row[i]
				}
			}
		}
	}
}
