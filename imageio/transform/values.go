package transform

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Interpolation says how a value between voxel centres is found.
type Interpolation string

// The interpolations. Not every step takes every one; docs/steps.md says which.
const (
	Linear       Interpolation = "linear"        // trilinear
	Nearest      Interpolation = "nearest"       // nearest voxel centre, halves up (resize: PyTorch's "nearest")
	NearestExact Interpolation = "nearest-exact" // resize and zoom: PyTorch's "nearest-exact"
	Area         Interpolation = "area"          // resize and zoom: mean over the covered voxels
	Cubic        Interpolation = "cubic"         // cubic B-spline through the samples
)

// Edge says what lies outside an image that is resampled.
type Edge string

// The edges.
const (
	Border  Edge = "border"  // the nearest voxel of the border
	Zeros   Edge = "zeros"   // zeros, blended with the border as PyTorch does; with Cubic zero outside [0, n-1]
	Reflect Edge = "reflect" // mirrored about the outer faces of the border voxels, -0.5 and n-0.5
	Mirror  Edge = "mirror"  // mirrored about the border voxels' centres, 0 and n-1
)

// Size is a number of voxels, or of something else, along the three axes. In JSON it is [x, y, z], [x, y] or a
// number for all three. What zero and below mean is said by the step; a third number left out is zero.
type Size [3]int

// Each is three whole numbers that are usually equal: in JSON a number when they are, [x, y, z] otherwise.
type Each [3]int

// Vector is three numbers along the axes, in JSON [x, y, z], or a number for all three.
type Vector [3]float64

// Factors is three numbers that are usually equal: in JSON a number when they are, [x, y, z] otherwise.
type Factors [3]float64

// Pair is a lower and an upper number, in JSON [lower, upper].
type Pair [2]float64

// UnmarshalJSON reads [x, y, z], [x, y] or a number.
func (s *Size) UnmarshalJSON(data []byte) error {
	v, err := readNumbers[int](data, "a whole number or a list of 2 or 3", 2, 3)
	if err == nil {
		copy(s[:], v)
	}
	return err
}

// MarshalJSON writes [x, y], if the third is zero, or [x, y, z].
func (s Size) MarshalJSON() ([]byte, error) {
	if s[2] == 0 {
		return json.Marshal(s[:2])
	}
	return json.Marshal(s[:])
}

// UnmarshalJSON reads [x, y, z] or a number.
func (e *Each) UnmarshalJSON(data []byte) error {
	v, err := readNumbers[int](data, "a whole number or a list of 3", 3)
	if err == nil {
		copy(e[:], v)
	}
	return err
}

// MarshalJSON writes a number if all are equal, else [x, y, z].
func (e Each) MarshalJSON() ([]byte, error) {
	if e[0] == e[1] && e[0] == e[2] {
		return json.Marshal(e[0])
	}
	return json.Marshal(e[:])
}

// UnmarshalJSON reads [x, y, z] or a number.
func (v *Vector) UnmarshalJSON(data []byte) error {
	n, err := readNumbers[float64](data, "a number or a list of 3", 3)
	if err == nil {
		copy(v[:], n)
	}
	return err
}

// UnmarshalJSON reads [x, y, z] or a number.
func (f *Factors) UnmarshalJSON(data []byte) error {
	n, err := readNumbers[float64](data, "a number or a list of 3", 3)
	if err == nil {
		copy(f[:], n)
	}
	return err
}

// MarshalJSON writes a number if all are equal, else [x, y, z].
func (f Factors) MarshalJSON() ([]byte, error) {
	if f[0] == f[1] && f[0] == f[2] {
		return json.Marshal(f[0])
	}
	return json.Marshal(f[:])
}

// UnmarshalJSON reads [lower, upper].
func (p *Pair) UnmarshalJSON(data []byte) error {
	var v []float64
	if err := json.Unmarshal(data, &v); err != nil || len(v) != 2 {
		return wantError{"a list of 2 numbers", string(data)}
	}
	copy(p[:], v)
	return nil
}

// wantError says what a JSON value should have been.
type wantError struct{ want, got string }

func (e wantError) Error() string { return fmt.Sprintf("want %s, got %s", e.want, shorten(e.got)) }

// readNumbers reads a number, repeated to three, or a list of one of the allowed lengths.
func readNumbers[T int | float64](data []byte, want string, lengths ...int) ([]T, error) {
	var one T
	if err := json.Unmarshal(data, &one); err == nil {
		return []T{one, one, one}, nil
	}
	var list []T
	if err := json.Unmarshal(data, &list); err != nil || !slices.Contains(lengths, len(list)) {
		return nil, wantError{want, string(data)}
	}
	return list, nil
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:57]) + "..."
	}
	return s
}

// oneOf reports a value that is neither empty nor among the allowed ones.
func oneOf[T ~string](key string, value T, allowed ...T) error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return fmt.Errorf("%s: want %s, got %q", key, strings.Join(names, ", "), shorten(string(value)))
}

// finite reports a value that is NaN or infinite.
func finite(key string, values ...float64) error {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%s: want a finite number, got %v", key, v)
		}
	}
	return nil
}

// or returns the value, or the default if it is the zero value.
func or[T comparable](value, def T) T {
	var zero T
	if value == zero {
		return def
	}
	return value
}
