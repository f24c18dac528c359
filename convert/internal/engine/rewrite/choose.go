package rewrite

import (
	"slices"

	"github.com/gomlx/compute"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// Limits of what is computed twice rather than stored, in simple instructions an element.
const (
	cheap    = 24  // a value of one large array
	nearby   = 32  // a value of several, whose readers run right after one another
	longest  = 64  // what any single expression may grow to
	manyRead = 12  // arrays that an expression may read
	small    = 256 // elements of an array that costs nothing to read
)

// A choice says which values of a graph are stored; the others are computed where they are read.
type choice struct {
	g       *ir.Graph
	readers map[*ir.Node][]*ir.Node
	wanted  map[*ir.Node]bool // must be in memory: an output, or read by what is no expression
	stored  map[*ir.Node]bool
	forced  map[*ir.Node]bool // from earlier attempts
	heavy   []int             // how many kernels stand before a node
	cost    map[*ir.Node]int
	reads   map[*ir.Node]map[*ir.Node]bool // the large arrays that an expression reads
}

// expression tells whether n can be part of a Map (or, where it only moves elements, of an Assemble).
func expression(n *ir.Node) bool { return moves(n) || computes(n) }

// choose decides for every node of g.
func choose(g *ir.Graph, forced map[*ir.Node]bool) *choice {
	c := &choice{
		g: g, forced: forced, readers: map[*ir.Node][]*ir.Node{}, wanted: map[*ir.Node]bool{}, stored: map[*ir.Node]bool{},
		cost: map[*ir.Node]int{}, reads: map[*ir.Node]map[*ir.Node]bool{}, heavy: make([]int, len(g.Nodes)),
	}
	kernels := 0
	for _, n := range g.Nodes {
		if !expression(n) && reduces(n) == kernel.None && len(n.Inputs) > 0 {
			kernels++
		}
		c.heavy[n.ID] = kernels
		for _, x := range n.Inputs {
			c.readers[x] = append(c.readers[x], n)
		}
	}
	for _, n := range g.Outputs {
		c.wanted[n] = true
	}
	for _, v := range slices.Backward(g.Nodes) {
		c.want(v)
	}
	for _, n := range g.Nodes {
		c.decide(n)
	}
	return c
}

// want says what n needs in memory, all of its readers having said so.
func (c *choice) want(n *ir.Node) {
	switch {
	case is(n, compute.OpTypeReshape) && (c.wanted[n] || c.forced[n]):
		c.wanted[n.Inputs[0]] = true // the reshape is another name for it
	case expression(n), reduces(n) != kernel.None:
	case assembles(n):
		for _, x := range n.Inputs {
			for is(n, compute.OpTypeConcatenate) && moves(x) && !c.forced[x] && len(c.readers[x]) == 1 {
				x = x.Inputs[0]
			}
			c.wanted[x] = true
		}
	default:
		for _, x := range n.Inputs {
			c.wanted[x] = true
		}
	}
}

// assembles tells whether n is put together from pieces.
func assembles(n *ir.Node) bool {
	switch n.Op.Of() {
	case compute.OpTypeConcatenate:
		return n.Shape.Size() > 0
	case compute.OpTypePad:
		_, ok := scalar(n.Inputs[1])
		return ok && n.Shape.Size() > 0 && n.Inputs[0].Shape.Size() > 0
	}
	return false
}

// decide settles n, its inputs being settled.
func (c *choice) decide(n *ir.Node) {
	if !expression(n) {
		c.store(n)
		return
	}
	cost := weight(n)
	reads := map[*ir.Node]bool{}
	for _, x := range n.Inputs {
		cost += c.cost[x]
		for r := range c.reads[x] {
			reads[r] = true
		}
	}
	c.cost[n], c.reads[n] = cost, reads
	if is(n, compute.OpTypeReshape) && c.stored[n.Inputs[0]] {
		return // another name for what is stored
	}
	if c.wanted[n] || c.forced[n] || cost > longest || len(reads) > manyRead || c.grows(n) || !c.repeats(n, cost, len(reads)) {
		if cost > 0 || c.wanted[n] || c.forced[n] {
			c.store(n)
		}
	}
}

// store makes n an array in memory.
func (c *choice) store(n *ir.Node) {
	c.stored[n] = true
	c.cost[n] = 0
	c.reads[n] = nil
	if n.Shape.Ok() && n.Shape.Size() > small {
		c.reads[n] = map[*ir.Node]bool{n: true}
	}
}

// grows tells whether a reader has more elements than n, so that computing it there would do work again and again.
func (c *choice) grows(n *ir.Node) bool {
	if c.cost[n] == 0 {
		return false
	}
	for _, r := range c.readers[n] {
		if (expression(r) || reduces(r) != kernel.None) && !is(r, compute.OpTypeSlice) && elements(r) > n.Shape.Size() {
			return true
		}
	}
	return false
}

// elements is how many elements r computes.
func elements(r *ir.Node) int {
	if reduces(r) != kernel.None {
		return r.Inputs[0].Shape.Size()
	}
	return r.Shape.Size()
}

// repeats tells whether n is computed at every reader.
func (c *choice) repeats(n *ir.Node, cost, reads int) bool {
	readers := c.readers[n]
	if len(readers) < 2 || cost == 0 && reads <= 1 {
		return true
	}
	first, last := len(c.heavy), 0
	for _, r := range readers {
		first, last = min(first, r.ID), max(last, r.ID)
	}
	near := c.heavy[first] == c.heavy[last]
	return cost <= cheap && reads <= 1 || near && cost <= nearby && reads <= 4
}
