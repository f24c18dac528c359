package patch

import (
	"errors"
	"fmt"
	"math"
)

// Rule says where windows are laid and how a Gaussian weight is made.
type Rule string

// The rules, each as in the reference implementation that it is named after.
const (
	// MONAI is the rule of sliding_window_inference (monai/inferers/utils.py and data/utils.py, 1.6.1).
	MONAI Rule = "monai"
	// NNUNet is the rule of nnU-Net v2 (inference/sliding_window_prediction.py). Its weights are rounded
	// to half precision there and are not here.
	NNUNet Rule = "nnunet"
)

// Blend says how the windows that cover a voxel are averaged.
type Blend string

// The blends.
const (
	Uniform  Blend = "constant" // every window counts the same
	Gaussian Blend = "gaussian" // a window counts less towards its sides
)

// Tiling covers an image with windows of one size. Its zero value is one window over the whole image.
type Tiling struct {
	Size    [3]int     // voxels along x, y and z; 0: the whole axis
	Overlap [3]float64 // part of a window that the next one covers, at least 0 and below 1
	Blend   Blend      // empty: Uniform
	Sigma   float64    // standard deviation of the Gaussian as a part of the window; 0: 0.125
	Rule    Rule       // empty: MONAI
}

// Validate reports every fault of a Tiling.
func (t Tiling) Validate() error {
	var errs []error
	for a := range 3 {
		if t.Size[a] < 0 || t.Size[a] > maxAxis {
			errs = append(errs, fmt.Errorf("patch: tile size %v: want 1 to %d, or 0 for a whole axis", t.Size, maxAxis))
			break
		}
	}
	for a := range 3 {
		if !(t.Overlap[a] >= 0 && t.Overlap[a] < 1) {
			errs = append(errs, fmt.Errorf("patch: tile overlap %v: want at least 0 and below 1", t.Overlap))
			break
		}
	}
	if t.Blend != "" && t.Blend != Uniform && t.Blend != Gaussian {
		errs = append(errs, fmt.Errorf("patch: tile blend %q: want constant or gaussian", string(t.Blend)))
	}
	if t.Sigma != 0 && !(t.Sigma >= 1e-3 && t.Sigma <= 1e3) {
		errs = append(errs, fmt.Errorf("patch: tile sigma %g: want 0.001 to 1000", t.Sigma))
	}
	if t.Rule != "" && t.Rule != MONAI && t.Rule != NNUNet {
		errs = append(errs, fmt.Errorf("patch: tile rule %q: want monai or nnunet", string(t.Rule)))
	}
	return errors.Join(errs...)
}

// Window returns the size of the windows over an image.
func (t Tiling) Window(image [3]int) [3]int {
	w := t.Size
	for a := range 3 {
		if w[a] == 0 {
			w[a] = image[a]
		}
	}
	return w
}

// maxBoxes bounds how many windows an image may be cut into.
const maxBoxes = 1 << 24

// maxAxis bounds a window along an axis, maxVoxels what one slice of samples may hold: 8 GiB of float32.
const (
	maxAxis   = 1 << 20
	maxVoxels = 1 << 31
)

// tooLarge reports whether sizes, times a number of channels, need more than maxVoxels samples.
func tooLarge(size [3]int, channels int) bool {
	return float64(size[0])*float64(size[1])*float64(size[2])*float64(channels) > maxVoxels
}

// Boxes returns the windows over an image of the given sizes, x slowest as MONAI lays them. Along an axis
// where the image is smaller than the window there is one position, which reaches outside on both sides,
// on the far one by the odd voxel: the symmetric padding of both rules.
func (t Tiling) Boxes(image [3]int) ([]Box, error) {
	starts, err := t.positions(image)
	if err != nil {
		return nil, err
	}
	boxes := make([]Box, 0, len(starts[0])*len(starts[1])*len(starts[2]))
	for _, x := range starts[0] {
		for _, y := range starts[1] {
			for _, z := range starts[2] {
				boxes = append(boxes, Box{Start: [3]int{x, y, z}, Size: t.Window(image)})
			}
		}
	}
	return boxes, nil
}

// positions returns the first voxels of the windows along each axis, ascending.
func (t Tiling) positions(image [3]int) (starts [3][]int, err error) {
	if err := t.Validate(); err != nil {
		return starts, err
	}
	window := t.Window(image)
	if tooLarge(window, 1) {
		return starts, fmt.Errorf("patch: tile size %v is too large", window)
	}
	total := 1
	for a := range 3 {
		if image[a] < 1 {
			return starts, fmt.Errorf("patch: image size %v: want at least 1 along every axis", image)
		}
		n := t.count(image[a], window[a], t.Overlap[a])
		if total *= n; n > maxBoxes || total > maxBoxes {
			return starts, fmt.Errorf("patch: tiles of %v over %v: more than %d", window, image, maxBoxes)
		}
		starts[a] = t.starts(image[a], window[a], t.Overlap[a])
	}
	return starts, nil
}

// interval is MONAI's distance between windows: truncated, at least one voxel.
func interval(window int, overlap float64) int {
	return max(int(float64(window)*(1-overlap)), 1)
}

// count returns the number of windows along one axis.
func (t Tiling) count(image, window int, overlap float64) int {
	if image <= window {
		return 1
	}
	if t.Rule == NNUNet {
		return int(math.Ceil(float64(image-window)/(float64(window)*(1-overlap)))) + 1
	}
	step := interval(window, overlap)
	return (image-window+step-1)/step + 1
}

// starts returns the first voxel of each window along one axis.
func (t Tiling) starts(image, window int, overlap float64) []int {
	if image <= window {
		return []int{-((window - image) / 2)}
	}
	s := make([]int, t.count(image, window, overlap))
	for i := range s {
		if t.Rule == NNUNet {
			// equidistant positions from the first to the last, rounded half to even as numpy does
			s[i] = int(math.RoundToEven(float64(image-window) / float64(len(s)-1) * float64(i)))
		} else {
			s[i] = min(i*interval(window, overlap), image-window)
		}
	}
	return s
}
