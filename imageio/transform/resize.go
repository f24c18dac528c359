package transform

import (
	"errors"
	"fmt"
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// Resize stretches the image to Size voxels, as MONAI's Resize; 0 or -1 keeps an axis. The voxels of the result
// fill the box of the image's: its outer faces stay. AlignCorners makes linear interpolation map the border
// voxels' centres onto each other instead, while the grid stays that of the faces, as in MONAI up to 1.5.
// AntiAliasing blurs axes that shrink by a Gaussian of (factor-1)/2 voxels, or of Sigma voxels, zero outside.
type Resize struct {
	Size          Size          `json:"size"`
	Interpolation Interpolation `json:"interpolation,omitzero"` // linear (default), nearest, nearest-exact, area or cubic
	AlignCorners  bool          `json:"align_corners,omitzero"` // linear only
	AntiAliasing  bool          `json:"anti_aliasing,omitzero"`
	Sigma         Factors       `json:"sigma,omitzero"` // voxels; of anti_aliasing
}

func (Resize) op() string { return "resize" }

func (r Resize) check() error {
	var faults []error
	if r.Sigma != (Factors{}) && !r.AntiAliasing {
		faults = append(faults, errors.New("sigma belongs to anti_aliasing"))
	}
	for _, s := range r.Sigma {
		if !(s >= 0 && s <= 1e4) {
			faults = append(faults, fmt.Errorf("sigma: want 0 to 10000, got %v", s))
		}
	}
	return errors.Join(append(faults, within("size", r.Size, -1), checkStretch(r.Interpolation, r.AlignCorners))...)
}

// Apply stretches the image.
func (r Resize) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(r, im) }

func (r Resize) run(im *imageio.Image) (*imageio.Image, error) {
	size := r.size(im.Grid)
	if r.AntiAliasing && im.Kind != imageio.Label {
		var err error
		if im, err = r.blur(im, size); err != nil {
			return nil, err
		}
	}
	return stretch3(im, size, r.Interpolation, r.AlignCorners)
}

func (r Resize) size(g imageio.Grid) [3]int {
	size := [3]int(r.Size)
	for i, n := range g.Size {
		if size[i] <= 0 {
			size[i] = n
		}
	}
	return size
}

func (r Resize) blur(im *imageio.Image, size [3]int) (*imageio.Image, error) {
	var sigma [3]float64
	for i, n := range im.Grid.Size {
		if factor := float64(n) / float64(size[i]); factor > 1 {
			sigma[i] = (factor - 1) / 2
			if r.Sigma != (Factors{}) {
				sigma[i] = r.Sigma[i]
			}
		}
	}
	if sigma == [3]float64{} {
		return im, nil
	}
	return gaussian(im, sigma)
}

// Zoom stretches the image by Factor: floor(n·Factor) voxels along each axis, otherwise as [Resize]. With KeepSize
// the result is cut or padded by its border voxels to the image's size, around the middle, as MONAI's Zoom.
type Zoom struct {
	Factor        Factors       `json:"factor"`
	Interpolation Interpolation `json:"interpolation,omitzero"` // linear (default), nearest, nearest-exact, area or cubic
	AlignCorners  bool          `json:"align_corners,omitzero"` // linear only
	KeepSize      bool          `json:"keep_size,omitzero"`
}

func (Zoom) op() string { return "zoom" }

func (z Zoom) check() error {
	for _, f := range z.Factor {
		if !(f >= 1e-3 && f <= 1e3) {
			return fmt.Errorf("factor: want 0.001 to 1000, got %v", f)
		}
	}
	return checkStretch(z.Interpolation, z.AlignCorners)
}

// Apply stretches the image.
func (z Zoom) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(z, im) }

func (z Zoom) run(im *imageio.Image) (*imageio.Image, error) {
	out, err := stretch3(im, z.size(im.Grid), z.Interpolation, z.AlignCorners)
	if err != nil || !z.KeepSize {
		return out, err
	}
	if out, err = pad(out, im.Grid.Size, fill{mode: PadEdge}, PadAround); err != nil {
		return nil, err
	}
	return CenterCrop{Size: im.Grid.Size}.run(out)
}

