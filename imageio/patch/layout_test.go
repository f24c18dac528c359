package patch_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/imageio/patch"
)

// layouts are all that there are.
var layouts = []patch.Layout{"xyz", "xzy", "yxz", "yzx", "zxy", "zyx", "xy", "yx", "xz", "zx", "yz", "zy"}

// The place of a voxel in a tensor, from the definition: strides of the axes in the layout's order, after an
// axis that the layout leaves out.
func TestLayouts(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, l := range layouts {
		if err := l.Validate(); err != nil {
			t.Fatal(err)
		}
		order := string(l)
		if axis, flat := l.Missing(); flat {
			order = "xyz"[axis:axis+1] + order
		}
		for range 20 {
			size := [3]int{1 + rng.IntN(40), 1 + rng.IntN(40), 1 + rng.IntN(40)}
			src := make([]float32, size[0]*size[1]*size[2])
			for i := range src {
				src[i] = rng.Float32()
			}
			dst, back := make([]float32, len(src)), make([]float32, len(src))
			l.Pack(dst, src, size)
			for range 50 {
				at := [3]int{rng.IntN(size[0]), rng.IntN(size[1]), rng.IntN(size[2])}
				place := 0
				for _, a := range order {
					place = place*size[a-'x'] + at[a-'x']
				}
				if dst[place] != src[at[0]+size[0]*(at[1]+size[1]*at[2])] {
					t.Fatalf("%s %v: voxel %v is elsewhere", l, size, at)
				}
			}
			if l.Unpack(back, dst, size); !slices.Equal(back, src) {
				t.Fatalf("%s %v: unpack does not undo pack", l, size)
			}
		}
		size := [3]int{2, 3, 4}
		if axis, flat := l.Missing(); flat {
			size[axis] = 1
		}
		if got, err := l.Size(l.Shape(size)); err != nil || got != size {
			t.Errorf("%s: %v %v", l, got, err)
		}
	}
	if _, err := patch.XYZ.Size([]int{1, 2}); err == nil {
		t.Error("xyz of 2 axes: no error")
	}
	for _, l := range []patch.Layout{"", "x", "xx", "xyx", "xyzx", "XYZ", "xya"} {
		if l.Validate() == nil {
			t.Errorf("%q: no error", l)
		}
	}
}

func BenchmarkPack(b *testing.B) {
	for _, l := range layouts[:6] {
		for _, n := range []int{96, 128} {
			b.Run(fmt.Sprintf("%s/%d", l, n), func(b *testing.B) {
				size := [3]int{n, n, n}
				src, dst := make([]float32, n*n*n), make([]float32, n*n*n)
				b.SetBytes(int64(8 * len(src)))
				for b.Loop() {
					l.Pack(dst, src, size)
				}
			})
		}
	}
}
