package register

import (
	"fmt"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
)

// Map takes points of the fixed image's world to where they lie in the moving image's, in mm, RAS+. That is the
// direction of ITK's transforms: the one in which an image is resampled. It is an affine map about a centre.
type Map struct {
	affine imageio.Affine
	center [3]float64
}

// NewMap returns the map of an affine, in mm, RAS+. One that cannot be inverted is an error.
func NewMap(a imageio.Affine) (Map, error) { return newMap(a, [3]float64{}) }

func newMap(a imageio.Affine, center [3]float64) (Map, error) {
	if err := (imageio.Grid{Size: [3]int{1, 1, 1}, Affine: a}).Validate(); err != nil {
		return Map{}, fmt.Errorf("register: map: %w", err)
	}
	return Map{a, center}, nil
}

// Affine returns the map as one matrix.
func (m Map) Affine() imageio.Affine {
	if m.affine == (imageio.Affine{}) {
		return imageio.Identity()
	}
	return m.affine
}

// Inverse returns the map from the moving image's world to the fixed image's.
func (m Map) Inverse() Map {
	inv, err := m.Affine().Inverse()
	if err != nil { // excluded when the map was made
		return m
	}
	return Map{inv, m.Affine().Apply(m.center)}
}

// After returns the map that applies first and then m.
func (m Map) After(first Map) Map { return Map{m.Affine().Mul(first.Affine()), first.center} }

// Resampled returns the moving image on the fixed image's grid: at every voxel what the map says lies there, once
// interpolated; beyond half a voxel outside it the background. Labels are taken from the nearest voxel.
func (m Map) Resampled(moving *imageio.Image, grid imageio.Grid, how transform.Interpolation, background float32) (*imageio.Image, error) {
	if err := moving.Validate(); err != nil {
		return nil, err
	}
	back, err := m.Affine().Inverse()
	if err != nil {
		return nil, err
	}
	at := *moving
	at.Grid.Affine = back.Mul(moving.Grid.Affine)
	return transform.Onto{Grid: grid, Interpolation: how, Background: background}.Apply(&at)
}
