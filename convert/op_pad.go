package convert

import (
	"slices"

	"github.com/gomlx/gomlx/core/graph"
)

// padAmounts reads Pad: attributes before opset 11, inputs later.
func (c *call) padAmounts() [][2]int {
	rank := c.arg(0).rank()
	var list []int
	if c.opset < 11 {
		list = c.intsAttr("pads")
		if list == nil {
			list = c.intsAttr("paddings")
		}
	} else {
		list = c.ints(1, "the amounts of a padding")
	}
	over := rangeOf(0, rank)
	if c.has(3) {
		over = axesInOrder(c.ints(3, "the axes of a padding"), rank)
	}
	if len(list) != 2*len(over) {
		fail("pads: want %d numbers, got %d", 2*len(over), len(list))
	}
	out := make([][2]int, rank)
	for i, a := range over {
		out[a] = [2]int{list[i], list[len(over)+i]}
		countable(max(list[i], list[len(over)+i]))
		countable(-min(list[i], list[len(over)+i]))
	}
	return out
}

// opPad is Pad in the modes constant, reflect, edge and wrap; negative amounts crop.
func opPad(c *call) []*value {
	x := c.x(0)
	amounts := c.padAmounts()
	mode := c.stringAttr("mode", "constant")
	if mode == "constant" {
		value := c.floatAttr("value", 0)
		if c.has(2) {
			value = c.number(2, "the value of a padding")
		}
		return c.out(pad(x, value, amounts))
	}
	for a, p := range amounts {
		// What is cut off is gone before the rest is copied.
		n := x.Shape().Dimensions[a]
		x = cut(x, a, max(0, -p[0]), n-max(0, -p[1]), 1)
		if p = [2]int{max(0, p[0]), max(0, p[1])}; p != [2]int{} {
			x = padByCopy(x, a, p, mode)
		}
	}
	return c.out(x)
}

// padByCopy pads one axis with elements of the axis itself.
func padByCopy(x *graph.Node, a int, p [2]int, mode string) *graph.Node {
	n := x.Shape().Dimensions[a]
	parts := copiedRange(x, a, -p[0], 0, mode)
	parts = append(parts, x)
	return concatenated(append(parts, copiedRange(x, a, n, n+p[1], mode)...), a)
}

// copiedRange returns what stands at positions from..to-1 around an axis: runs of consecutive source positions
// become slices, reversed where they go down.
func copiedRange(x *graph.Node, a, from, to int, mode string) []*graph.Node {
	n := x.Shape().Dimensions[a]
	var parts []*graph.Node
	for i := from; i < to; {
		at := source(i, n, mode)
		j := i + 1
		step := 0
		if j < to {
			step = source(j, n, mode) - at
		}
		for step >= -1 && step <= 1 && j < to && source(j, n, mode)-source(j-1, n, mode) == step {
			j++
		}
		last := source(j-1, n, mode)
		switch {
		case step == 0 && j-i > 1:
			shape := dims(x)
			shape[a] = j - i
			parts = append(parts, graph.BroadcastToDims(cut(x, a, at, at+1, 1), shape...))
		case last >= at:
			parts = append(parts, cut(x, a, at, last+1, 1))
		default:
			parts = append(parts, graph.Reverse(cut(x, a, last, at+1, 1), a))
		}
		i = j
	}
	return parts
}

// source returns where a padded position takes its element from.
func source(i, n int, mode string) int {
	switch mode {
	case "edge":
		return clampInt(i, 0, n-1)
	case "wrap":
		return int(floorMod(int64(i), int64(n)))
	case "reflect":
		if n == 1 {
			return 0
		}
		period := 2 * (n - 1)
		i = int(floorMod(int64(i), int64(period)))
		return min(i, period-i)
	}
	refuse("padding mode %q is unknown", mode)
	return 0
}

func foldPad(c *call) []*host {
	h := c.in[0].host
	mode := c.stringAttr("mode", "constant")
	if mode == "constant" {
		return nil
	}
	for a, p := range c.padAmounts() {
		low, high := max(0, -p[0]), h.shape[a]-max(0, -p[1])
		var picks []int
		for i := -max(0, p[0]); i < high-low+max(0, p[1]); i++ {
			picks = append(picks, low+source(i, high-low, mode))
		}
		h = h.taken(a, slices.Clip(picks))
	}
	return []*host{h}
}
