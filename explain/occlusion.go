package explain

import (
	"context"
	"fmt"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
)

// Occlusion is by how much the score falls when a box of the image is covered, averaged over the boxes that cover a
// voxel (Zeiler and Fergus 2013; boxes are laid as captum's Occlusion does).
type Occlusion struct {
	Window   [3]int  // voxels of the prepared image; 0: an eighth of the axis, at least 1
	Stride   [3]int  // 0: the window, so that every voxel is covered once
	Baseline float32 // what a covered voxel shows
}

// Name returns "occlusion".
func (Occlusion) Name() string { return "occlusion" }

// Attribute covers one box after the other. Only the model's windows that a box touches are run again.
func (m Occlusion) Attribute(ctx context.Context, p *Problem) (*Attribution, error) {
	boxes, err := m.boxes(p.Image.Grid.Size)
	if err != nil {
		return nil, err
	}
	o := &occluder{p: p, jobs: p.jobs(true), baseline: m.Baseline, falls: make([]float64, len(boxes))}
	p.expect(len(o.jobs))
	for _, b := range boxes {
		for _, j := range o.jobs {
			if meet(b, j.box) {
				p.expect(1)
			}
		}
	}
	if err := o.run(ctx, boxes); err != nil {
		return nil, err
	}
	out := p.image(1)
	sum, count := make([]float64, len(out.Data)), make([]float64, len(out.Data))
	for i, b := range boxes {
		eachInside(b, p.Image.Grid.Size, func(_, at int) {
			sum[at] += o.falls[i]
			count[at]++
		})
	}
	for i, n := range count {
		if n > 0 {
			out.Data[i] = float32(sum[i] / n)
		}
	}
	return &Attribution{Image: out}, nil
}

// boxes lays the boxes: from the first voxel in strides until one reaches the end; what is beyond is cut off.
func (m Occlusion) boxes(size [3]int) ([]patch.Box, error) {
	var count [3]int
	for a := range 3 {
		if m.Window[a] < 0 || m.Stride[a] < 0 {
			return nil, fmt.Errorf("want window and stride of 0 or more, got %v and %v", m.Window, m.Stride)
		}
		if m.Window[a] == 0 {
			m.Window[a] = max(size[a]/8, 1)
		}
		m.Window[a] = min(m.Window[a], size[a])
		if m.Stride[a] == 0 {
			m.Stride[a] = m.Window[a]
		}
		if m.Stride[a] > m.Window[a] {
			return nil, fmt.Errorf("want strides of at most the window %v, got %v", m.Window, m.Stride)
		}
		count[a] = (size[a]-m.Window[a]+m.Stride[a]-1)/m.Stride[a] + 1
	}
	var boxes []patch.Box
	for z := range count[2] {
		for y := range count[1] {
			for x := range count[0] {
				b := patch.Box{Start: [3]int{x * m.Stride[0], y * m.Stride[1], z * m.Stride[2]}, Size: m.Window}
				for a := range 3 {
					b.Size[a] = min(b.Size[a], size[a]-b.Start[a])
				}
				boxes = append(boxes, b)
			}
		}
	}
	return boxes, nil
}

// meet reports whether two boxes have a voxel in common.
func meet(a, b patch.Box) bool {
	for i := range 3 {
		if a.Start[i] >= b.Start[i]+b.Size[i] || b.Start[i] >= a.Start[i]+a.Size[i] {
			return false
		}
	}
	return true
}

// occluder runs covered windows in batches.
type occluder struct {
	p        *Problem
	jobs     []job
	baseline float32
	clear    []float64 // score of each job's window, uncovered
	falls    []float64 // by box
	waiting  []covered
}

// covered is a window of the model with a box covered.
type covered struct {
	image    *imageio.Image
	job, box int
}

func (o *occluder) run(ctx context.Context, boxes []patch.Box) error {
	o.clear = make([]float64, len(o.jobs))
	for i, j := range o.jobs {
		im, err := o.p.part(o.p.Image, j.window)
		if err != nil {
			return err
		}
		if err := o.add(ctx, covered{im, i, -1}); err != nil {
			return err
		}
	}
	if err := o.flush(ctx); err != nil {
		return err
	}
	for k, b := range boxes {
		hidden := o.cover(b)
		for i, j := range o.jobs {
			if !meet(b, j.box) {
				continue
			}
			im, err := o.p.part(hidden, j.window)
			if err == nil {
				err = o.add(ctx, covered{im, i, k})
			}
			if err != nil {
				return err
			}
		}
	}
	return o.flush(ctx)
}

// cover returns the image with a box covered.
func (o *occluder) cover(b patch.Box) *imageio.Image {
	im := *o.p.Image
	im.Data = append([]float32(nil), im.Data...)
	for c := range im.Channels {
		data := im.Channel(c)
		eachInside(b, im.Grid.Size, func(_, at int) { data[at] = o.baseline })
	}
	return &im
}

func (o *occluder) add(ctx context.Context, c covered) error {
	o.waiting = append(o.waiting, c)
	if len(o.waiting) < o.p.explainer.batch(o.p) {
		return nil
	}
	return o.flush(ctx)
}

// flush runs what is waiting.
func (o *occluder) flush(ctx context.Context) error {
	if len(o.waiting) == 0 {
		return nil
	}
	images := make([]*imageio.Image, len(o.waiting))
	for i, c := range o.waiting {
		images[i] = c.image
	}
	out, err := o.p.explainer.infer(ctx, o.p, images)
	if err != nil {
		return err
	}
	for i, c := range o.waiting {
		score := inner(out[i], o.p.weights(o.jobs[c.job]))
		if c.box < 0 {
			o.clear[c.job] = score
		} else {
			o.falls[c.box] += o.clear[c.job] - score
		}
	}
	o.p.ran(len(o.waiting))
	o.waiting = o.waiting[:0]
	return nil
}
