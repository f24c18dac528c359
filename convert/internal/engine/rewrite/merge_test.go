package rewrite

import (
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
)

// TestMergeKeepsOrder wants every unit of random graphs, full of values that several others read, to find its place
// after what it reads, however they were joined.
func TestMergeKeepsOrder(t *testing.T) {
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 7))
		g := &drawn{}
		dims := []int{2, 3, 400}
		values := []*ir.Node{g.add(compute.OpTypeParameter, nil, dims), g.add(compute.OpTypeParameter, nil, dims)}
		pick := func() *ir.Node { return values[rng.IntN(len(values))] }
		for range 40 {
			switch x := pick(); rng.IntN(4) {
			case 0:
				sum := g.add(compute.OpTypeReduceSum, []int{0, 2}, []int{3}, x)
				values = append(values, g.add(compute.OpTypeBroadcastInDim, []int{1}, dims, sum))
			case 1:
				values = append(values, g.add(compute.OpTypeExp, nil, dims, x))
			default:
				values = append(values, g.add(compute.OpTypeMul, nil, dims, x, pick()))
			}
		}
		g.Outputs = []*ir.Node{values[len(values)-1], pick(), pick()}
		after := Rewrite(&g.Graph)
		place := map[*ir.Node]int{}
		for i, n := range after.Nodes {
			if n == nil {
				t.Fatalf("seed %d: node %d is missing", seed, i)
			}
			for _, x := range n.Inputs {
				if at, ok := place[x]; !ok || at >= i {
					t.Fatalf("seed %d: node %d reads what is not there yet", seed, i)
				}
			}
			place[n] = i
		}
		for i, o := range after.Outputs {
			if o == nil || !o.Shape.Equal(shapes.Make(dtypes.Float32, dims...)) {
				t.Fatalf("seed %d: output %d is %v", seed, i, o)
			}
		}
	}
}
