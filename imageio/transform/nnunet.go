package transform

import (
	"math"
	"slices"

	"github.com/nitrain/nitrain/imageio"
)

// nnunet resamples as nnU-Net 2's resample_data_or_seg_to_shape does with order 3, 1 or 0: by array shape,
// face to face, the result limited to the range of the samples (skimage.transform.resize clips so). Where the
// slices are taken separately, only they are interpolated; between them the nearest is taken.
func (s Spacing) nnunet(im *imageio.Image) (*imageio.Image, error) {
	how := or(s.Interpolation, Linear)
	mm, old := s.nnunetTarget(im)
	size := nnunetSize(im.Grid.Size, old, mm)
	if size == im.Grid.Size || im.Kind == imageio.Label || how == Nearest {
		return stretch3(im, size, NearestExact, false)
	}
	if err := checkSize(size, im.Channels); err != nil {
		return nil, err
	}
	apart := s.Separate.Axis(old, mm)
	out, err := newImage(im, stretchedGrid(im.Grid, size), im.Channels, false)
	if err != nil {
		return nil, err
	}
	for c := range im.Channels {
		stretchSlices(out.Channel(c), size, im.Channel(c), im.Grid.Size, apart, how)
	}
	return out, nil
}

// nnunetTarget returns the wanted spacing and the image's as its file has it.
func (s Spacing) nnunetTarget(im *imageio.Image) (mm, old [3]float64) {
	mm, old = [3]float64(s.MM), Nominal(im)
	for i := range mm {
		if mm[i] <= 0 {
			mm[i] = old[i]
		}
	}
	return mm, old
}

// nnunetGrid is the result's grid where no file says what the spacing is.
func (s Spacing) nnunetGrid(g imageio.Grid) imageio.Grid {
	return stretchedGrid(g, nnunetSize(g.Size, g.Spacing(), s.target(g, 0)))
}

func nnunetSize(from [3]int, old, mm [3]float64) (size [3]int) {
	for i, n := range from {
		size[i] = max(1, whole(old[i]/mm[i]*float64(n)))
	}
	return size
}

// Nominal returns the spacing of an image as its file states it. An oblique affine, which most formats store in
// single precision, gives lengths that differ from that in the seventh digit: enough to make one of two equal axes
// the longer one, or to round half a voxel the other way. Axes whose length is no longer the file's keep their own.
func Nominal(im *imageio.Image) [3]float64 {
	mm := im.Grid.Spacing()
	if im.Source == nil {
		return mm
	}
	stated := im.Source.Zooms[:min(3, len(im.Source.Zooms))]
	for i, length := range mm {
		away := 1e-5 * length
		for _, z := range stated {
			if d := math.Abs(z - length); d < away {
				mm[i], away = z, d
			}
		}
	}
	return mm
}

// NoAxis is what [Separate.Axis] returns where all axes are treated alike.
const NoAxis = -1

// Axis returns the axis across which slices are taken separately for images of one spacing that are brought
// to another, or NoAxis: nnU-Net 2's determine_do_sep_z_and_axis.
func (s Separate) Axis(from, to [3]float64) int {
	const threshold = 3 // nnU-Net's ANISO_THRESHOLD
	uneven := func(mm [3]float64) bool { return slices.Max(mm[:])/slices.Min(mm[:]) > threshold }
	switch {
	case s == SeparateNever:
		return NoAxis
	case s == SeparateAlways || uneven(from):
		return longest(from)
	case uneven(to):
		return longest(to)
	}
	return NoAxis
}

// longest returns the one axis whose spacing is largest; NoAxis where there are several.
func longest(mm [3]float64) int {
	most, axis := slices.Max(mm[:]), NoAxis
	for i, v := range mm {
		if v == most {
			if axis != NoAxis {
				return NoAxis
			}
			axis = i
		}
	}
	return axis
}

// stretchSlices interpolates one channel within slices across the axis apart, or in all directions.
func stretchSlices(dst []float32, to [3]int, src []float32, from [3]int, apart int, how Interpolation) {
	within := to
	if apart != NoAxis {
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
	if apart != NoAxis {
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
	if axis != NoAxis {
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
