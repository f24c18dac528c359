package transform

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/nitrain/nitrain/imageio"
)

// DistanceOf says which voxels get a distance.
type DistanceOf string

// What Distance measures.
const (
	DistanceOutside DistanceOf = "outside" // of voxels outside to the nearest labelled one; labelled ones get 0
	DistanceInside  DistanceOf = "inside"  // of labelled voxels to the nearest one outside: SciPy's distance_transform_edt
	DistanceSigned  DistanceOf = "signed"  // the first minus the second: negative inside
)

// Distance replaces each sample by the exact Euclidean distance in mm, between voxel centres, to the object's border:
// the voxels of Labels, by default all that are not zero. The image's axes are taken as orthogonal. An image without
// such voxels, or without others where those are needed, is an error. The result is an intensity image.
type Distance struct {
	Labels []int      `json:"labels,omitzero"`
	Of     DistanceOf `json:"of,omitzero"` // default outside
}

func (Distance) op() string { return "distance" }

func (d Distance) check() error {
	return oneOf("of", d.Of, DistanceOutside, DistanceInside, DistanceSigned)
}

// Apply measures.
func (d Distance) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(d, im) }

func (d Distance) run(im *imageio.Image) (*imageio.Image, error) {
	out, err := newImage(im, im.Grid, im.Channels, false)
	if err != nil {
		return nil, err
	}
	out.Kind = imageio.Intensity
	if im.Grid.Len() > math.MaxInt32 {
		return nil, fmt.Errorf("want at most %d voxels, got %d", math.MaxInt32, im.Grid.Len())
	}
	labels := make([]float32, len(d.Labels))
	for i, k := range d.Labels {
		labels[i] = float32(k)
	}
	for c := range im.Channels {
		samples := im.Channel(c)
		in := func(i int) bool {
			if len(labels) == 0 {
				return samples[i] != 0
			}
			return slices.Contains(labels, samples[i])
		}
		if err := d.channel(out.Channel(c), im.Grid, in); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (d Distance) channel(dst []float32, g imageio.Grid, in func(i int) bool) error {
	of := or(d.Of, DistanceOutside)
	if of != DistanceInside {
		if !addDistances(dst, g, 1, in) {
			return errors.New("no labelled voxel")
		}
	}
	if of != DistanceOutside {
		sign := float32(1)
		if of == DistanceSigned {
			sign = -1
		}
		if !addDistances(dst, g, sign, func(i int) bool { return !in(i) }) {
			return errors.New("every voxel is labelled")
		}
	}
	return nil
}

// addDistances adds sign times the distance to the nearest seed; it reports false if there is no seed.
func addDistances(dst []float32, g imageio.Grid, sign float32, seed func(i int) bool) bool {
	mm := g.Spacing()
	near := nearestSeeds(g.Size, mm, math.Inf(1), seed)
	if near[0] < 0 {
		return false
	}
	nx, nxy := g.Size[0], g.Size[0]*g.Size[1]
	parallelChunks(len(near), 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			s := int(near[i])
			if s == i {
				continue
			}
			dx := float64(i%nx-s%nx) * mm[0]
			dy := float64(i%nxy/nx-s%nxy/nx) * mm[1]
			dz := float64(i/nxy-s/nxy) * mm[2]
			dst[i] += sign * float32(math.Sqrt(dx*dx+dy*dy+dz*dz))
		}
	})
	return true
}
