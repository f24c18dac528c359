package transform

import (
	"errors"
	"fmt"
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// SpacingRule says whose grid and whose edges a Spacing reproduces.
type SpacingRule string

// The spacing rules.
const (
	// MONAI keeps the first voxel's centre, round((n-1)·old/new)+1 voxels, axes made orthogonal.
	MONAI SpacingRule = "monai"
	// NNUNet keeps the outer faces: round(n·old/new) voxels, stretched to fill the same box. Cubic is applied
	// within slices, and nearest between them, as Separate says.
	NNUNet SpacingRule = "nnunet"
	// ITK keeps the first voxel's centre, round(n·old/new) voxels, zero beyond half a voxel from the border.
	ITK SpacingRule = "itk"
)

// Spacing resamples to voxels of MM millimetres; 0 or -1 keeps an axis. No anti-aliasing.
//
// Rule monai is MONAI's Spacing: an MM within 0.001 of the image's counts as equal, and an image whose affine
// would change by no more than that is left alone. Diagonal gives up the orientation for world axes.
// AlignCorners "monai-1.5" repeats the sampling of MONAI up to 1.5 with align_corners=True, which is off by up to
// half a voxel. Rule nnunet follows nnU-Net 2's resample_data_or_seg_to_shape, rule itk the usual SimpleITK
// recipe. Cubic is the B-spline of scipy.ndimage.
type Spacing struct {
	MM            Vector        `json:"mm"`
	Rule          SpacingRule   `json:"rule,omitzero"`          // default monai
	Interpolation Interpolation `json:"interpolation,omitzero"` // linear (default), nearest or cubic
	Edge          Edge          `json:"edge,omitzero"`          // default border; of rule itk its own
	Diagonal      bool          `json:"diagonal,omitzero"`      // rule monai only
	AlignCorners  string        `json:"align_corners,omitzero"` // rule monai only: "monai-1.5"
	Separate      Separate      `json:"separate,omitzero"`      // rule nnunet only: auto (default), always or never
}

// Separate says when rule nnunet interpolates within slices only: nnU-Net's force_separate_z.
type Separate string

// The ways. The slices are those across the one axis of largest spacing; where two are largest there are none.
const (
	SeparateAuto   Separate = "auto"   // if a spacing of the image, or else of the target, is more than 3 times another
	SeparateAlways Separate = "always" // across the image's axis of largest spacing
	SeparateNever  Separate = "never"
)

func (Spacing) op() string { return "spacing" }

func (s Spacing) check() error {
	faults := []error{
		oneOf("rule", s.Rule, MONAI, NNUNet, ITK),
		oneOf("interpolation", s.Interpolation, Linear, Nearest, Cubic),
		oneOf("align_corners", s.AlignCorners, "monai-1.5"),
		oneOf("edge", s.Edge, Border, Zeros, Reflect, Mirror),
		oneOf("separate", s.Separate, SeparateAuto, SeparateAlways, SeparateNever),
	}
	for _, mm := range s.MM {
		if !(mm <= 0 && mm >= -1 || mm >= 1e-3 && mm <= 1e4) {
			faults = append(faults, fmt.Errorf("mm: want 0.001 to 10000, or -1 to keep an axis, got %v", mm))
		}
	}
	rule := or(s.Rule, MONAI)
	if rule != MONAI && (s.Diagonal || s.AlignCorners != "") {
		faults = append(faults, errors.New("diagonal and align_corners belong to rule monai"))
	}
	if rule != NNUNet && s.Separate != "" {
		faults = append(faults, errors.New("separate belongs to rule nnunet"))
	}
	if rule == NNUNet && or(s.Edge, Border) != Border {
		faults = append(faults, errors.New("edge: rule nnunet knows border only"))
	}
	if rule == ITK && or(s.Edge, Zeros) != Zeros {
		faults = append(faults, errors.New("edge: rule itk knows zeros only"))
	}
	return errors.Join(faults...)
}

// Apply resamples the image.
func (s Spacing) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(s, im) }

func (s Spacing) run(im *imageio.Image) (*imageio.Image, error) {
	switch s.Rule {
	case NNUNet:
		return s.nnunet(im)
	case ITK:
		return s.itk(im)
	default:
		return s.monai(im)
	}
}

func (s Spacing) monai(im *imageio.Image) (*imageio.Image, error) {
	grid, err := monaiGrid(im.Grid, s.target(im.Grid, 1e-3), s.Diagonal)
	if err != nil {
		return nil, err
	}
	if unchanged(im.Grid, grid) {
		return im, nil
	}
	r, err := between(im.Grid, grid)
	if err != nil {
		return nil, err
	}
	r.edge = or(s.Edge, Border)
	if s.AlignCorners != "" {
		r.m = cornersOf15(r.m, im.Grid.Size, grid.Size)
		if r.edge == Reflect {
			r.edge = Mirror
		}
	}
	return r.image(im, grid, s.Interpolation)
}

func (s Spacing) itk(im *imageio.Image) (*imageio.Image, error) {
	grid := s.itkGrid(im.Grid)
	r, err := between(im.Grid, grid)
	if err != nil {
		return nil, err
	}
	r.edge = halfVoxel
	return r.image(im, grid, s.Interpolation)
}

func (s Spacing) itkGrid(g imageio.Grid) imageio.Grid {
	out := imageio.Grid{Affine: g.Affine}
	old, mm := g.Spacing(), s.target(g, 0)
	for i, n := range g.Size {
		out.Size[i] = max(1, whole(float64(n)*old[i]/mm[i]))
		for row := range 3 {
			out.Affine[row][i] *= mm[i] / old[i]
		}
	}
	return out
}

