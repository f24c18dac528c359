package convert

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
)

// opGridSample is GridSample in any number of dimensions. The grid [N, out..., D] holds positions from -1 to
// 1, the last axis first.
func opGridSample(c *call) []*value {
	x, grid := c.x(0), c.x(1)
	s, g := dims(x), dims(grid)
	d := len(s) - 2
	if d < 1 || len(g) != len(s) || g[len(g)-1] != d || g[0] != s[0] {
		fail("a grid of shape %v does not fit an image of shape %v", g, s)
	}
	mode := c.stringAttr("mode", "linear")
	switch mode {
	case "bilinear":
		mode = "linear"
	case "bicubic":
		mode = "cubic"
	}
	corners := c.intAttr("align_corners", 0) == 1
	m := newSampler(x, mode, c.stringAttr("padding_mode", "zeros"), corners)
	points := product(g[1 : len(g)-1])
	at := make([]*graph.Node, d)
	for i, n := range m.size {
		p := reshape(cut(grid, len(g)-1, d-1-i, d-i, 1), s[0], points)
		if corners {
			at[i] = graph.MulScalar(graph.AddScalar(p, 1), float64(n-1)/2)
		} else {
			at[i] = graph.AddScalar(graph.MulScalar(graph.AddScalar(p, 1), float64(n)/2), -0.5)
		}
	}
	y := permute(m.at(at), 0, 2, 1)
	return c.out(reshape(y, append([]int{s[0], s[1]}, g[1:len(g)-1]...)...))
}

// opAffineGrid is AffineGrid: the positions of a grid moved by matrices [N, D, D+1].
func opAffineGrid(c *call) []*value {
	theta := c.x(0)
	size := c.ints(1, "the size of the grid")
	if len(size) < 3 {
		fail("the size of the grid %v has no spatial axes", size)
	}
	spatial := size[2:]
	d := len(spatial)
	corners := c.intAttr("align_corners", 0) == 1
	base := newHost(1, []int{product(spatial), d + 1})
	walk(spatial, func(flat int, index []int) {
		row := base.floats[flat*(d+1):]
		for i, n := range spatial {
			v := (2*float64(index[i])+1)/float64(n) - 1
			if corners {
				v = -1
				if n > 1 {
					v = 2*float64(index[i])/float64(n-1) - 1
				}
			}
			row[d-1-i] = v
		}
		row[d] = 1
	})
	y := graph.DotGeneral(theta, []int{2}, nil, constantLike(theta, base), []int{1}, nil) // [N, D, points]
	return c.out(reshape(permute(y, 0, 2, 1), append(append([]int{size[0]}, spatial...), d)...))
}

// opDeformConv is DeformConv: a convolution whose taps are read at positions of their own.
func opDeformConv(c *call) []*value {
	x, w, offset := c.x(0), c.x(1), c.x(2)
	s, k := dims(x), dims(w)
	d := len(s) - 2
	v := c.window(k[2:], s[2:])
	groups, banks := c.intAttr("group", 1), c.intAttr("offset_group", 1)
	taps := product(k[2:])
	out := dims(offset)[2:]
	points := product(out)
	if s[1] != k[1]*groups || s[1]%banks != 0 || dims(offset)[1] != banks*taps*d {
		fail("shapes %v, %v and %v do not fit in %d groups and %d groups of offsets", s, k, dims(offset), groups, banks)
	}
	// One batch element a group of offsets; points are taps times positions.
	image := reshape(x, append([]int{s[0] * banks, s[1] / banks}, s[2:]...)...)
	m := newSampler(image, "linear", "zeros", true)
	moved := reshape(offset, s[0]*banks, taps, d, points)
	at := make([]*graph.Node, d)
	for i := range d {
		grid := newHost(1, []int{1, taps, points})
		walk(k[2:], func(tap int, kernel []int) {
			walk(out, func(p int, index []int) {
				grid.floats[tap*points+p] = float64(index[i]*v.stride[i] - v.pads[i][0] + kernel[i]*v.dilation[i])
			})
		})
		own := reshape(cut(moved, 2, i, i+1, 1), s[0]*banks, taps, points)
		at[i] = reshape(graph.Add(own, constantLike(x, grid)), s[0]*banks, taps*points)
	}
	cols := permute(m.at(at), 0, 2, 1) // [N*banks, C/banks, taps*points]
	if c.has(4) {
		cols = graph.Mul(cols, reshape(c.x(4), s[0]*banks, 1, taps*points))
	}
	cols = reshape(cols, s[0], groups, k[1]*taps, points)
	kernel := reshape(w, groups, k[0]/groups, k[1]*taps)
	y := graph.DotGeneral(kernel, []int{2}, []int{0}, cols, []int{2}, []int{1}) // [groups, O/groups, N, points]
	y = reshape(permute(y, 2, 0, 1, 3), append([]int{s[0], k[0]}, out...)...)
	return c.out(c.addBias(y, 3))
}

