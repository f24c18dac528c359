package patch

import (
	"fmt"
	"strings"
)

// Layout says which image axes are the spatial axes of a tensor [N, C, ...], in order; the last is fastest.
// Any order of x, y and z is a layout. Two of them are the layout of tensors with two spatial axes; the axis
// that is missing counts the slices. An image has x fastest, so that ZYX is a plain copy.
type Layout string

// The usual layouts.
const (
	XYZ Layout = "xyz" // MONAI: nibabel's array order
	ZYX Layout = "zyx" // nnU-Net: SimpleITK's array order
	XY  Layout = "xy"
	YX  Layout = "yx" // photographs: rows, then columns
)

// axisNames are the image's axes in order.
const axisNames = "xyz"

// Validate reports a layout that does not exist.
func (l Layout) Validate() error {
	ok := len(l) == 2 || len(l) == 3
	for i := range len(l) {
		ok = ok && strings.IndexByte(axisNames, l[i]) >= 0 && strings.IndexByte(string(l), l[i]) == i
	}
	if !ok {
		return fmt.Errorf("patch: layout %q: want x, y and z or two of them in any order", string(l))
	}
	return nil
}

// Axes returns the number of a tensor's spatial axes: 2 or 3.
func (l Layout) Axes() int { return len(l) }

// Missing returns the image axis that a layout of two axes leaves out, the axis of the slices; ok is false
// for three.
func (l Layout) Missing() (axis int, ok bool) {
	if len(l) != 2 {
		return 0, false
	}
	for a := range axisNames {
		if strings.IndexByte(string(l), axisNames[a]) < 0 {
			return a, true
		}
	}
	return 0, false
}

// Order returns the image axes from the tensor's slowest to its fastest; an axis that is left out is slowest.
func (l Layout) Order() [3]int {
	if axis, flat := l.Missing(); flat {
		return [3]int{axis, l.axis(0), l.axis(1)}
	}
	return [3]int{l.axis(0), l.axis(1), l.axis(2)}
}

// axis returns the image axis of a tensor's spatial axis. A layout that does not exist gives z.
func (l Layout) axis(i int) int {
	if i < len(l) {
		if a := strings.IndexByte(axisNames, l[i]); a >= 0 {
			return a
		}
	}
	return 2
}

// Shape returns a tensor's spatial sizes for an image's.
func (l Layout) Shape(size [3]int) []int {
	shape := make([]int, len(l))
	for i := range shape {
		shape[i] = size[l.axis(i)]
	}
	return shape
}

// Size returns an image's sizes for a tensor's spatial ones; it is 1 along an axis that the layout leaves out.
func (l Layout) Size(shape []int) ([3]int, error) {
	if len(shape) != l.Axes() {
		return [3]int{}, fmt.Errorf("patch: layout %s: want %d spatial axes, got %v", l, l.Axes(), shape)
	}
	size := [3]int{1, 1, 1}
	for i, n := range shape {
		size[l.axis(i)] = n
	}
	return size, nil
}

// Pack moves the voxels of one channel, x fastest, into a tensor's order. Both slices hold
// size[0]*size[1]*size[2] values and do not overlap. With a layout of two axes one slice comes after the other.
func (l Layout) Pack(dst, src []float32, size [3]int) {
	permute(dst, src, size, l.Order())
}

// Unpack is the inverse of Pack.
func (l Layout) Unpack(dst, src []float32, size [3]int) {
	order := l.Order()
	packed := [3]int{size[order[2]], size[order[1]], size[order[0]]} // fastest first
	var back [3]int
	for i, a := range order {
		back[2-a] = 2 - i
	}
	permute(dst, src, packed, back)
}
