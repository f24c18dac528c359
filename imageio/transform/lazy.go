package transform

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nitrain/nitrain/imageio"
)

// Lazy does several spatial steps by one interpolation: only the grids of the steps are computed, and the image is
// sampled once on the last one, as MONAI does with lazy=True. Steps that look at the samples (crop_foreground,
// conform, ...) or that change them cannot stand in it. Grids that differ by whole voxels and axes are copied by index.
type Lazy struct {
	Steps         Steps         `json:"steps"`
	Interpolation Interpolation `json:"interpolation,omitzero"` // linear (default), nearest or cubic; the steps' own are not looked at
	Edge          Edge          `json:"edge,omitzero"`          // default border; zeros if a step pads
}

// Steps is a list of steps inside a step.
type Steps []Transform

// UnmarshalJSON reads what [ParseSteps] does.
func (s *Steps) UnmarshalJSON(data []byte) error {
	p, err := ParseSteps(data)
	*s = Steps(p)
	return err
}

// MarshalJSON writes what [Pipeline] does.
func (s Steps) MarshalJSON() ([]byte, error) { return json.Marshal(Pipeline(s)) }

func (Lazy) op() string { return "lazy" }

func (l Lazy) check() error {
	faults := []error{oneOf("interpolation", l.Interpolation, Linear, Nearest, Cubic), oneOf("edge", l.Edge, Border, Zeros, Reflect, Mirror)}
	if len(l.Steps) == 0 {
		faults = append(faults, errors.New("steps: want at least one"))
	}
	for i, t := range l.Steps {
		switch s, ok := t.(step); {
		case !ok:
			faults = append(faults, fmt.Errorf("steps: step %d: %T has no JSON form", i+1, t))
		default:
			if _, ok := t.(gridStep); !ok {
				faults = append(faults, fmt.Errorf("steps: step %d: %s cannot be lazy: it looks at the samples or changes them", i+1, s.op()))
				continue
			}
			if err := errors.Join(s.check(), lazyFault(t)); err != nil {
				faults = append(faults, fmt.Errorf("steps: step %d: %s: %w", i+1, s.op(), err))
			}
		}
	}
	return errors.Join(faults...)
}

// lazyFault says what of a step is not a matter of its grid.
func lazyFault(t Transform) error {
	switch s := t.(type) {
	case Spacing:
		if s.AlignCorners != "" {
			return errors.New("align_corners cannot be lazy")
		}
	case Resize:
		if s.AlignCorners || s.AntiAliasing {
			return errors.New("align_corners and anti_aliasing cannot be lazy")
		}
	case Zoom:
		if s.AlignCorners {
			return errors.New("align_corners cannot be lazy")
		}
	case Pad:
		return lazyPadding(s.Value, s.Mode)
	case PadMultiple:
		return lazyPadding(s.Value, s.Mode)
	}
	return nil
}

func lazyPadding(value float64, mode PadMode) error {
	if value != 0 || or(mode, PadConstant) != PadConstant {
		return errors.New("lazy padding is with zeros: say what lies outside by the key edge of lazy")
	}
	return nil
}

// Apply samples the image once.
func (l Lazy) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(l, im) }

func (l Lazy) run(im *imageio.Image) (*imageio.Image, error) {
	grid, source, edge := im.Grid, im.Grid, Border
	for i, t := range l.Steps {
		s, ok := t.(gridStep)
		if !ok {
			return nil, fmt.Errorf("steps: step %d cannot be lazy", i+1)
		}
		switch s := t.(type) {
		case Affine: // content moves: seen from the grid, the source does
			source.Affine = imageio.Affine(s.Matrix).Mul(source.Affine)
		case Pad, PadMultiple:
			edge = Zeros
		}
		grid = s.grid(grid)
		if err := errors.Join(grid.Validate(), checkSize(grid.Size, im.Channels)); err != nil {
			return nil, fmt.Errorf("steps: step %d: %w", i+1, err)
		}
	}
	if grid == im.Grid && source == im.Grid {
		return im, nil
	}
	r, err := between(source, grid)
	if err != nil {
		return nil, err
	}
	r.edge = or(l.Edge, edge)
	return r.image(im, grid, l.Interpolation)
}

// gridStep is a spatial step whose result's grid depends on the image's grid alone.
type gridStep interface {
	grid(g imageio.Grid) imageio.Grid
}

func (o Orient) grid(g imageio.Grid) imageio.Grid {
	want, err := parseAxes(o.Axes)
	if err != nil { // excluded by check
		return imageio.Grid{}
	}
	return turnedGrid(g, turnTo(g.Affine, want))
}

func (s Spacing) grid(g imageio.Grid) imageio.Grid {
	switch s.Rule {
	case NNUNet:
		return s.nnunetGrid(g)
	case ITK:
		return s.itkGrid(g)
	}
	grid, err := monaiGrid(g, s.target(g, 1e-3), s.Diagonal)
	if err != nil {
		return imageio.Grid{}
	}
	if unchanged(g, grid) {
		return g
	}
	return grid
}

func (r Resize) grid(g imageio.Grid) imageio.Grid { return stretchedGrid(g, r.size(g)) }

func (z Zoom) grid(g imageio.Grid) imageio.Grid {
	size := z.size(g)
	if size[0] < 1 || size[1] < 1 || size[2] < 1 {
		return imageio.Grid{}
	}
	out := stretchedGrid(g, size)
	if z.KeepSize {
		out = CenterCrop{Size: g.Size}.grid(Pad{Size: g.Size}.grid(out))
	}
	return out
}

func (c CenterCrop) grid(g imageio.Grid) imageio.Grid { return c.box(g).grid(g) }

func (p Pad) grid(g imageio.Grid) imageio.Grid { return padBox(g.Size, p.Size, p.Method).grid(g) }

func (p PadMultiple) grid(g imageio.Grid) imageio.Grid {
	return padBox(g.Size, p.size(g), p.Method).grid(g)
}

func (a Affine) grid(g imageio.Grid) imageio.Grid {
	if a.Regrid {
		g.Affine = imageio.Affine(a.Matrix).Mul(g.Affine)
	}
	return g
}
