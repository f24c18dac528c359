package imageio_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// TestOrientationOfPermutations: every flip and permutation, with voxels of any size, is named exactly.
func TestOrientationOfPermutations(t *testing.T) {
	for _, p := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		for flips := range 8 {
			a := imageio.Affine{3: {0, 0, 0, 1}}
			want := ""
			var letters strings.Builder
			for j, w := range p {
				a[w][j] = float64(j) + 0.3
				letter := "RAS"[w]
				if flips>>j&1 == 1 {
					a[w][j] *= -1
					letter = "LPI"[w]
				}
				letters.WriteString(string(letter))
			}
			want += letters.String()
			if got := a.AxisCodes(); got != want {
				t.Errorf("want %s, got %s for %v", want, got, a)
			}
		}
	}
}

// TestRotationIsOrthogonal: the polar factor is orthogonal, keeps handedness and is nearest to the axes.
func TestRotationIsOrthogonal(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		a := randomAffine(r, 0.3)
		if _, err := a.Inverse(); err != nil {
			continue
		}
		q := a.Rotation()
		trace := 0.0
		z := imageio.Grid{Affine: a}.Spacing()
		var sym [3][3]float64 // Qᵀ·A is symmetric for the polar factor
		for i := range 3 {
			for j := range 3 {
				dot := 0.0
				for k := range 3 {
					dot += q[k][i] * q[k][j]
					sym[i][j] += q[k][i] * a[k][j] / z[j]
				}
				want := 0.0
				if i == j {
					want = 1
				}
				if math.Abs(dot-want) > 1e-12 {
					t.Fatalf("not orthogonal: %v", q)
				}
			}
			trace += sym[i][i]
		}
		for i := range 3 {
			for j := range i {
				if math.Abs(sym[i][j]-sym[j][i]) > 1e-12 {
					t.Fatalf("not the polar factor: %v of %v", q, a)
				}
			}
		}
		seen := map[int]bool{}
		for _, o := range a.Orientation() {
			seen[o.World] = true
		}
		if len(seen) != 3 || trace <= 0 {
			t.Fatalf("axes used twice in %v", a.Orientation())
		}
	}
}

func TestOpposite(t *testing.T) {
	for i, letter := range []byte("RASLPI?") {
		if want := "LPIRAS?"[i]; imageio.Opposite(letter) != want {
			t.Errorf("%c: want %c, got %c", letter, want, imageio.Opposite(letter))
		}
	}
}
