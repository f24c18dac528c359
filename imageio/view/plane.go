package view

import (
	"fmt"
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// Plane is an anatomical plane.
type Plane uint8

const (
	// Acquired is the plane of the thickest slices; axial where all axes are alike.
	Acquired Plane = iota
	// Axial slices are seen from the feet, anterior up.
	Axial
	// Coronal slices are seen from the front, superior up.
	Coronal
	// Sagittal slices are seen from the patient's left, anterior to the left, superior up.
	Sagittal
)

// String returns the plane's name.
func (p Plane) String() string { return [...]string{"acquired", "axial", "coronal", "sagittal"}[p%4] }

// plane is one slice and how it lies on the screen.
type plane struct {
	name         string
	letters      [4]string // at the left, right, top and bottom
	normal       int       // voxel axis across the slice
	index        int       // of the slice along it
	u, v         int       // voxel axes along the columns and rows of the screen
	uFlip, vFlip bool      // the screen starts with the last voxel
	world        int       // world axis nearest to the normal
}

// spatial reports whether a scan says where the patient's right is.
func spatial(im *imageio.Image) bool {
	return im.Source == nil || im.Source.AffineSource != "none"
}

// planeOf lays an anatomical plane on the screen. The index is left open.
func planeOf(scan *imageio.Image, which Plane) plane {
	if !spatial(scan) {
		normal := map[Plane]int{Sagittal: 0, Coronal: 1}[which]
		if which == Axial || which == Acquired {
			normal = 2
		}
		axes := [3][2]int{{1, 2}, {0, 2}, {0, 1}}[normal]
		return plane{normal: normal, u: axes[0], v: axes[1], world: normal}
	}
	orient := scan.Grid.Affine.Orientation()
	var axis [3]int // voxel axis of each world axis
	for i, o := range orient {
		axis[o.World] = i
	}
	side := func(p plane, u, v int) plane {
		p.u, p.v, p.normal = axis[u], axis[v], axis[p.world]
		// The screen runs from right to left, anterior to posterior, superior to inferior: an axis that
		// grows the other way is flipped, and a positive world axis always does.
		p.uFlip, p.vFlip = !orient[p.u].Flip, !orient[p.v].Flip
		return p
	}
	switch which {
	case Coronal:
		return side(plane{name: "coronal", letters: [4]string{"R", "L", "S", "I"}, world: 1}, 0, 2)
	case Sagittal:
		return side(plane{name: "sagittal", letters: [4]string{"A", "P", "S", "I"}, world: 0}, 1, 2)
	default:
		return side(plane{name: "axial", letters: [4]string{"R", "L", "A", "P"}, world: 2}, 0, 1)
	}
}

// acquired returns the plane across the axis with the largest voxels, axial if that is not clear.
func acquired(scan *imageio.Image) Plane {
	if scan.Grid.Size[2] == 1 {
		return planeAcross(scan, 2)
	}
	space := scan.Grid.Spacing()
	thick := 0
	for i := range 3 {
		if space[i] > space[thick] {
			thick = i
		}
	}
	for i := range 3 {
		if i != thick && space[i] > 0.8*space[thick] {
			return Axial
		}
	}
	return planeAcross(scan, thick)
}

// planeAcross names the plane that a voxel axis is normal to.
func planeAcross(scan *imageio.Image, axis int) Plane {
	world := axis
	if spatial(scan) {
		world = scan.Grid.Affine.Orientation()[axis].World
	}
	return [3]Plane{Sagittal, Coronal, Axial}[world]
}

// planes returns the panels of a row: three, or one of a 2-D scan.
func (s *scene) planes() []plane {
	if s.depth() == 1 {
		return []plane{planeOf(s.scan, acquired(s.scan))}
	}
	var list []plane
	middle := s.middle()
	for _, which := range []Plane{Axial, Coronal, Sagittal} {
		p := planeOf(s.scan, which)
		p.index = middle[p.normal]
		list = append(list, p)
	}
	return list
}

// gridRows returns up to 30 evenly spaced slices of one plane, from one end of the content to the other.
func (s *scene) gridRows() []row {
	which := s.o.Plane
	if which == Acquired {
		which = acquired(s.scan)
	}
	p := planeOf(s.scan, which)
	first, last := s.core[p.normal][0], s.core[p.normal][1]
	const columns, most = 6, 30
	n := min(most, last-first+1)
	var rows []row
	for i := range n {
		q := p
		q.index = first + int(math.Round((float64(i)+0.5)*float64(last-first+1)/float64(n)-0.5))
		if i%columns == 0 {
			rows = append(rows, row{seg: s.seg != nil && s.heat == nil, outline: s.seg != nil && s.heat != nil, heat: s.heat != nil})
		}
		rows[len(rows)-1].planes = append(rows[len(rows)-1].planes, q)
	}
	return rows
}

// position says where a slice is: in mm along the nearest world axis, at the middle of the picture.
func (s *scene) position(p plane) string {
	if !spatial(s.scan) {
		return ""
	}
	if s.scan.Grid.Size[p.normal] == 1 {
		return p.name
	}
	var at [3]float64
	for i := range 3 {
		at[i] = float64(s.box[i][0]+s.box[i][1]) / 2
	}
	at[p.normal] = float64(p.index)
	mm := math.Round(s.scan.Grid.World(at[0], at[1], at[2])[p.world]) + 0 // no minus zero
	return fmt.Sprintf("%s %s %+.0f mm", p.name, "xyz"[p.world:p.world+1], mm)
}

// voxel returns the voxel coordinates of a point of a panel, both from 0 to 1.
func (s *scene) voxel(p plane, fx, fy float64) [3]float64 {
	var v [3]float64
	along := func(axis int, f float64, flip bool) float64 {
		if flip {
			f = 1 - f
		}
		first, last := float64(s.box[axis][0]), float64(s.box[axis][1])
		return first - 0.5 + f*(last-first+1)
	}
	v[p.normal] = float64(p.index)
	v[p.u] = along(p.u, fx, p.uFlip)
	v[p.v] = along(p.v, fy, p.vFlip)
	return v
}
