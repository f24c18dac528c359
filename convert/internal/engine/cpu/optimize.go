package cpu

import (
	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/rewrite"
)

// optimize turns a recorded graph into one of kernels.
func optimize(g *ir.Graph) *ir.Graph { return rewrite.Rewrite(g) }
