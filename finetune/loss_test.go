package finetune

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/nitrain/nitrain/convert"
)

// TestLosses compares values and gradients with MONAI's and PyTorch's, computed in float64. Ours are
// float32: 1e-5 of the largest entry.
func TestLosses(t *testing.T) {
	var ref struct {
		Inputs map[string]struct {
			Shape   []int
			Logits  []float32
			Classes []int32
		}
		Cases []struct {
			Input, Loss, Options string
			Sigmoid              bool
			Value                float64
			Gradient             []float64
		}
	}
	readRef(t, "testdata/ref/losses.json", &ref)
	backends := map[string]compute.Backend{"go": oracle(t)}
	if b, err := convert.NewBackend(convert.BackendOptions{}); err == nil {
		t.Cleanup(b.Close)
		backends[b.Name()] = b.Compute()
	} else {
		t.Logf("only the reference engine is compared: %v", err)
	}
	for i := range len(ref.Cases) * len(backends) {
		names := slices.Sorted(maps.Keys(backends))
		c, name := ref.Cases[i/len(backends)], names[i%len(backends)]
		t.Run(fmt.Sprintf("%s %s %s %s sigmoid=%v", name, c.Input, c.Loss, c.Options, c.Sigmoid), func(t *testing.T) {
			backend := backends[name]
			o, err := ParseLossOptions(c.Options)
			if err != nil {
				t.Fatal(err)
			}
			in := ref.Inputs[c.Input]
			classes := append([]int{in.Shape[0], 1}, in.Shape[2:]...)
			loss := newLoss(Loss(c.Loss), o, c.Sigmoid)
			exec, err := graph.NewExec(backend, func(x, y *graph.Node) (*graph.Node, *graph.Node) {
				v := loss(x, y)
				return v, graph.Gradient(v, x)[0]
			})
			if err != nil {
				t.Fatal(err)
			}
			got, err := exec.Call(tensors.FromFlatDataAndDimensions(in.Logits, in.Shape...),
				tensors.FromFlatDataAndDimensions(in.Classes, classes...))
			if err != nil {
				t.Fatal(err)
			}
			if v := float64(tensors.ToScalar[float32](got[0])); math.Abs(v-c.Value) > 1e-5*max(1, c.Value) {
				t.Errorf("value: want %g, got %g", c.Value, v)
			}
			grad := tensors.MustCopyFlatData[float32](got[1])
			var largest, worst float64
			for i, want := range c.Gradient {
				largest = max(largest, math.Abs(want))
				worst = max(worst, math.Abs(want-float64(grad[i])))
			}
			if !(worst <= 1e-5*largest) {
				t.Errorf("gradient: worst difference %g, largest entry %g", worst, largest)
			}
		})
	}
}

func readRef(t *testing.T, path string, v any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatal(err)
	}
}

// oracle is the slow and plain backend.
func oracle(t *testing.T) compute.Backend {
	t.Helper()
	b, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Finalize)
	return b
}
