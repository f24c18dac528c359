package transform

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nitrain/nitrain/imageio"
)

// Matrix is an affine map of world points in mm, RAS+: in JSON three or four rows of four numbers, the fourth 0 0 0 1.
type Matrix imageio.Affine

// UnmarshalJSON reads three or four rows of four numbers.
func (m *Matrix) UnmarshalJSON(data []byte) error {
	want := wantError{"three or four rows of four numbers, the fourth 0, 0, 0, 1", string(data)}
	var rows [][]float64
	if err := json.Unmarshal(data, &rows); err != nil || len(rows) != 3 && len(rows) != 4 {
		return want
	}
	*m = Matrix(imageio.Identity())
	for i, row := range rows {
		if len(row) != 4 || i == 3 && [4]float64(row) != m[3] {
			return want
		}
		copy(m[i][:], row)
	}
	return nil
}

// Affine moves the image's content in the world: what lies at a point p comes to lie at Matrix·p, in mm, RAS+.
//
// With Regrid the grid moves and no sample changes: a resample that has not happened yet. Otherwise the grid stays and
// the samples are interpolated. Transform files of ITK hold the opposite direction in LPS: see imageio/register.
type Affine struct {
	Matrix        Matrix        `json:"matrix"`
	Interpolation Interpolation `json:"interpolation,omitzero"` // linear (default), nearest or cubic
	Edge          Edge          `json:"edge,omitzero"`          // default zeros
	Regrid        bool          `json:"regrid,omitzero"`
}

func (Affine) op() string { return "affine" }

func (a Affine) check() error {
	if _, err := imageio.Affine(a.Matrix).Inverse(); err != nil {
		return errors.New("matrix: want one that can be inverted")
	}
	for _, row := range a.Matrix {
		if err := finite("matrix", row[:]...); err != nil {
			return err
		}
	}
	if a.Regrid && (a.Interpolation != "" || a.Edge != "") {
		return errors.New("interpolation and edge: regrid interpolates nothing")
	}
	return errors.Join(oneOf("interpolation", a.Interpolation, Linear, Nearest, Cubic),
		oneOf("edge", a.Edge, Border, Zeros, Reflect, Mirror))
}

// Apply moves the content.
func (a Affine) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(a, im) }

func (a Affine) run(im *imageio.Image) (*imageio.Image, error) {
	moved := imageio.Grid{Size: im.Grid.Size, Affine: imageio.Affine(a.Matrix).Mul(im.Grid.Affine)}
	if err := moved.Validate(); err != nil {
		return nil, fmt.Errorf("matrix: %w", err)
	}
	if a.Regrid {
		out := *im
		out.Grid = moved
		return &out, nil
	}
	r, err := between(moved, im.Grid)
	if err != nil {
		return nil, err
	}
	r.edge = or(a.Edge, Zeros)
	return r.image(im, im.Grid, a.Interpolation)
}
