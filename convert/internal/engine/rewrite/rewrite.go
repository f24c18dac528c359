// Package rewrite turns a recorded graph into one that runs fast: what is computed twice or for nothing goes,
// convolutions and their gradients, matrix products and poolings become kernels, and chains of elementwise operations,
// broadcasts, views and reductions become single passes over memory.
//
// Rewriting never changes what a graph computes beyond the rounding of sums.
package rewrite

import "github.com/nitrain/nitrain/convert/internal/engine/ir"

// Rewrite returns a graph with the same parameters and outputs as g. What it has no kernel for keeps its operation.
// g is not changed, and shares nodes with the result only where they stay as they are.
func Rewrite(g *ir.Graph) *ir.Graph {
	return fuse(absorb(lower(g)))
}
