package engine

import (
	"fmt"
	"math"
	"reflect"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// scalar records a constant of one value of dtype.
func (f *function) scalar(dtype dtypes.DType, value any) (compute.Value, error) {
	v := reflect.ValueOf(shapes.CastAsDType(value, dtype))
	flat := reflect.MakeSlice(reflect.SliceOf(v.Type()), 1, 1)
	flat.Index(0).Set(v)
	return f.Constant(flat.Interface())
}

// largest returns the greatest finite value of a float type.
func largest(dtype dtypes.DType) (float64, error) {
	switch dtype {
	case dtypes.Float64:
		return math.MaxFloat64, nil
	case dtypes.Float32:
		return math.MaxFloat32, nil
	case dtypes.Float16:
		return 65504, nil
	case dtypes.BFloat16:
		return 0x1.FEp127, nil
	}
	return 0, fmt.Errorf("%w: largest finite value of %s", compute.ErrNotImplemented, dtype)
}

// lowest returns a value of dtype that no other finite one is below.
func lowest(dtype dtypes.DType) (any, error) {
	if !dtype.IsFloat() {
		return dtype.LowestValue(), nil
	}
	v, err := largest(dtype)
	return -v, err
}

// orOnes returns list, or n ones where the list is empty: GoMLX lets callers leave defaults out.
func orOnes(list []int, n int) []int {
	if len(list) > 0 {
		return list
	}
	filled := make([]int, n)
	for i := range filled {
		filled[i] = 1
	}
	return filled
}

// orPads returns pads, or n empty pairs.
func orPads(pads [][2]int, n int) [][2]int {
	if len(pads) > 0 {
		return pads
	}
	return make([][2]int, n)
}

// anyAbove tells whether some entry of list exceeds limit.
func anyAbove(list []int, limit int) bool {
	for _, v := range list {
		if v > limit {
			return true
		}
	}
	return false
}

// volume is the product of list.
func volume(list []int) int {
	n := 1
	for _, v := range list {
		n *= v
	}
	return n
}
