package transform

import (
	"errors"
	"fmt"

	"github.com/nitrain/nitrain/imageio"
)

// CropForeground cuts the image to the bounding box of its foreground, widened by Margin voxels: MONAI's
// CropForeground and brainchop's box. Foreground is what lies above a value in any channel: above Above
// (default 0), or above FractionOfMax times the largest sample. A box that the margin carries over the image's
// edge is filled with zeros there, or clamped to the image if AllowSmaller. No foreground is an error.
type CropForeground struct {
	Above         float64 `json:"above,omitzero"`
	FractionOfMax float64 `json:"fraction_of_max,omitzero"`
	Margin        Each    `json:"margin,omitzero"`        // voxels, default 0
	PerChannel    bool    `json:"per_channel,omitzero"`   // FractionOfMax of each channel's own largest sample
	AllowSmaller  bool    `json:"allow_smaller,omitzero"` //
}

func (CropForeground) op() string { return "crop_foreground" }

func (c CropForeground) check() error {
	if err := finite("above", c.Above); err != nil {
		return err
	}
	if !(c.FractionOfMax >= 0 && c.FractionOfMax < 1) {
		return fmt.Errorf("fraction_of_max: want at least 0 and below 1, got %v", c.FractionOfMax)
	}
	if c.Above != 0 && c.FractionOfMax != 0 {
		return errors.New("above and fraction_of_max exclude each other")
	}
	return within("margin", c.Margin, 0)
}

// Apply cuts the image.
func (c CropForeground) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(c, im) }

func (c CropForeground) run(im *imageio.Image) (*imageio.Image, error) {
	box := emptyBox(im.Grid.Size)
	for ch := range im.Channels {
		limit := c.limit(im, ch)
		box.include(im.Channel(ch), im.Grid.Size, func(v float32) bool { return v > limit })
	}
	if box.empty() {
		return nil, errors.New("no sample lies above the threshold: nothing to crop to")
	}
	for i := range 3 {
		box.lo[i] -= c.Margin[i]
		box.hi[i] += c.Margin[i]
		if c.AllowSmaller {
			box.lo[i], box.hi[i] = max(box.lo[i], 0), min(box.hi[i], im.Grid.Size[i])
		}
	}
	return cut(im, box, fill{})
}

// limit returns the value above which samples of a channel are foreground, computed in float32 as the sources do.
func (c CropForeground) limit(im *imageio.Image, channel int) float32 {
	if c.FractionOfMax == 0 {
		return float32(c.Above)
	}
	samples := im.Data
	if c.PerChannel {
		samples = im.Channel(channel)
	}
	_, high := extremes(samples)
	return float32(c.FractionOfMax) * high
}

// CropNonzero cuts the image to the bounding box of the samples that are not zero in any channel,
// as nnU-Net does. An image of zeros is an error.
type CropNonzero struct{}

func (CropNonzero) op() string   { return "crop_nonzero" }
func (CropNonzero) check() error { return nil }

// Apply cuts the image.
func (c CropNonzero) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(c, im) }

func (CropNonzero) run(im *imageio.Image) (*imageio.Image, error) {
	box := emptyBox(im.Grid.Size)
	for ch := range im.Channels {
		box.include(im.Channel(ch), im.Grid.Size, func(v float32) bool { return v != 0 })
	}
	if box.empty() {
		return nil, errors.New("every sample is zero: nothing to crop to")
	}
	return cut(im, box, fill{})
}

// CenterCrop cuts Size voxels from the middle, as MONAI's CenterSpatialCrop: the first voxel is size/2 - Size/2,
// both halves rounded down. An axis that is shorter, or whose Size is 0 or -1, is kept.
type CenterCrop struct {
	Size Size `json:"size"`
}

func (CenterCrop) op() string { return "center_crop" }

func (c CenterCrop) check() error { return within("size", c.Size, -1) }

// Apply cuts the image.
func (c CenterCrop) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(c, im) }

func (c CenterCrop) run(im *imageio.Image) (*imageio.Image, error) {
	return cut(im, c.box(im.Grid), fill{})
}

func (c CenterCrop) box(g imageio.Grid) box {
	box := wholeBox(g.Size)
	for i, n := range g.Size {
		if want := c.Size[i]; want > 0 && want < n {
			box.lo[i] = n/2 - want/2
			box.hi[i] = box.lo[i] + want
		}
	}
	return box
}

// within reports numbers of voxels below a least value or absurdly large.
func within[A ~[3]int](key string, v A, least int) error {
	for _, n := range v {
		if n < least || n > 1<<20 {
			return fmt.Errorf("%s: want %d to %d, got %d", key, least, 1<<20, n)
		}
	}
	return nil
}
