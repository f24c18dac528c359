package patch

// Cell is a block of an image on its way to its final values: for each part (one of several models, say) and each
// channel the sum of what windows said, weighted, over the cell's box. The box holds one layer of each lower
// neighbour where Halo is 1, so that whoever interpolates between a cell's voxels has both sides.
type Cell struct {
	Box
	Halo [3]int
	// Parts holds the sums, channel after channel, x fastest. Where Halo layers are concerned they are filled in
	// only when the cell is final, and only in part 0.
	Parts [][]float32
	// Total is what the sums of a final cell have to be divided by, voxel by voxel; 1 in Halo layers.
	Total []float32
	// Covered says that a window was run over the cell; else the values are those of [FrontierOptions].Empty.
	Covered bool

	at   [3]int
	runs []int // what has been added to each part
}

// Voxels returns the number of voxels, with those of Halo.
func (c *Cell) Voxels() int { return c.Len() }

// interior calls f for each row of voxels that is the cell's own: where it starts in a channel, and its y and z in the
// image.
func (c *Cell) interior(f func(at, y, z int)) {
	for z := c.Halo[2]; z < c.Size[2]; z++ {
		for y := c.Halo[1]; y < c.Size[1]; y++ {
			f(c.Halo[0]+c.Size[0]*(y+c.Size[1]*z), c.Start[1]+y, c.Start[2]+z)
		}
	}
}

// layer visits the layer at index k along an axis, all of it: f is given where a run of voxels starts in a channel and
// how long it is.
func (c *Cell) layer(axis, k int, f func(at, n int)) {
	nx, ny, nz := c.Size[0], c.Size[1], c.Size[2]
	switch axis {
	case 0:
		for row := range ny * nz {
			f(k+nx*row, 1)
		}
	case 1:
		for z := range nz {
			f(nx*(k+ny*z), nx)
		}
	default:
		f(nx*ny*k, nx*ny)
	}
}

// face returns the divided values of the highest layer along an axis, channel after channel.
func (c *Cell) face(axis int, out []float32) {
	n, area := c.Len(), c.Len()/c.Size[axis]
	for ch := range len(c.Parts[0]) / n {
		values, to := c.Parts[0][ch*n:(ch+1)*n], out[ch*area:(ch+1)*area]
		c.layer(axis, c.Size[axis]-1, func(at, m int) {
			for i := range m {
				to[i] = values[at+i] / c.Total[at+i]
			}
			to = to[m:]
		})
	}
}

// putFace fills the lowest layer along an axis with the face of the lower neighbour.
func (c *Cell) putFace(axis int, face []float32) {
	n, area := c.Len(), c.Len()/c.Size[axis]
	for ch := range len(c.Parts[0]) / n {
		values, from := c.Parts[0][ch*n:(ch+1)*n], face[ch*area:(ch+1)*area]
		c.layer(axis, 0, func(at, m int) {
			copy(values[at:at+m], from)
			from = from[m:]
		})
	}
	c.layer(axis, 0, func(at, m int) { fill(c.Total[at:at+m], 1) })
}
