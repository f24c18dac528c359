package transform

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/nitrain/nitrain/imageio"
)

// Regions is a channel split into connected components.
type Regions struct {
	// Of says for each voxel which component it belongs to, counted from 1; 0 is background.
	Of []int32
	// Sizes is the number of voxels of each component, largest first; of equal ones that which comes first
	// with x fastest. Sizes[0] is component 1.
	Sizes []int
}

// Components finds the connected components of the samples of the first channel that are not zero. Voxels touch by
// faces (connectivity 6), also by edges (18), also by corners (26).
func Components(im *imageio.Image, connectivity int) (*Regions, error) {
	if im == nil {
		return nil, errors.New("transform: components: no image")
	}
	if err := im.Validate(); err != nil {
		return nil, fmt.Errorf("transform: components: %w", err)
	}
	if err := checkConnectivity(connectivity); err != nil {
		return nil, fmt.Errorf("transform: components: %w", err)
	}
	samples := im.Channel(0)
	runs := findRuns(im.Grid.Size, connectivity, func(i int) bool { return samples[i] != 0 })
	order := runs.bySize()
	rank := make(map[int32]int32, len(order))
	regions := &Regions{Of: make([]int32, len(samples))}
	for i, c := range order {
		rank[c.root] = int32(i + 1)
		regions.Sizes = append(regions.Sizes, c.size)
	}
	runs.each(func(root int32, lo, hi int) {
		k := rank[root]
		for i := lo; i < hi; i++ {
			regions.Of[i] = k
		}
	})
	return regions, nil
}

// LargestComponent keeps the largest connected component of the samples that are not zero and sets the others to
// zero.
func LargestComponent(im *imageio.Image, connectivity int) (*imageio.Image, error) {
	return Keep{Largest: 1, Connectivity: connectivity}.Apply(im)
}

func checkConnectivity(c int) error {
	if c != 6 && c != 18 && c != 26 {
		return fmt.Errorf("connectivity: want 6, 18 or 26, got %d", c)
	}
	return nil
}

// runSet is the voxels of a mask as runs along x, joined into components by union-find: time and memory follow the
// surface of what is in the mask, not the volume.
type runSet struct {
	size  [3]int
	first []int32 // of each row, the index of its first run; one more at the end
	lo    []int32 // where a run starts along x
	hi    []int32 // where it ends, excluded
	up    []int32 // union-find; the root of a component is its first run
}

func findRuns(size [3]int, connectivity int, in func(i int) bool) *runSet {
	r := &runSet{size: size, first: make([]int32, 0, size[1]*size[2]+1)}
	for row := range size[1] * size[2] {
		r.first = append(r.first, int32(len(r.lo)))
		r.scan(row*size[0], in)
	}
	r.first = append(r.first, int32(len(r.lo)))
	for z := range size[2] {
		for y := range size[1] {
			r.joinRow(y, z, connectivity)
		}
	}
	return r
}

func (r *runSet) scan(base int, in func(i int) bool) {
	n := r.size[0]
	for x := 0; x < n; x++ {
		if !in(base + x) {
			continue
		}
		lo := x
		for x++; x < n && in(base+x); x++ {
		}
		r.up = append(r.up, int32(len(r.lo)))
		r.lo, r.hi = append(r.lo, int32(lo)), append(r.hi, int32(x))
	}
}

// joinRow joins a row's runs with those of the rows before it that it touches.
func (r *runSet) joinRow(y, z, connectivity int) {
	row := y + z*r.size[1]
	edge, corner := int32(0), int32(0) // how much farther along x voxels of rows that differ by one or two axes touch
	if connectivity >= 18 {
		edge = 1
	}
	if connectivity == 26 {
		corner = 1
	}
	if y > 0 {
		r.joinRows(row, row-1, edge)
	}
	if z == 0 {
		return
	}
	below := row - r.size[1]
	r.joinRows(row, below, edge)
	if connectivity == 6 {
		return
	}
	if y > 0 {
		r.joinRows(row, below-1, corner)
	}
	if y+1 < r.size[1] {
		r.joinRows(row, below+1, corner)
	}
}

func (r *runSet) joinRows(a, b int, reach int32) {
	i, iEnd, j, jEnd := r.first[a], r.first[a+1], r.first[b], r.first[b+1]
	for i < iEnd && j < jEnd {
		if r.lo[j] < r.hi[i]+reach && r.lo[i] < r.hi[j]+reach {
			r.join(i, j)
		}
		if r.hi[i] < r.hi[j] {
			i++
		} else {
			j++
		}
	}
}

func (r *runSet) root(i int32) int32 {
	for r.up[i] != i {
		r.up[i] = r.up[r.up[i]]
		i = r.up[i]
	}
	return i
}

func (r *runSet) join(i, j int32) {
	a, b := r.root(i), r.root(j)
	r.up[max(a, b)] = min(a, b)
}

// each calls f with the root and the voxels of every run.
func (r *runSet) each(f func(root int32, lo, hi int)) {
	for row := range len(r.first) - 1 {
		for k := r.first[row]; k < r.first[row+1]; k++ {
			f(r.root(k), row*r.size[0]+int(r.lo[k]), row*r.size[0]+int(r.hi[k]))
		}
	}
}

type component struct {
	root int32
	size int
}

// bySize returns the components, largest first, of equal ones the first first.
func (r *runSet) bySize() []component {
	sizes := make([]int, len(r.lo))
	r.each(func(root int32, lo, hi int) { sizes[root] += hi - lo })
	var list []component
	for root, size := range sizes {
		if size > 0 {
			list = append(list, component{int32(root), size})
		}
	}
	slices.SortStableFunc(list, func(a, b component) int { return cmp.Compare(b.size, a.size) })
	return list
}
