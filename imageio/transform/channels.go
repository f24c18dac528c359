package transform

import (
	"errors"
	"fmt"

	"github.com/nitrain/nitrain/imageio"
)

// SelectChannels keeps the channels of List, counted from 0, in that order; a channel may come more than once.
type SelectChannels struct {
	List []int `json:"list"`
}

func (SelectChannels) op() string { return "select_channels" }

func (s SelectChannels) check() error {
	if len(s.List) == 0 {
		return errors.New("list: want at least one channel")
	}
	for _, c := range s.List {
		if c < 0 {
			return fmt.Errorf("list: want channels counted from 0, got %d", c)
		}
	}
	return nil
}

// Apply selects the channels.
func (s SelectChannels) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(s, im) }

func (s SelectChannels) run(im *imageio.Image) (*imageio.Image, error) {
	for _, c := range s.List {
		if c >= im.Channels {
			return nil, fmt.Errorf("channel %d: the image has %d, counted from 0", c, im.Channels)
		}
	}
	out, err := newImage(im, im.Grid, len(s.List), true)
	if err != nil {
		return nil, err
	}
	for i, c := range s.List {
		copy(out.Channel(i), im.Channel(c))
	}
	return out, nil
}

// ConcatChannels marks where a Pipeline that is applied to several images joins them ([Pipeline.ApplyAll]):
// the steps before it see each image alone. Applied to one image it changes nothing.
type ConcatChannels struct{}

func (ConcatChannels) op() string   { return "concat_channels" }
func (ConcatChannels) check() error { return nil }

// Apply returns the image.
func (c ConcatChannels) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(c, im) }

func (ConcatChannels) run(im *imageio.Image) (*imageio.Image, error) { return im, nil }

// Concat joins the channels of images that lie on the same grid, to 0.01 mm. Grid, kind and source are the first's.
func Concat(images ...*imageio.Image) (*imageio.Image, error) {
	if len(images) == 0 {
		return nil, errors.New("transform: concat_channels: no images")
	}
	first, channels := images[0], 0
	for i, im := range images {
		if im == nil {
			return nil, fmt.Errorf("transform: concat_channels: image %d is missing", i+1)
		}
		if err := im.Validate(); err != nil {
			return nil, fmt.Errorf("transform: concat_channels: image %d: %w", i+1, err)
		}
		if !im.Grid.Same(first.Grid, 0.01) {
			return nil, &GridError{Image: i + 1, Want: first.Grid, Got: im.Grid}
		}
		if im.Kind != first.Kind {
			return nil, fmt.Errorf("transform: concat_channels: image %d: want %v like the first, got %v", i+1, first.Kind, im.Kind)
		}
		channels += im.Channels
	}
	if len(images) == 1 {
		return first, nil
	}
	out, err := newImage(first, first.Grid, channels, true)
	if err != nil {
		return nil, fmt.Errorf("transform: concat_channels: %w", err)
	}
	at := 0
	for _, im := range images {
		at += copy(out.Data[at:], im.Data)
	}
	return out, nil
}

// GridError says that an image does not lie on the grid that it should.
type GridError struct {
	Image     int // counted from 1
	Want, Got imageio.Grid
}

func (e *GridError) Error() string {
	if e.Want.Size != e.Got.Size {
		return fmt.Sprintf("transform: concat_channels: image %d: want %v voxels like the first, got %v", e.Image, e.Want.Size, e.Got.Size)
	}
	return fmt.Sprintf("transform: concat_channels: image %d has the first's size %v but lies elsewhere", e.Image, e.Want.Size)
}

// Hint says what to do.
func (e *GridError) Hint() string {
	return "put the images on one grid beforehand: nitrain transform SCAN -o OUT --like FIRST"
}
