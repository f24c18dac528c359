package transform

import (
	"fmt"

	"github.com/nitrain/nitrain/imageio"
)

// PadMode says what padding holds.
type PadMode string

// The padding modes, with NumPy's names.
const (
	PadConstant  PadMode = "constant"  // a value
	PadEdge      PadMode = "edge"      // the border voxel
	PadReflect   PadMode = "reflect"   // mirrored about the border voxel's centre
	PadSymmetric PadMode = "symmetric" // mirrored about the border voxel's outer face
)

// PadMethod says where padding goes.
type PadMethod string

// The padding methods, with MONAI's names.
const (
	PadAround PadMethod = "symmetric" // both sides; of an odd number one voxel more behind
	PadEnd    PadMethod = "end"       // behind
)

// Pad pads the image to at least Size voxels, as MONAI's SpatialPad. An axis that is longer, or whose Size is
// 0 or -1, is kept.
type Pad struct {
	Size   Size      `json:"size"`
	Value  float64   `json:"value,omitzero"`  // of mode constant, default 0
	Mode   PadMode   `json:"mode,omitzero"`   // default constant
	Method PadMethod `json:"method,omitzero"` // default symmetric
}

func (Pad) op() string { return "pad" }

func (p Pad) check() error {
	if err := within("size", p.Size, -1); err != nil {
		return err
	}
	return checkPadding(p.Value, p.Mode, p.Method)
}

// Apply pads the image.
func (p Pad) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(p, im) }

func (p Pad) run(im *imageio.Image) (*imageio.Image, error) {
	return pad(im, p.Size, fill{float32(p.Value), p.Mode}, p.Method)
}

// PadMultiple pads every axis to a multiple of K voxels, as MONAI's DivisiblePad. An axis whose K is 0 or 1 is kept.
type PadMultiple struct {
	K      Each      `json:"k"`
	Value  float64   `json:"value,omitzero"`  // of mode constant, default 0
	Mode   PadMode   `json:"mode,omitzero"`   // default constant
	Method PadMethod `json:"method,omitzero"` // default symmetric
}

func (PadMultiple) op() string { return "pad_multiple" }

func (p PadMultiple) check() error {
	if err := within("k", p.K, 0); err != nil {
		return err
	}
	return checkPadding(p.Value, p.Mode, p.Method)
}

// Apply pads the image.
func (p PadMultiple) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(p, im) }

func (p PadMultiple) run(im *imageio.Image) (*imageio.Image, error) {
	return pad(im, p.size(im.Grid), fill{float32(p.Value), p.Mode}, p.Method)
}

func (p PadMultiple) size(g imageio.Grid) (size [3]int) {
	for i, n := range g.Size {
		k := max(1, p.K[i])
		size[i] = (n + k - 1) / k * k
	}
	return size
}

func checkPadding(value float64, mode PadMode, method PadMethod) error {
	if err := finite("value", value); err != nil {
		return err
	}
	if err := oneOf("mode", mode, PadConstant, PadEdge, PadReflect, PadSymmetric); err != nil {
		return err
	}
	return oneOf("method", method, PadAround, PadEnd)
}

func pad(im *imageio.Image, size [3]int, f fill, method PadMethod) (*imageio.Image, error) {
	b := padBox(im.Grid.Size, size, method)
	for i, n := range im.Grid.Size {
		if far := max(-b.lo[i], b.hi[i]-n); f.mode == PadReflect && far >= n {
			return nil, fmt.Errorf("mode reflect: want padding below the %d voxels of axis %d, got %d", n, i, far)
		}
	}
	return cut(im, b, f)
}

// padBox returns the box that reaches over the image to at least a size.
func padBox(from, size [3]int, method PadMethod) box {
	b := wholeBox(from)
	for i, n := range from {
		width := max(0, size[i]-n)
		before := width / 2
		if method == PadEnd {
			before = 0
		}
		b.lo[i], b.hi[i] = -before, n+width-before
	}
	return b
}

// indices returns the source index of each position of a box along an axis, -1 for the constant.
func (f fill) indices(b box, size [3]int, axis int) []int {
	n := size[axis]
	at := make([]int, max(0, b.hi[axis]-b.lo[axis]))
	for i := range at {
		k := b.lo[axis] + i
		if k < 0 || k >= n {
			k = f.outside(k, n)
		}
		at[i] = k
	}
	return at
}

func (f fill) outside(k, n int) int {
	switch f.mode {
	case PadEdge:
		return min(max(k, 0), n-1)
	case PadReflect:
		return mirrored(k, n)
	case PadSymmetric:
		return reflected(k, n)
	default:
		return -1
	}
}

// mirrored brings an index into 0..n-1 by mirroring about 0 and n-1.
func mirrored(k, n int) int {
	if n == 1 {
		return 0
	}
	period := 2 * (n - 1)
	if k %= period; k < 0 {
		k += period
	}
	return min(k, period-k)
}

// reflected brings an index into 0..n-1 by mirroring about -0.5 and n-0.5.
func reflected(k, n int) int {
	if k %= 2 * n; k < 0 {
		k += 2 * n
	}
	return min(k, 2*n-1-k)
}
