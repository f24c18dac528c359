package phantom

import (
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// Body is the CT of a trunk, drawn one slice at a time, so that a scan of any size needs no memory. The same
// values give the same numbers. It is 340 mm wide and 230 mm deep in the middle of the grid, and fills it from
// the first slice to the last.
type Body struct {
	Size [3]int     // voxels
	MM   [3]float64 // distances between them
	Seed uint64     // of the noise and of where the organs lie
}

// WholeBody is the scan of 512x512x700 voxels of 0.8x0.8x1.0 mm that bounded memory is measured on.
func WholeBody() Body { return Body{Size: [3]int{512, 512, 700}, MM: [3]float64{0.8, 0.8, 1}, Seed: 1} }

// Grid returns where the voxels are: x runs to the left, y to the back, z upwards, the origin is in the middle.
func (b Body) Grid() imageio.Grid {
	g := imageio.Grid{Size: b.Size, Affine: imageio.Identity()}
	for a, mm := range b.MM {
		if a < 2 {
			mm = -mm
		}
		g.Affine[a][a] = mm
		g.Affine[a][3] = -mm * float64(b.Size[a]-1) / 2
	}
	return g
}

// Hounsfield units.
const (
	unitsAir    = -1000
	unitsFat    = -95
	unitsMuscle = 55
	unitsInside = 25
	unitsBone   = 420
)

// organ is an ellipsoid. Its centre and half axes are in mm, along z as parts of the trunk's height.
type organ struct {
	centre, radius [3]float64
	units          int16
}

// organs returns the ellipsoids, a later one in front of an earlier one.
func organs() []organ {
	return []organ{
		{[3]float64{75, -5, 0.30}, [3]float64{62, 80, 0.22}, -860},    // lung
		{[3]float64{-75, -5, 0.30}, [3]float64{62, 80, 0.22}, -860},   // lung
		{[3]float64{-18, -25, 0.16}, [3]float64{52, 45, 0.10}, 45},    // heart
		{[3]float64{70, -10, -0.02}, [3]float64{75, 75, 0.12}, 62},    // liver
		{[3]float64{-95, 35, -0.01}, [3]float64{30, 40, 0.08}, 52},    // spleen
		{[3]float64{55, 50, -0.12}, [3]float64{27, 28, 0.075}, 34},    // kidney
		{[3]float64{-55, 50, -0.11}, [3]float64{27, 28, 0.075}, 34},   // kidney
		{[3]float64{-45, -40, -0.03}, [3]float64{40, 30, 0.06}, 8},    // stomach
		{[3]float64{-45, -55, -0.03}, [3]float64{28, 12, 0.05}, -940}, // its gas
		{[3]float64{20, -35, -0.22}, [3]float64{95, 45, 0.08}, 18},    // bowel
		{[3]float64{70, -50, -0.20}, [3]float64{18, 15, 0.06}, -920},  // its gas
		{[3]float64{0, -20, -0.38}, [3]float64{42, 38, 0.06}, 5},      // bladder
		{[3]float64{95, 10, -0.40}, [3]float64{48, 30, 0.09}, 320},    // pelvis
		{[3]float64{-95, 10, -0.40}, [3]float64{48, 30, 0.09}, 320},   // pelvis
		{[3]float64{-12, 30, 0}, [3]float64{12, 12, 0.7}, 140},        // aorta
		{[3]float64{0, 68, 0}, [3]float64{22, 19, 0.9}, 260},          // spine
		{[3]float64{0, 90, 0}, [3]float64{9, 9, 0.9}, 22},             // its canal
	}
}

// Slice draws slice z: Size[0] times Size[1] Hounsfield units, x fastest.
func (b Body) Slice(z int, dst []int16) {
	height := float64(b.Size[2]) * b.MM[2]
	h := (float64(z)+0.5)/float64(b.Size[2]) - 0.5
	shift := 6 * math.Sin(float64(b.Seed)+7*h)
	wide, deep := 170+14*math.Sin(9*h), 115+10*math.Cos(7*h)
	rib := h > -0.08 && h < 0.47 && math.Mod((h+1)*height/24, 1) < 0.45
	list := organs()
	for y := range b.Size[1] {
		row := dst[y*b.Size[0]:][:b.Size[0]]
		for i := range row {
			row[i] = unitsAir
		}
		at := (float64(y) - float64(b.Size[1]-1)/2) * b.MM[1]
		b.fill(row, 0, at, wide, deep, 0, unitsFat)
		b.fill(row, 0, at, 0.92*wide, 0.90*deep, 0, unitsMuscle)
		if rib {
			b.fill(row, 0, at, 0.86*wide, 0.83*deep, 0, unitsBone)
		}
		b.fill(row, 0, at, 0.82*wide, 0.79*deep, 0, unitsInside)
		for _, o := range list {
			b.fill(row, o.centre[0]+shift, at-o.centre[1], o.radius[0], o.radius[1], (h-o.centre[2])/o.radius[2], o.units)
		}
		if at > deep+8 && at < deep+14 { // the table
			b.fill(row, 0, 0, 220, 1, 0, -150)
		}
		b.noise(row, uint64(z)*uint64(b.Size[1])+uint64(y))
	}
}

// fill sets the part of a row inside an ellipse whose middle is at x, off away from the row; up is how far the slice
// is from the ellipsoid's middle, in half axes.
func (b Body) fill(row []int16, x, off, wide, deep, up float64, units int16) {
	left := 1 - sq(off/deep) - sq(up)
	if left <= 0 {
		return
	}
	half, middle := wide*math.Sqrt(left)/b.MM[0], x/b.MM[0]+float64(len(row)-1)/2
	lo, hi := max(0, int(math.Ceil(middle-half))), min(len(row)-1, int(middle+half))
	for i := lo; i <= hi; i++ {
		row[i] = units
	}
}

// noise adds about 12 HU, nearly normal: four bytes of a hash of the voxel's place.
func (b Body) noise(row []int16, line uint64) {
	for i := range row {
		v := (line*uint64(len(row))+uint64(i))*0x9e3779b97f4a7c15 + b.Seed
		v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
		v = (v ^ v>>27) * 0x94d049bb133111eb
		v ^= v >> 31
		sum := int16(v&255) + int16(v>>8&255) + int16(v>>16&255) + int16(v>>24&255)
		row[i] = max(row[i]+(sum-510)/12, -1024)
	}
}