func (z Zoom) size(g imageio.Grid) (size [3]int) {
	for i, n := range g.Size {
		size[i] = int(math.Floor(float64(n) * z.Factor[i]))
	}
	return size
}

func checkStretch(how Interpolation, alignCorners bool) error {
	if alignCorners && or(how, Linear) != Linear {
		return errors.New("align_corners belongs to linear interpolation")
	}
	return oneOf("interpolation", how, Linear, Nearest, NearestExact, Area, Cubic)
}

// stretchedGrid keeps the outer faces.
func stretchedGrid(g imageio.Grid, size [3]int) imageio.Grid {
	out := imageio.Grid{Size: size, Affine: g.Affine}
	for i := range 3 {
		k := float64(g.Size[i]) / float64(size[i])
		for row := range 3 {
			out.Affine[row][i] *= k
			out.Affine[row][3] += g.Affine[row][i] * (k - 1) / 2
		}
	}
	return out
}

// stretch3 resizes by the rules of PyTorch's interpolate; cubic is the B-spline.
func stretch3(im *imageio.Image, size [3]int, how Interpolation, alignCorners bool) (*imageio.Image, error) {
	if size == im.Grid.Size {
		return im, nil
	}
	if err := checkSize(size, im.Channels); err != nil {
		return nil, err
	}
	how = or(how, Linear)
	if im.Kind == imageio.Label && how != NearestExact {
		how = Nearest
	}
	out, err := newImage(im, stretchedGrid(im.Grid, size), im.Channels, false)
	if err != nil {
		return nil, err
	}
	f := stretchPlan(im.Grid.Size, size, how, alignCorners)
	for c := range im.Channels {
		f(out.Channel(c), im.Channel(c))
	}
	return out, nil
}

func stretchPlan(from, to [3]int, how Interpolation, alignCorners bool) channelFunc {
	switch how {
	case Nearest, NearestExact:
		var at [3][]int
		for i := range 3 {
			at[i] = torchNearest(from[i], to[i], how == NearestExact)
		}
		return func(dst, src []float32) { gather(dst, to, src, from, at, 0) }
	case Area:
		return func(dst, src []float32) {
			var f [3]lineFunc
			for i := range 3 {
				if from[i] != to[i] {
					f[i] = areaLine
				}
			}
			alongAxes(dst, to, src, from, f)
		}
	}
	r := resampling{from: from, to: to, how: how, edge: Border, m: imageio.Identity()}
	for i := range 3 {
		k := float64(from[i]) / float64(to[i])
		r.m[i][i], r.m[i][3] = k, (k-1)/2
		if alignCorners {
			r.m[i][i], r.m[i][3] = float64(from[i]-1)/float64(max(1, to[i]-1)), 0
		}
	}
	return r.separable([3]axisMap{r.axis(0), r.axis(1), r.axis(2)}, from)
}

func (r resampling) axis(i int) axisMap {
	return axisMap{r.m[i][i], r.m[i][3], r.to[i], r.from[i]}
}

// torchNearest returns PyTorch's indices, which it computes in float32.
func torchNearest(from, to int, exact bool) []int {
	at := make([]int, to)
	scale := float32(from) / float32(to)
	shift := float32(0)
	if exact {
		shift = 0.5
	}
	for i := range at {
		at[i] = min(int((float32(i)+shift)*scale), from-1)
	}
	return at
}

// areaLine averages the samples that a voxel of the result touches: PyTorch's adaptive average pooling.
func areaLine(line, result []float64) {
	n, m := len(line), len(result)
	for i := range result {
		lo, hi := i*n/m, ((i+1)*n+m-1)/m
		sum := 0.0
		for _, v := range line[lo:hi] {
			sum += v
		}
		result[i] = sum / float64(hi-lo)
	}
}
