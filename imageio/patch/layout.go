package patch

import (
	"fmt"
)

// Layout says which image axis is the first spatial axis of a tensor [N, C, ...], whose last axis is
// fastest. An image has x fastest, so ZYX is a plain copy and XYZ a transpose.
type Layout string

// The layouts. XY and YX are those of tensors with two spatial axes.
const (
	XYZ Layout = "xyz" // MONAI: nibabel's array order
	ZYX Layout = "zyx" // nnU-Net: SimpleITK's array order
	XY  Layout = "xy"
	YX  Layout = "yx" // photographs: rows, then columns
)

// Validate reports a layout that does not exist.
func (l Layout) Validate() error {
	switch l {
	case XYZ, ZYX, XY, YX:
		return nil
	}
	return fmt.Errorf("patch: layout %q: want xyz, zyx, xy or yx", string(l))
}

// Axes returns the number of a tensor's spatial axes: 2 or 3.
func (l Layout) Axes() int { return len(l) }

// Shape returns a tensor's spatial sizes for an image's.
func (l Layout) Shape(size [3]int) []int {
	switch l {
	case XY:
		return []int{size[0], size[1]}
	case YX:
		return []int{size[1], size[0]}
	case ZYX:
		return []int{size[2], size[1], size[0]}
	default:
		return []int{size[0], size[1], size[2]}
	}
}

// Size returns an image's sizes for a tensor's spatial ones.
func (l Layout) Size(shape []int) ([3]int, error) {
	if len(shape) != l.Axes() {
		return [3]int{}, fmt.Errorf("patch: layout %s: want %d spatial axes, got %v", l, l.Axes(), shape)
	}
	switch l {
	case XY:
		return [3]int{shape[0], shape[1], 1}, nil
	case YX:
		return [3]int{shape[1], shape[0], 1}, nil
	case ZYX:
		return [3]int{shape[2], shape[1], shape[0]}, nil
	default:
		return [3]int{shape[0], shape[1], shape[2]}, nil
	}
}

// Pack moves the voxels of one channel, x fastest, into a tensor's order. Both slices hold
// size[0]*size[1]*size[2] values and do not overlap.
func (l Layout) Pack(dst, src []float32, size [3]int) {
	if l == ZYX || l == YX {
		copy(dst, src)
		return
	}
	reverse(dst, src, size[0], size[1], size[2])
}

// Unpack is the inverse of Pack.
func (l Layout) Unpack(dst, src []float32, size [3]int) {
	if l == ZYX || l == YX {
		copy(dst, src)
		return
	}
	reverse(dst, src, size[2], size[1], size[0])
}

// reverse turns an array whose sizes from the fastest axis are nx, ny, nz into one whose fastest axis is
// z. It goes in squares of x and z, so that reads and writes both stay within a few cache lines.
func reverse(dst, src []float32, nx, ny, nz int) {
	const side = 16
	for y := range ny {
		for z0 := 0; z0 < nz; z0 += side {
			z1 := min(z0+side, nz)
			for x0 := 0; x0 < nx; x0 += side {
				x1 := min(x0+side, nx)
				for x := x0; x < x1; x++ {
					row := dst[nz*(y+ny*x):]
					for z := z0; z < z1; z++ {
						row[z] = src[x+nx*(y+ny*z)]
					}
				}
			}
		}
	}
}
