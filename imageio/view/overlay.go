package view

import (
	"fmt"
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// overlay is an image that is looked up by the voxel coordinates of a scan on another or the same grid.
type overlay struct {
	im   *imageio.Image
	from imageio.Affine // scan voxel to overlay voxel
	to   imageio.Affine // and back
	sums map[int]int    // voxels per label, counted once
}

func newOverlay(what string, im *imageio.Image, scan imageio.Grid) (*overlay, error) {
	if im == nil {
		return nil, nil
	}
	if err := im.Validate(); err != nil {
		return nil, fmt.Errorf("view: %s: %w", what, err)
	}
	inv, err := im.Grid.Affine.Inverse()
	if err != nil {
		return nil, fmt.Errorf("view: %s: %w", what, err)
	}
	back, err := scan.Affine.Inverse()
	if err != nil {
		return nil, fmt.Errorf("view: scan: %w", err)
	}
	o := &overlay{im: im, from: inv.Mul(scan.Affine), to: back.Mul(im.Grid.Affine)}
	if o.same(scan) {
		o.from, o.to = imageio.Identity(), imageio.Identity()
	}
	if !o.touches(scan) {
		return nil, fmt.Errorf("view: %s: want one that overlaps the scan in space, got one that lies beside it", what)
	}
	return o, nil
}

func (o *overlay) same(g imageio.Grid) bool { return o.im.Grid.Same(g, 1e-3) }

// touches reports whether any of a coarse lattice of points of the scan lies in the overlay.
func (o *overlay) touches(scan imageio.Grid) bool {
	for i := range 17 * 17 * 17 {
		var p [3]float64
		for axis, k := range [3]int{i % 17, i / 17 % 17, i / 289} {
			p[axis] = float64(scan.Size[axis]-1) * float64(k) / 16
		}
		if _, ok := o.index(p); ok {
			return true
		}
	}
	return false
}

// index returns the place of the nearest sample.
func (o *overlay) index(scan [3]float64) (int, bool) {
	p := o.from.Apply(scan)
	var q [3]int
	for i := range 3 {
		q[i] = int(math.Floor(p[i] + 0.5))
		if q[i] < 0 || q[i] >= o.im.Grid.Size[i] {
			return 0, false
		}
	}
	return o.im.Grid.Index(q[0], q[1], q[2]), true
}

// label returns the label at a point of the scan, 0 outside.
func (o *overlay) label(scan [3]float64) int {
	i, ok := o.index(scan)
	if !ok {
		return 0
	}
	return asLabel(o.im.Data[i])
}

func asLabel(v float32) int {
	if !(v > -1<<24 && v < 1<<24) { // NaN and infinities too
		return 0
	}
	return int(math.Round(float64(v)))
}

// counts returns the voxels of every label but 0.
func (o *overlay) counts() map[int]int {
	if o.sums != nil {
		return o.sums
	}
	o.sums = map[int]int{}
	last, run := 0, 0
	for _, v := range o.im.Channel(0) {
		l := asLabel(v)
		if l != last {
			if last != 0 {
				o.sums[last] += run
			}
			last, run = l, 0
		}
		run++
	}
	if last != 0 {
		o.sums[last] += run
	}
	return o.sums
}

// each visits the labelled voxels with their place in the scan.
func (o *overlay) each(visit func(label int, scan [3]float64)) {
	g, i := o.im.Grid, 0
	for z := range g.Size[2] {
		for y := range g.Size[1] {
			for x := range g.Size[0] {
				if l := asLabel(o.im.Data[i]); l != 0 {
					visit(l, o.to.Apply([3]float64{float64(x), float64(y), float64(z)}))
				}
				i++
			}
		}
	}
}

// bilinear interpolates a channel of an image in a slice: along the two axes of the plane, at the
// whole index across it, clamped to the image.
func bilinear(g imageio.Grid, data []float32, p plane, at [3]float64) float64 {
	clamp := func(axis int) (int, int, float64) {
		v := min(max(at[axis], 0), float64(g.Size[axis]-1))
		i := int(v)
		return i, min(i+1, g.Size[axis]-1), v - float64(i)
	}
	var a [3]int
	a[p.normal] = min(max(int(math.Round(at[p.normal])), 0), g.Size[p.normal]-1)
	u0, u1, fu := clamp(p.u)
	v0, v1, fv := clamp(p.v)
	get := func(u, v int) float64 {
		a[p.u], a[p.v] = u, v
		return float64(data[g.Index(a[0], a[1], a[2])])
	}
	return (get(u0, v0)*(1-fu)+get(u1, v0)*fu)*(1-fv) + (get(u0, v1)*(1-fu)+get(u1, v1)*fu)*fv
}

// trilinear interpolates an overlay at a point of the scan; outside it is 0.
func (o *overlay) trilinear(scan [3]float64) float64 {
	p := o.from.Apply(scan)
	g := o.im.Grid
	var lo [3]int
	var f [3]float64
	for i := range 3 {
		if p[i] < -0.5 || p[i] > float64(g.Size[i])-0.5 {
			return 0
		}
		v := min(max(p[i], 0), float64(g.Size[i]-1))
		lo[i] = min(int(v), max(0, g.Size[i]-2))
		f[i] = v - float64(lo[i])
	}
	sum := 0.0
	for corner := range 8 {
		w := 1.0
		var q [3]int
		for i := range 3 {
			bit := corner >> i & 1
			q[i] = min(lo[i]+bit, g.Size[i]-1)
			if bit == 1 {
				w *= f[i]
			} else {
				w *= 1 - f[i]
			}
		}
		if w > 0 {
			sum += w * float64(o.im.Data[g.Index(q[0], q[1], q[2])])
		}
	}
	return sum
}
