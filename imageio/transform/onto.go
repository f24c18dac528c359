package transform

import (
	"errors"

	"github.com/nitrain/nitrain/imageio"
)

// Onto puts an image on another grid by one resample: the way back from a prepared image to its scan.
//
// A point up to half a voxel beyond the border voxels' centres takes the border's value, a point farther out
// the Background. Grids that differ by whole voxels, exchanged or reversed axes (to 1e-4 voxel) are
// copied by index, bit for bit. Labels are taken from the nearest voxel centre, halves up, whatever Interpolation
// says. The grid of the result is exactly Grid. Onto has no JSON form.
type Onto struct {
	Grid          imageio.Grid
	Interpolation Interpolation // Linear (default), Nearest or Cubic
	Background    float32
}

func (Onto) op() string { return "onto" }

func (o Onto) check() error {
	return errors.Join(o.Grid.Validate(), oneOf("interpolation", o.Interpolation, Linear, Nearest, Cubic))
}

// Apply resamples the image.
func (o Onto) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(o, im) }

func (o Onto) run(im *imageio.Image) (*imageio.Image, error) {
	if im.Grid == o.Grid {
		return im, nil
	}
	out, err := newImage(im, o.Grid, im.Channels, false)
	if err != nil {
		return nil, err
	}
	f, err := o.plan(im)
	if err != nil {
		return nil, err
	}
	for c := range im.Channels {
		f(out.Channel(c), im.Channel(c))
	}
	return out, nil
}

// Channels resamples one channel after the other into one buffer and calls yield with it, so that an image of many
// class probabilities never lies on the grid as a whole. The buffer is reused: yield must not keep it.
// It stops at yield's first error and returns it.
func (o Onto) Channels(im *imageio.Image, yield func(channel int, samples []float32) error) error {
	if im == nil {
		return errors.New("transform: onto: no image")
	}
	if err := errors.Join(im.Validate(), o.check(), checkSize(o.Grid.Size, 1)); err != nil {
		return err
	}
	f, err := o.plan(im)
	if err != nil {
		return err
	}
	samples := make([]float32, o.Grid.Len())
	for c := range im.Channels {
		f(samples, im.Channel(c))
		if err := yield(c, samples); err != nil {
			return err
		}
	}
	return nil
}

func (o Onto) plan(im *imageio.Image) (channelFunc, error) {
	r, err := between(im.Grid, o.Grid)
	if err != nil {
		return nil, err
	}
	r.how, r.edge, r.outside = or(o.Interpolation, Linear), halfVoxel, o.Background
	if im.Kind == imageio.Label {
		r.how = Nearest
	}
	return r.plan(), nil
}