// opRoiAlign is RoiAlign: each box [x1, y1, x2, y2] is read on a regular grid, and each cell of it averaged
// or searched for its largest reading.
func opRoiAlign(c *call) []*value {
	rois := c.arg(1).shape[0]
	ratio := c.intAttr("sampling_ratio", 0)
	boxes := c.x(1)
	image := c.indices(2)
	if ratio > 0 {
		return c.out(c.roiAlign(boxes, image, ratio, ratio))
	}
	// The number of readings depends on each box.
	known := c.floats(1, "the boxes of a RoiAlign without sampling_ratio")
	scale := c.floatAttr("spatial_scale", 1)
	var parts []*graph.Node
	for i := range rois {
		count := func(low, high float64, cells int) int {
			span := (high - low) * scale
			if c.roiOffset() == 0 {
				span = math.Max(span, 1)
			}
			return max(1, int(math.Ceil(span/float64(cells))))
		}
		h := count(known[4*i+1], known[4*i+3], c.intAttr("output_height", 1))
		w := count(known[4*i], known[4*i+2], c.intAttr("output_width", 1))
		if h > maxTurns || w > maxTurns {
			refuse("a box of a RoiAlign is read %d times %d times", h, w)
		}
		parts = append(parts, c.roiAlign(cut(boxes, 0, i, i+1, 1), cut(image, 0, i, i+1, 1), h, w))
	}
	return c.out(concatenated(parts, 0))
}

// indices returns input i as indices in the graph.
func (c *call) indices(i int) *graph.Node {
	return graph.StopGradient(graph.ConvertDType(c.x(i), indexType))
}

// roiOffset is half an element where positions mean centres.
func (c *call) roiOffset() float64 {
	def := "half_pixel"
	if c.opset < 16 {
		def = "output_half_pixel"
	}
	if c.stringAttr("coordinate_transformation_mode", def) == "half_pixel" {
		return 0.5
	}
	return 0
}

// roiAlign reads boxes [R, 4] with so many readings along each axis of a cell.
func (c *call) roiAlign(boxes, image *graph.Node, down, across int) *graph.Node {
	x := c.x(0)
	s := dims(x)
	r := dims(boxes)[0]
	cells := []int{c.intAttr("output_height", 1), c.intAttr("output_width", 1)}
	offset := c.roiOffset()
	scaled := graph.AddScalar(graph.MulScalar(boxes, c.floatAttr("spatial_scale", 1)), -offset)
	reads := []int{cells[0] * down, cells[1] * across}
	at, hit := make([]*graph.Node, 2), (*graph.Node)(nil)
	grid := []int{r, reads[0], reads[1]}
	for i, along := range []int{1, 0} { // boxes name x first
		low, high := cut(scaled, 1, along, along+1, 1), cut(scaled, 1, along+2, along+3, 1)
		span := graph.Sub(high, low)
		if offset == 0 {
			span = larger(span, scalar(span, 1))
		}
		place := newHost(1, []int{1, reads[i]})
		for j := range place.floats {
			place.floats[j] = (float64(j) + 0.5) / float64(reads[i])
		}
		p := graph.Add(low, graph.Mul(span, constantLike(x, place))) // [R, reads]
		shape := []int{r, 1, 1}
		shape[1+i] = reads[i]
		p = broadcast(reshape(p, shape...), grid)
		n := float64(s[2+i])
		in := graph.LogicalAnd(graph.GreaterOrEqual(p, scalar(p, -1)), graph.LessOrEqual(p, scalar(p, n)))
		if hit == nil {
			hit = in
		} else {
			hit = graph.LogicalAnd(hit, in)
		}
		at[i] = reshape(clamped(p, 0, n-1), r, reads[0]*reads[1])
	}
	m := newSampler(x, "linear", "border", true)
	y := m.read(at, image, c.stringAttr("mode", "avg") == "max") // [R, points, C]
	y = graph.Where(broadcast(reshape(graph.StopGradient(hit), r, reads[0]*reads[1], 1), dims(y)), y, zerosLike(y, dims(y)...))
	y = reshape(y, r, cells[0], down, cells[1], across, s[1])
	if c.stringAttr("mode", "avg") == "max" {
		y = extreme(graph.ReduceMax)(y, 2, 4)
	} else {
		y = graph.ReduceMean(y, 2, 4)
	}
	return permute(y, 0, 3, 1, 2)
}
