package metric

import "math"

// elements returns the surface elements of a mask: the points between its voxels where a 2x2x2
// neighbourhood (2x2 in a 2-D image) is neither empty nor full, each with the area in mm² (length in mm)
// of the marching cubes' surface through it. Algorithm and table: Nikolov et al., "Deep learning to achieve
// clinically applicable segmentation of head and neck anatomy" (arXiv:1809.04430), as in DeepMind's
// surface-distance and in MONAI's use_subvoxels.
func (m *mask) elements(spacing [3]float64) *shell {
	if axes := m.extended(); len(axes) != 3 {
		return m.contour(axes, spacing)
	}
	areas := surfaceAreas(spacing)
	size := [3]int{m.size[0] - 1, m.size[1] - 1, m.size[2] - 1}
	nx, nxy := m.size[0], m.size[0]*m.size[1]
	return gather(size, true, func(z int, add func(y, x int, area float64)) {
		for y := range size[1] {
			at := z*nxy + y*nx
			a, b, c, d := m.on[at:at+nx], m.on[at+nxy:at+nxy+nx], m.on[at+nx:at+2*nx], m.on[at+nxy+nx:at+nxy+2*nx]
			for x := range size[0] {
				code := a[x]<<7 | b[x]<<6 | c[x]<<5 | d[x]<<4 | a[x+1]<<3 | b[x+1]<<2 | c[x+1]<<1 | d[x+1]
				if code != 0 && code != 255 {
					add(y, x, areas[code])
				}
			}
		}
	})
}

// extended lists the axes with more than one voxel.
func (m *mask) extended() []int {
	var axes []int
	for a, n := range m.size {
		if n > 1 {
			axes = append(axes, a)
		}
	}
	return axes
}

// contour is elements for an image of two axes (or fewer: an axis that is missing counts as one voxel
// between empty ones).
func (m *mask) contour(axes []int, spacing [3]float64) *shell {
	size, stride := m.size, [3]int{1, m.size[0], m.size[0] * m.size[1]}
	step, mm := [2]int{}, [2]float64{1, 1}
	for i, a := range axes {
		size[a]--
		step[i], mm[i] = stride[a], spacing[a]
	}
	lengths := contourLengths(mm[0], mm[1])
	return gather(size, true, func(z int, add func(y, x int, area float64)) {
		for y := range size[1] {
			for x := range size[0] {
				at := x + y*stride[1] + z*stride[2]
				code := m.on[at]<<3 | m.on[at+step[1]]<<2 | m.on[at+step[0]]<<1 | m.on[at+step[0]+step[1]]
				if code != 0 && code != 15 {
					add(y, x, lengths[code])
				}
			}
		}
	})
}

// contourLengths returns the length in mm of the contour through a 2x2 neighbourhood by its code.
func contourLengths(first, second float64) [16]float64 {
	diagonal := 0.5 * math.Hypot(first, second)
	var length [16]float64
	for code := 1; code < 15; code++ {
		switch code {
		case 3, 12:
			length[code] = second
		case 5, 10:
			length[code] = first
		case 6, 9:
			length[code] = 2 * diagonal
		default:
			length[code] = diagonal
		}
	}
	return length
}

// surfaceAreas returns the area in mm² of the surface through a 2x2x2 neighbourhood by its code. The
// table has up to four triangles for each code; a code and its complement have the same.
func surfaceAreas(spacing [3]float64) [256]float64 {
	// normals of the triangles in voxels, as long as their area is large, without signs
	normals := [10][3]float64{{}, {1, 1, 1}, {2, 2, 2}, {3, 3, 3}, {2, 2, 0}, {2, 0, 2}, {0, 2, 2}, {4, 0, 0}, {0, 4, 0}, {0, 0, 4}}
	var area [10]float64
	for i, n := range normals {
		area[i] = math.Hypot(math.Hypot(n[0]*spacing[1]*spacing[2], n[1]*spacing[0]*spacing[2]), n[2]*spacing[0]*spacing[1]) / 8
	}
	const triangles = "0000 1000 1000 4400 1000 5500 1100 1270 1000 1100 5500 1270 4400 1270 1270 7700 " +
		"1000 6600 1100 1280 1100 1290 1110 1122 1100 1660 1550 1356 1440 1346 1127 1270 " +
		"1000 1100 6600 1280 1100 1550 1660 1356 1100 1110 1290 1122 1440 1127 1346 1270 " +
		"4400 1280 1280 8800 1440 1345 1128 1280 1440 1128 1345 1280 4444 1440 1440 4400 " +
		"1000 1100 1100 1440 6600 1290 1660 1346 1100 1110 1550 1127 1280 1122 1356 1270 " +
		"5500 1290 1550 1345 1290 9900 1129 1290 1550 1129 5555 1550 1345 1290 1550 5500 " +
		"1100 1110 1660 1128 1660 1129 6666 1660 1110 1111 1129 1110 1128 1110 1660 1100 " +
		"1270 1122 1356 1280 1346 1290 1660 6600 1127 1110 1550 1100 1440 1100 1100 1000 "
	var table [256]float64
	for code := range 128 {
		for _, kind := range triangles[5*code : 5*code+4] {
			table[code] += area[kind-'0']
		}
		table[255-code] = table[code]
	}
	return table
}
