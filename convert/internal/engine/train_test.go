//go:build cgo

package engine

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
)

// TestAdamAgainstPyTorch follows 20 Adam steps of a small U-Net, which testdata/gen/adam.py made in float64. PyTorch
// own float32 run differs from it by 1e-6; the rounding of 20 steps stays below 1e-4.
func TestAdamAgainstPyTorch(t *testing.T) {
	t.Run("onnx", func(t *testing.T) { testAdam(t, repaired(t)) })
	t.Run("cpu", func(t *testing.T) { testAdam(t, ours(t)) })
	t.Run("xla", func(t *testing.T) { testAdam(t, xlaCPU(t, 1)) })
}

// testAdam follows the reference on one engine.
func testAdam(t *testing.T, b compute.Backend) {
	t.Helper()
	data, err := os.ReadFile("testdata/ref/adam.json")
	if err != nil {
		t.Fatal(err)
	}
	var ref map[string]json.RawMessage
	if err := json.Unmarshal(data, &ref); err != nil {
		t.Fatal(err)
	}
	for _, dims := range []int{2, 3} {
		t.Run(fmt.Sprintf("%dd", dims), func(t *testing.T) {
			var want struct{ Losses, Output []float64 }
			if err := json.Unmarshal(ref[fmt.Sprintf("%dd", dims)], &want); err != nil {
				t.Fatal(err)
			}
			u := unet{dims, []int{4, 8, 16}, 3}
			tr := newTrainer(u, b, 1e-3)
			x, labels := u.batch(2, 16)
			for i, loss := range want.Losses {
				got, err := tr.step(b, x, labels)
				if err != nil {
					t.Fatal(err)
				}
				if math.Abs(got-loss) > 5e-6*loss {
					t.Fatalf("step %d: want loss %.7f, got %.7f", i, loss, got)
				}
			}
			args := append([]any{x}, tr.state[1:1+tr.n]...)
			out := flat(MustExecOnce(b, func(in []*Node) *Node { return u.forward(in[0], in[1:]) }, args...))
			every := max(1, len(out)/64)
			for i, w := range want.Output {
				if math.Abs(out[i*every]-w) > 1e-4*max(1, math.Abs(w)) {
					t.Errorf("output %d: want %.5f, got %.5f", i*every, w, out[i*every])
				}
			}
		})
	}
}
