package transform

import (
	"slices"

	"github.com/nitrain/nitrain/imageio"
)

// nnunet resamples as nnU-Net 2.6's resample_data_or_seg_to_shape does with order 3, 1 or 0: by array shape,
// face to face, the result limited to the range of the samples (skimage.transform.resize clips so).
// If the image's spacing is more than three times as large along one axis, or else if the target's is, only
// the slices are interpolated; between them the nearest is taken.
func (s Spacing) nnunet(im *imageio.Image) (*imageio.Image, error) {
	mm, old := s.target(im.Grid, 0), im.Grid.Spacing()
	size := s.nnunetSize(im.Grid)
	how := or(s.Interpolation, Linear)
	if size == im.Grid.Size || im.Kind == imageio.Label || how == Nearest {
		return stretch3(im, size, NearestExact, false)
	}
	if err := checkSize(size, im.Channels); err != nil {
		return nil, err
	}
	apart := sliceAxis(old)
	if apart == noAxis {
		apart = sliceAxis(mm)
	}
	out, err := newImage(im, stretchedGrid(im.Grid, size), im.Channels, false)
	if err != nil {
		return nil, err
	}
	for c := range im.Channels {
		stretchSlices(out.Channel(c), size, im.Channel(c), im.Grid.Size, apart, how)
	}
	return out, nil
}

func (s Spacing) nnunetSize(g imageio.Grid) (size [3]int) {
	mm, old := s.target(g, 0), g.Spacing()
	for i, n := range g.Size {
		size[i] = max(1, whole(old[i]/mm[i]*float64(n)))
	}
	return size
}

const noAxis = -1

// sliceAxis returns the one axis whose spacing is largest, if it is more than 3 times the smallest.
func sliceAxis(mm [3]float64) int {
	most := slices.Max(mm[:])
	if most/slices.Min(mm[:]) <= 3 {
		return noAxis
	}
	axis := noAxis
	for i, v := range mm {
		if v == most {
			if axis != noAxis {
				return noAxis
			}
			axis = i
		}
	}
	return axis
}

// stretchSlices interpolates one channel within slices across the axis apart, or in all directions.
func stretchSlices(dst []float32, to [3]int, src []float32, from [3]int, apart int, how Interpolation) {
	within := to
	if apart != noAxis {
		within[apart] = from[apart]
	}
	mid := dst
	if within != to {
		mid = make([]float32, within[0]*within[1]*within[2])
	}
	stretchPlan(from, within, how, false)(mid, src)
	if how == Cubic {
		limitSlices(mid, within, src, from, apart)
	}
	if within != to {
		stretchPlan(within, to, NearestExact, false)(dst, mid)
	}
}

// limitSlices limits the samples of each slice across an axis, or of the whole, to the range of the source's.
func limitSlices(dst []float32, to [3]int, src []float32, from [3]int, apart int) {
	n := 1
	if apart != noAxis {
		n = from[apart]
	}
	for k := range n {
		lo, hi := float32(0), float32(0)
		first := true
		eachInSlice(from, apart, k, func(i int) {
			if v := src[i]; first {
				lo, hi, first = v, v, false
			} else {
				lo, hi = min(lo, v), max(hi, v)
			}
		})
		eachInSlice(to, apart, k, func(i int) { dst[i] = clamp(dst[i], lo, hi) })
	}
}

func eachInSlice(size [3]int, axis, k int, f func(i int)) {
	lo, hi := [3]int{}, size
	if axis != noAxis {
		lo[axis], hi[axis] = k, k+1
	}
	for z := lo[2]; z < hi[2]; z++ {
		for y := lo[1]; y < hi[1]; y++ {
			row := (z*size[1] + y) * size[0]
			for x := lo[0]; x < hi[0]; x++ {
				f(row + x)
			}
		}
	}
}
