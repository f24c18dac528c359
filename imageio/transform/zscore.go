package transform

import (
	"errors"
	"fmt"
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// ZScore subtracts the mean and divides by the population standard deviation of the image, or of each channel if
// PerChannel, as MONAI's NormalizeIntensity. With Nonzero only samples that are not zero count and change.
// A standard deviation of zero counts as one.
//
// With Mask "nonzero" the voxels count and change that are not zero in some channel, and the holes between them:
// nnU-Net's ZScoreNormalization with use_mask_for_norm. Of then names the channels that are normalized; the mask is
// made from all of them, so that it must come before any other step that changes zeros.
type ZScore struct {
	Nonzero    bool   `json:"nonzero,omitzero"`
	PerChannel bool   `json:"per_channel,omitzero"`
	Mask       string `json:"mask,omitzero"` // "nonzero"
	Of         []int  `json:"of,omitzero"`   // channels counted from 0, default all; of mask
}

func (ZScore) op() string    { return "zscore" }
func (ZScore) leavesLabels() {}

func (z ZScore) check() error {
	if z.Mask != "" && z.Nonzero {
		return errors.New("mask and nonzero exclude each other")
	}
	if len(z.Of) > 0 && z.Mask == "" {
		return errors.New("of belongs to mask; for other steps there is channels")
	}
	for _, c := range z.Of {
		if c < 0 {
			return fmt.Errorf("of: want channels counted from 0, got %d", c)
		}
	}
	return oneOf("mask", z.Mask, "nonzero")
}

// Apply maps the values.
func (z ZScore) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(z, im) }

func (z ZScore) run(im *imageio.Image) (*imageio.Image, error) {
	if z.Mask != "" {
		return z.masked(im)
	}
	return mapGroups(im, z.PerChannel, func(samples []float32) (func(float32) float32, error) {
		mean, std, n := moments(samples, z.Nonzero)
		if n == 0 {
			return func(v float32) float32 { return v }, nil
		}
		m, s := float32(mean), float32(or(std, 1))
		if z.Nonzero {
			return func(v float32) float32 {
				if v == 0 {
					return 0
				}
				return (v - m) / s
			}, nil
		}
		return func(v float32) float32 { return (v - m) / s }, nil
	})
}

// masked normalizes within the mask and leaves the rest alone.
func (z ZScore) masked(im *imageio.Image) (*imageio.Image, error) {
	of := z.Of
	if len(of) == 0 {
		of = make([]int, im.Channels)
		for c := range of {
			of[c] = c
		}
	}
	for _, c := range of {
		if c >= im.Channels {
			return nil, fmt.Errorf("of: channel %d: the image has %d, counted from 0", c, im.Channels)
		}
	}
	out, err := newImage(im, im.Grid, im.Channels, false)
	if err != nil {
		return nil, err
	}
	copy(out.Data, im.Data)
	mask := NonzeroMask(im)
	groups := [][]int{of}
	if z.PerChannel {
		groups = groups[:0]
		for i := range of {
			groups = append(groups, of[i:i+1])
		}
	}
	for _, g := range groups {
		m, s := maskedMoments(im, g, mask)
		for _, c := range g {
			dst := out.Channel(c)
			parallelChunks(len(dst), 1, func(lo, hi int) {
				for i := lo; i < hi; i++ {
					if mask[i] {
						dst[i] = (dst[i] - m) / s
					}
				}
			})
		}
	}
	return out, nil
}

// maskedMoments returns mean and population standard deviation of some channels within a mask, computed in
// float64; 0 and 1 where there is nothing to compute them from.
func maskedMoments(im *imageio.Image, channels []int, mask []bool) (mean, std float32) {
	sum, n := 0.0, 0.0
	for _, c := range channels {
		for i, v := range im.Channel(c) {
			if mask[i] {
				sum += float64(v)
				n++
			}
		}
	}
	if n == 0 {
		return 0, 1
	}
	m, squares := sum/n, 0.0
	for _, c := range channels {
		for i, v := range im.Channel(c) {
			if mask[i] {
				squares += (float64(v) - m) * (float64(v) - m)
			}
		}
	}
	return float32(m), float32(or(math.Sqrt(squares/n), 1))
}

// NonzeroMask marks the voxels that are not zero in some channel, and those that these enclose: every region of
// zeros that no path by faces joins to the image's border. It is nnU-Net's create_nonzero_mask.
func NonzeroMask(im *imageio.Image) []bool {
	mask := make([]bool, im.Grid.Len())
	for c := range im.Channels {
		for i, v := range im.Channel(c) {
			if v != 0 {
				mask[i] = true
			}
		}
	}
	size := im.Grid.Size
	runs := findRuns(size, 6, func(i int) bool { return !mask[i] })
	open := map[int32]bool{}
	runs.each(func(root int32, lo, hi int) {
		x, y, z := lo%size[0], lo/size[0]%size[1], lo/(size[0]*size[1])
		if x == 0 || x+hi-lo == size[0] || y == 0 || y == size[1]-1 || z == 0 || z == size[2]-1 {
			open[root] = true
		}
	})
	runs.each(func(root int32, lo, hi int) {
		if !open[root] {
			for i := lo; i < hi; i++ {
				mask[i] = true
			}
		}
	})
	return mask
}
