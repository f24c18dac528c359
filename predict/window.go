package predict

import (
	"context"
	"math/bits"
	"slices"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
)

// scores runs the model over a prepared image: whole, or in windows that are then stitched.
func (m *model) scores(ctx context.Context, im *imageio.Image, r Request) (*scores, error) {
	if m.spec.Tile == nil {
		return m.whole(ctx, im, r)
	}
	boxes, err := m.spec.Tile.Tiling().Boxes(im.Grid.Size)
	if err != nil {
		return nil, err
	}
	if len(boxes) == 1 && boxes[0].Within(im.Grid.Size) && !r.Mirror && m.spec.Input.stack() == 1 {
		return m.whole(ctx, im, r)
	}
	return m.windows(ctx, im, boxes, r)
}

// whole runs the model once over the whole image.
func (m *model) whole(ctx context.Context, im *imageio.Image, r Request) (*scores, error) {
	size := im.Grid.Size
	out, err := m.execute(ctx, []*imageio.Image{im}, size)
	if err != nil {
		return nil, err
	}
	if r.Progress != nil {
		r.Progress(1, 1)
	}
	if !m.spec.Task.spatial() {
		return m.imageScores(out)
	}
	v, channels, err := m.outputScores(out, m.batchOf(1), size)
	if err != nil {
		return nil, err
	}
	return tensorScores(v, m.spec.Input.Layout, 0, channels, size), nil
}

// windows runs the model over boxes of the image and stitches what comes out.
func (m *model) windows(ctx context.Context, im *imageio.Image, boxes []patch.Box, r Request) (*scores, error) {
	tile := m.spec.Tile
	stitcher, err := patch.NewStitcher(tile.Tiling(), im.Grid.Size, m.channels)
	if err != nil {
		return nil, err
	}
	flips := []uint{0}
	if r.Mirror {
		flips = flipsOf(tile.Mirror)
	}
	batch := max(m.batchOf(max(tile.Batch, 1)), 1)
	runs, done := (len(boxes)+batch-1)/batch*len(flips), 0
	for at := 0; at < len(boxes); at += batch {
		part := boxes[at:min(at+batch, len(boxes))]
		sum := make([][]float32, len(part))
		for _, flip := range flips {
			if err := m.addWindows(ctx, im, part, flip, sum); err != nil {
				return nil, err
			}
			if done++; r.Progress != nil {
				r.Progress(done, runs)
			}
		}
		for i, b := range part {
			scale(sum[i], 1/float32(len(flips)))
			if err := stitcher.Add(b, sum[i]); err != nil {
				return nil, err
			}
		}
	}
	return stitched(im.Grid.Size, stitcher.Result()), nil
}

// addWindows runs the model over one batch of boxes, mirrored, and adds its output to sum.
func (m *model) addWindows(ctx context.Context, im *imageio.Image, boxes []patch.Box, flip uint, sum [][]float32) error {
	size := boxes[0].Size
	n := boxes[0].Len()
	images := make([]*imageio.Image, len(boxes))
	for i, b := range boxes {
		window, err := m.cut(im, b, flip)
		if err != nil {
			return err
		}
		images[i] = window
	}
	out, err := m.execute(ctx, images, size)
	if err != nil {
		return err
	}
	v, channels, err := m.outputScores(out, m.batchOf(len(boxes)), size)
	if err != nil {
		return err
	}
	block := make([]float32, n)
	for i := range boxes {
		s := tensorScores(v, m.spec.Input.Layout, i, channels, size)
		if sum[i] == nil {
			sum[i] = make([]float32, n*channels)
		}
		for c := range channels {
			s.read(c, block)
			mirror(block, size, flip)
			add(sum[i][c*n:(c+1)*n], block)
		}
	}
	return nil
}

// flipsOf returns every subset of axes as bits, none of them first.
func flipsOf(axes []int) []uint {
	flips := []uint{0}
	for _, a := range axes {
		for _, f := range slices.Clip(flips) {
			flips = append(flips, f|1<<a)
		}
	}
	return flips
}

// mirror turns a block, x fastest, around along the axes whose bits are set, in place.
func mirror(block []float32, size [3]int, flip uint) {
	stride := [3]int{1, size[0], size[0] * size[1]}
	for ; flip != 0; flip &= flip - 1 {
		a := bits.TrailingZeros(flip)
		step, length := stride[a], size[a]
		for base := 0; base < len(block); base += step * length {
			for i := range length / 2 {
				lo, hi := block[base+i*step:][:step], block[base+(length-1-i)*step:][:step]
				for k := range lo {
					lo[k], hi[k] = hi[k], lo[k]
				}
			}
		}
	}
}

func add(dst, src []float32) {
	for i, v := range src {
		dst[i] += v
	}
}

func scale(v []float32, by float32) {
	if by == 1 {
		return
	}
	for i := range v {
		v[i] *= by
	}
}
