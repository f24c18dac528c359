package patch

import (
	"fmt"
	"math/rand/v2"

	"github.com/nitrain/nitrain/imageio"
)

// Foreground draws training boxes: with probability Ratio around a random voxel whose label is not 0,
// otherwise anywhere. Boxes are moved to fit the image, as MONAI's RandCropByPosNegLabel does.
type Foreground struct {
	Size  [3]int  // voxels along x, y and z; 0: the whole axis
	Ratio float64 // 0 to 1
}

// Validate reports sizes below zero and ratios outside 0 to 1.
func (f Foreground) Validate() error {
	for _, n := range f.Size {
		if n < 0 {
			return fmt.Errorf("patch: foreground: size %v: want at least 0", f.Size)
		}
	}
	if !(f.Ratio >= 0 && f.Ratio <= 1) {
		return fmt.Errorf("patch: foreground: ratio %g: want 0 to 1", f.Ratio)
	}
	return nil
}

// Draw returns a box over the label image; the same stream of random numbers gives the same boxes. A label
// image without foreground, in any channel, gives a box anywhere. Where the image is smaller than the box,
// the box reaches outside it on both sides.
func (f Foreground) Draw(rng *rand.Rand, label *imageio.Image) (Box, error) {
	if err := f.Validate(); err != nil {
		return Box{}, err
	}
	image := label.Grid.Size
	size := Tiling{Size: f.Size}.Window(image)
	around := rng.Float64() < f.Ratio
	pick := rng.Float64() // drawn always, so that the stream does not depend on the labels
	if around {
		if at, ok := foregroundVoxel(label, pick); ok {
			return Centred(at, size, image), nil
		}
	}
	b := Box{Size: size}
	for a := range 3 {
		if image[a] < size[a] {
			b.Start[a] = -((size[a] - image[a]) / 2)
			continue
		}
		b.Start[a] = rng.IntN(image[a] - size[a] + 1)
	}
	return b, nil
}

// foregroundVoxel returns the voxel that stands at the given part, 0 to 1, of all that are not background.
func foregroundVoxel(label *imageio.Image, part float64) ([3]int, bool) {
	mask := label.Channel(0)
	if label.Channels > 1 {
		mask = largest(label)
	}
	count := 0
	for _, v := range mask {
		if v > 0 {
			count++
		}
	}
	want := min(int(part*float64(count)), count-1)
	for i, v := range mask {
		if v <= 0 {
			continue
		}
		if want == 0 {
			nx, ny := label.Grid.Size[0], label.Grid.Size[1]
			return [3]int{i % nx, i / nx % ny, i / (nx * ny)}, true
		}
		want--
	}
	return [3]int{}, false
}

// largest returns each voxel's largest channel.
func largest(im *imageio.Image) []float32 {
	out := make([]float32, im.Grid.Len())
	for c := range im.Channels {
		for i, v := range im.Channel(c) {
			out[i] = max(out[i], v)
		}
	}
	return out
}
