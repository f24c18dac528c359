package register

import (
	"errors"
	"math"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
)

// pyramid is an image at several voxel sizes, made when they are asked for.
type pyramid struct {
	im     *imageio.Image
	finest float64 // mm: the geometric mean of the voxel sizes
	levels map[float64]*imageio.Image
}

// newPyramid takes the first channel, everything that is not finite as its smallest sample.
func newPyramid(im *imageio.Image) (*pyramid, error) {
	one := &imageio.Image{Grid: im.Grid, Channels: 1, Data: im.Channel(0), Kind: imageio.Intensity}
	lo, hi := limits(one.Data)
	if !(hi > lo) {
		return nil, errors.New("every sample is the same: nothing to match")
	}
	for i, v := range one.Data {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			clean := make([]float32, len(one.Data))
			copy(clean, one.Data)
			for k, v := range clean[i:] {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
					clean[i+k] = lo
				}
			}
			one.Data = clean
			break
		}
	}
	return &pyramid{im: one, finest: math.Cbrt(im.Grid.VoxelVolume()), levels: map[float64]*imageio.Image{}}, nil
}

// at returns the image with voxels of about mm millimetres, the mean of those that they cover; an axis whose voxels
// are larger keeps them.
func (p *pyramid) at(mm float64) *imageio.Image {
	if im, ok := p.levels[mm]; ok {
		return im
	}
	size := p.im.Grid.Size
	for i, s := range p.im.Grid.Spacing() {
		if k := math.Round(mm / s); k > 1 {
			size[i] = max(1, int(math.Ceil(float64(size[i])/k)))
		}
	}
	im, err := transform.Resize{Size: size, Interpolation: transform.Area}.Apply(p.im)
	if err != nil { // a size between 1 and the image's own is always allowed
		im = p.im
	}
	p.levels[mm] = im
	return im
}

// smooth returns a level blurred by a Gaussian of 0.7 of its voxels, the border continued; the image's own level
// stays as it is.
func (p *pyramid) smooth(mm float64) (*imageio.Image, error) {
	im := p.at(mm)
	if im.Grid.Size == p.im.Grid.Size {
		return im, nil
	}
	const tail = 4
	return transform.Pipeline{
		transform.Pad{Size: [3]int{im.Grid.Size[0] + 2*tail, im.Grid.Size[1] + 2*tail, im.Grid.Size[2] + 2*tail}, Mode: transform.PadEdge},
		transform.Smooth{Voxels: transform.Factors{0.7, 0.7, 0.7}},
		transform.CenterCrop{Size: im.Grid.Size},
	}.Apply(im)
}
