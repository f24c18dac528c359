package onnx

import (
	"container/heap"
	"fmt"
)

// Sort puts the nodes of the graph and of its subgraphs in topological order and reports whether that moved
// any; nodes that need not move keep their order. A cycle is an error, and then nothing is changed.
func Sort(g *Graph) (moved bool, err error) {
	for _, n := range g.Nodes {
		for _, s := range n.Subgraphs() {
			m, err := Sort(s)
			if err != nil {
				return false, err
			}
			moved = moved || m
		}
	}
	order, err := topological(g.Nodes)
	if err != nil {
		return false, fmt.Errorf("onnx: graph %q: %w", g.Name, err)
	}
	for i, n := range order {
		if g.Nodes[i] != n {
			g.Nodes, moved = order, true
			break
		}
	}
	return moved, nil
}

// topological returns the nodes ordered so that values are made before they are used, otherwise by their
// old position (Kahn's algorithm with a queue ordered by index).
func topological(nodes []*Node) ([]*Node, error) {
	maker := make(map[string]int, len(nodes))
	for i, n := range nodes {
		for _, o := range n.Outputs {
			if o != "" {
				maker[o] = i
			}
		}
	}
	waits := make([]int, len(nodes))
	users := make([][]int, len(nodes))
	for i, n := range nodes {
		seen := map[int]bool{}
		eachUse(n, func(name string) {
			if k, ok := maker[name]; ok && !seen[k] {
				seen[k] = true
				users[k] = append(users[k], i)
				waits[i]++
			}
		})
	}
	ready := &indexes{}
	for i, w := range waits {
		if w == 0 {
			heap.Push(ready, i)
		}
	}
	out := make([]*Node, 0, len(nodes))
	for ready.Len() > 0 {
		k := heap.Pop(ready).(int)
		out = append(out, nodes[k])
		for _, u := range users[k] {
			if waits[u]--; waits[u] == 0 {
				heap.Push(ready, u)
			}
		}
	}
	if len(out) < len(nodes) {
		for i, w := range waits {
			if w > 0 {
				return nil, fmt.Errorf("node %q (%s) lies on a cycle", nodes[i].Name, nodes[i].OpType)
			}
		}
	}
	return out, nil
}

// eachUse calls f for every value that the node needs from its graph, those of its subgraphs included.
func eachUse(n *Node, f func(string)) {
	for _, in := range n.Inputs {
		if in != "" {
			f(in)
		}
	}
	for _, g := range n.Subgraphs() {
		eachOuterUse(g, f)
	}
}

// eachOuterUse calls f for every value that a subgraph takes from outside.
func eachOuterUse(g *Graph, f func(string)) {
	own := make(map[string]bool)
	for _, v := range g.Inputs {
		own[v.Name] = true
	}
	for _, i := range g.Initializers {
		own[i.Name] = true
	}
	for _, s := range g.Sparse {
		own[s.Name] = true
	}
	for _, n := range g.Nodes {
		for _, o := range n.Outputs {
			own[o] = true
		}
	}
	outer := func(name string) {
		if !own[name] {
			f(name)
		}
	}
	for _, n := range g.Nodes {
		eachUse(n, outer)
	}
	for _, o := range g.Outputs {
		outer(o.Name)
	}
}

// indexes is a heap of node indexes.
type indexes []int

func (x indexes) Len() int           { return len(x) }
func (x indexes) Less(i, j int) bool { return x[i] < x[j] }
func (x indexes) Swap(i, j int)      { x[i], x[j] = x[j], x[i] }
func (x *indexes) Push(v any)        { *x = append(*x, v.(int)) }
func (x *indexes) Pop() any {
	old := *x
	v := old[len(old)-1]
	*x = old[:len(old)-1]
	return v
}
