package patch

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/nitrain/nitrain/imageio"
)

// Foreground draws training boxes: with probability Ratio around a random voxel of a label that is drawn
// among those that occur in the image, so that small structures are seen as often as large ones (nnU-Net's
// rule), otherwise anywhere. Boxes are moved to fit the image, as MONAI's RandCropByPosNegLabel does.
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

// foregroundVoxel splits pick, 0 to 1, into a choice among the labels that occur and one among the voxels of
// that label.
func foregroundVoxel(label *imageio.Image, pick float64) ([3]int, bool) {
	voxels := countLabels(label.Data)
	values := slices.Sorted(maps.Keys(voxels))
	pick *= float64(len(values))
	class := min(int(pick), len(values)-1)
	if class < 0 {
		return [3]int{}, false
	}
	value := values[class]
	want := min(int((pick-float64(class))*float64(voxels[value])), voxels[value]-1)
	for i, v := range label.Data {
		if v != value {
			continue
		}
		if want == 0 {
			i %= label.Grid.Len()
			nx, ny := label.Grid.Size[0], label.Grid.Size[1]
			return [3]int{i % nx, i / nx % ny, i / (nx * ny)}, true
		}
		want--
	}
	return [3]int{}, false
}

// countLabels returns how many voxels each label above 0 has. Labels come in runs: one look-up each.
func countLabels(data []float32) map[float32]int {
	voxels := map[float32]int{}
	for i := 0; i < len(data); {
		from, v := i, data[i]
		for i++; i < len(data) && data[i] == v; i++ {
		}
		if v > 0 {
			voxels[v] += i - from
		}
	}
	return voxels
}
