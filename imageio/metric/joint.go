package metric

import (
	"slices"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/tasks"
)

// joint is the joint histogram of two label images, and where their values lie: all that overlaps need,
// for any labels and regions.
type joint struct {
	prediction, truth *imageio.Image
	ignore            *float32
	pairs             map[[2]float32]int // voxels by (predicted, true) value
	boxes             map[float32]box    // of a value in either image
}

// box is a part of an image: from low to below high.
type box struct{ low, high [3]int }

func (b box) join(o box) box {
	for a := range 3 {
		b.low[a], b.high[a] = min(b.low[a], o.low[a]), max(b.high[a], o.high[a])
	}
	return b
}

// joinImages looks at two label images in one pass. Voxels whose truth is ignore do not count.
func joinImages(prediction, truth *imageio.Image, ignore *int) (*joint, error) {
	if err := oneGrid(prediction, truth); err != nil {
		return nil, err
	}
	j := &joint{prediction: prediction, truth: truth, pairs: map[[2]float32]int{}, boxes: map[float32]box{}}
	if ignore != nil {
		v := float32(*ignore)
		j.ignore = &v
	}
	depth := truth.Grid.Size[2]
	const slabs = 16
	parts := make([]joint, slabs)
	tasks.Run(0, slabs, func(k int) {
		parts[k] = joint{prediction: prediction, truth: truth, ignore: j.ignore, pairs: map[[2]float32]int{}, boxes: map[float32]box{}}
		parts[k].scan(k*depth/slabs, (k+1)*depth/slabs)
	})
	for _, p := range parts {
		for k, n := range p.pairs {
			j.pairs[k] += n
		}
		for v, b := range p.boxes {
			j.grow(v, b)
		}
	}
	return j, nil
}

// scan looks at the slices from first to below last, run by run of equal pairs.
func (j *joint) scan(first, last int) {
	size := j.truth.Grid.Size
	for z := first; z < last; z++ {
		for y := range size[1] {
			at := j.truth.Grid.Index(0, y, z)
			p, t := j.prediction.Data[at:at+size[0]], j.truth.Data[at:at+size[0]]
			start := 0
			for x := 1; x <= len(p); x++ {
				if x < len(p) && p[x] == p[start] && t[x] == t[start] {
					continue
				}
				j.run(p[start], t[start], box{[3]int{start, y, z}, [3]int{x, y + 1, z + 1}})
				start = x
			}
		}
	}
}

func (j *joint) run(p, t float32, b box) {
	if j.ignore != nil && t == *j.ignore {
		return
	}
	j.pairs[[2]float32{p, t}] += b.high[0] - b.low[0]
	if p != 0 {
		j.grow(p, b)
	}
	if t != 0 && t != p {
		j.grow(t, b)
	}
}

func (j *joint) grow(v float32, b box) {
	if old, ok := j.boxes[v]; ok {
		b = b.join(old)
	}
	j.boxes[v] = b
}

// labels returns the values other than 0.
func (j *joint) labels() []int {
	var out []int
	for v := range j.boxes {
		out = append(out, int(v))
	}
	slices.Sort(out)
	return out
}

func (j *joint) counts(r Region) Counts {
	in := r.values()
	var c Counts
	for k, n := range j.pairs {
		switch p, t := slices.Contains(in, k[0]), slices.Contains(in, k[1]); {
		case p && t:
			c.TruePositive += n
		case p:
			c.FalsePositive += n
		case t:
			c.FalseNegative += n
		default:
			c.TrueNegative += n
		}
	}
	return c
}

// box returns the smallest box that holds a region in either image; false where it is in neither.
func (j *joint) box(r Region) (box, bool) {
	var all box
	found := false
	for _, v := range r.values() {
		b, ok := j.boxes[v]
		switch {
		case !ok && v != 0:
			continue
		case v == 0: // background is not followed
			return box{high: j.truth.Grid.Size}, true
		case found:
			b = b.join(all)
		}
		all, found = b, true
	}
	return all, found
}