// target returns the wanted spacing, the image's own where it is kept or within slack.
func (s Spacing) target(g imageio.Grid, slack float64) [3]float64 {
	mm := [3]float64(s.MM)
	for i, old := range g.Spacing() {
		if mm[i] <= 0 || math.Abs(mm[i]-old) <= slack {
			mm[i] = old
		}
	}
	return mm
}

// whole rounds halves to even, as Python does, and keeps absurd sizes within an int.
func whole(x float64) int { return int(min(math.RoundToEven(x), 1<<40)) }

// between returns the resampling from one grid to another, without edge.
func between(from, to imageio.Grid) (resampling, error) {
	if err := checkSize(to.Size, 1); err != nil {
		return resampling{}, err
	}
	inv, err := from.Affine.Inverse()
	if err != nil {
		return resampling{}, err
	}
	return resampling{from: from.Size, to: to.Size, m: inv.Mul(to.Affine)}, nil
}

// image resamples every channel.
func (r resampling) image(im *imageio.Image, grid imageio.Grid, how Interpolation) (*imageio.Image, error) {
	r.how = or(how, Linear)
	if im.Kind == imageio.Label {
		r.how = Nearest
	}
	out, err := newImage(im, grid, im.Channels, false)
	if err != nil {
		return nil, err
	}
	f := r.plan()
	for c := range im.Channels {
		f(out.Channel(c), im.Channel(c))
	}
	return out, nil
}

// monaiGrid is the grid of MONAI 1.6's zoom_affine and compute_shape_offset.
func monaiGrid(g imageio.Grid, mm [3]float64, diagonal bool) (imageio.Grid, error) {
	out := imageio.Grid{Affine: imageio.Identity()}
	axes := orthonormal(g.Affine)
	for i := range 3 {
		for row := range 3 {
			switch {
			case !diagonal:
				out.Affine[row][i] = axes[row][i] * mm[i]
			case row == i:
				out.Affine[row][i] = mm[i]
			}
		}
	}
	inv, err := out.Affine.Inverse()
	if err != nil {
		return out, err
	}
	c := corners(inv.Mul(g.Affine), g.Size)
	least, most := c[0], c[0]
	for _, p := range c {
		for i := range 3 {
			least[i], most[i] = min(least[i], p[i]), max(most[i], p[i])
		}
	}
	for i := range 3 {
		out.Size[i] = whole(most[i] - least[i] + 1)
	}
	origin := centred(g, out)
	world := corners(g.Affine, g.Size)
	for k, p := range c {
		if p[0]-least[0] <= 1e-8 && p[1]-least[1] <= 1e-8 && p[2]-least[2] <= 1e-8 {
			origin = world[k]
			break
		}
	}
	for i := range 3 {
		out.Affine[i][3] = origin[i]
	}
	return out, nil
}

// corners maps the centres of the eight corner voxels, x slowest.
func corners(a imageio.Affine, size [3]int) [8][3]float64 {
	var c [8][3]float64
	for k := range c {
		var p [3]float64
		for i := range 3 {
			if k>>(2-i)&1 == 1 {
				p[i] = float64(size[i] - 1)
			}
		}
		c[k] = a.Apply(p)
	}
	return c
}

// centred returns the origin that puts the middle of out (half its size) on the middle of g.
func centred(g, out imageio.Grid) [3]float64 {
	middle := g.World(float64(g.Size[0])/2, float64(g.Size[1])/2, float64(g.Size[2])/2)
	away := out.World(float64(out.Size[0])/2, float64(out.Size[1])/2, float64(out.Size[2])/2)
	for i := range 3 {
		middle[i] -= away[i] - out.Affine[i][3]
	}
	return middle
}

// orthonormal returns the columns of an affine made orthogonal, x first, and of length one: the rotation that
// MONAI finds by a Cholesky factorization.
func orthonormal(a imageio.Affine) [3][3]float64 {
	var q [3][3]float64
	for j := range 3 {
		v := [3]float64{a[0][j], a[1][j], a[2][j]}
		for k := range j {
			dot := v[0]*q[0][k] + v[1]*q[1][k] + v[2]*q[2][k]
			for i := range 3 {
				v[i] -= dot * q[i][k]
			}
		}
		length := math.Sqrt(v[0]*v[0] + v[1]*v[1] + v[2]*v[2])
		for i := range 3 {
			q[i][j] = v[i] / length
		}
	}
	return q
}

// unchanged reports what MONAI takes for no change: sizes equal, affines equal to 0.001.
func unchanged(a, b imageio.Grid) bool {
	if a.Size != b.Size {
		return false
	}
	for i := range 3 {
		for j := range 4 {
			if math.Abs(a.Affine[i][j]-b.Affine[i][j]) > 1e-3+1e-5*math.Abs(b.Affine[i][j]) {
				return false
			}
		}
	}
	return true
}

// cornersOf15 turns the map between voxels into the one that MONAI up to 1.5 sampled: normalized by the voxels'
// faces, read as if by their centres, at both ends.
func cornersOf15(m imageio.Affine, from, to [3]int) imageio.Affine {
	before, after := imageio.Identity(), imageio.Identity()
	for i := range 3 {
		if n := float64(to[i]); n > 1 {
			before[i][i], before[i][3] = n/(n-1), -0.5
		}
		k := float64(from[i]-1) / float64(from[i])
		after[i][i], after[i][3] = k, 0.5*k
	}
	return after.Mul(m).Mul(before)
}
