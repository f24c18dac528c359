package finetune

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/nitrain/nitrain/finetune/augment"
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// classesName is the batch's entry with the class of each voxel, beside the model's inputs.
const classesName = "nitrain.classes"

// batcher makes the batches of a run. Every batch is a function of the plan, the cases and its number alone.
type batcher struct {
	plan  *plan
	shelf *shelf
	input onnx.ValueInfo
	sides bool // the labels tell left from right
	class func(value float32) int32
}

func newBatcher(p *plan, s *shelf, input onnx.ValueInfo) *batcher {
	return &batcher{plan: p, shelf: s, input: input, sides: hasSides(p.spec.Labels), class: classOf(&p.spec)}
}

// classOf maps label values to channels of the output; a value that has none, as the background of a
// threshold, to -1. One channel alone has the classes 0 and 1.
func classOf(spec *predict.Spec) func(float32) int32 {
	index := map[float32]int32{}
	none := int32(-1)
	values := spec.ChannelValues()
	for c, v := range values {
		index[float32(v)] = int32(c)
	}
	if spec.Decode.Pick == predict.Threshold && len(values) == 1 {
		index[float32(values[0])] = 1
		none = 0
	}
	return func(v float32) int32 {
		if c, ok := index[v]; ok {
			return c
		}
		return none
	}
}

// sample is one element of a batch: a box of a scan, changed.
type sample struct {
	id           string
	image, label *imageio.Image
}

// sample draws a sample, counted over the whole run.
func (b *batcher) sample(number int) (*sample, error) {
	s, err := b.shelf.get(b.plan.caseOf(number))
	if err != nil {
		return nil, err
	}
	rng := stream(b.plan.Seed, forSample, uint64(number))
	out := &sample{s.id, s.prepared.Image, s.label}
	if !b.plan.Whole {
		box, err := b.plan.sampler().Draw(rng, s.label)
		if err != nil {
			return nil, fmt.Errorf("finetune: %s: %w", s.id, err)
		}
		if err := out.cut(box, b.edge()); err != nil {
			return nil, err
		}
	}
	if b.plan.Augment == AugmentNone {
		return out, nil
	}
	var mirror []int
	if !b.sides {
		mirror = []int{sideways(out.image.Grid)}
	}
	change := augment.Light(mirror...).Draw(rng)
	if out.image, err = change.Apply(out.image); err == nil {
		out.label, err = change.Apply(out.label)
	}
	if err != nil {
		return nil, fmt.Errorf("finetune: %s: %w", s.id, err)
	}
	return out, nil
}

// edge is what stands outside an image that is smaller than a patch: what stands there in serving.
func (b *batcher) edge() patch.Edge {
	if b.plan.spec.Tile != nil {
		return b.plan.spec.Tile.Pad
	}
	return patch.Constant
}

func (s *sample) cut(box patch.Box, edge patch.Edge) (err error) {
	if s.image, err = patch.Extract(s.image, box, edge, 0); err == nil {
		s.label, err = patch.Extract(s.label, box, patch.Constant, 0)
	}
	if err != nil {
		return fmt.Errorf("finetune: %s: %w", s.id, err)
	}
	return nil
}

// checkSizes prepares every case where whole images share a batch, and reports all whose size is another
// than the first one's.
func (b *batcher) checkSizes() error {
	if !b.plan.Whole || b.plan.Batch == 1 {
		return nil
	}
	var size [3]int
	var other []string
	for i := range b.plan.cases {
		s, err := b.shelf.get(i)
		if err != nil {
			return err
		}
		got := s.prepared.Image.Grid.Size
		if i == 0 {
			size = got
		}
		if got != size {
			other = append(other, fmt.Sprintf("%s %v", s.id, got))
		}
	}
	if other == nil {
		return nil
	}
	e := &ConfigError{}
	e.add("batch of whole images: want every image of %v voxels as %s, got %s", size, b.shelf.cases[0].ID, strings.Join(other, ", "))
	return &hinted{e, "use --batch 1, or make sizes equal with --pad or --patch"}
}

// load is the material of one step.
type load struct {
	batches []map[string]*onnx.Tensor
	cases   []string
	err     error
}

// step makes the batches of a step.
func (b *batcher) step(number int) load {
	var l load
	for i := range b.plan.Accumulate {
		samples := make([]*sample, b.plan.Batch)
		for j := range samples {
			s, err := b.sample((number*b.plan.Accumulate+i)*b.plan.Batch + j)
			if err != nil {
				return load{err: err}
			}
			samples[j] = s
			l.cases = append(l.cases, s.id)
		}
		batch, err := b.pack(samples)
		if err != nil {
			return load{err: err}
		}
		l.batches = append(l.batches, batch)
	}
	return l
}

// pack moves samples of one size into tensors.
func (b *batcher) pack(samples []*sample) (map[string]*onnx.Tensor, error) {
	first := samples[0]
	size, channels, n := first.image.Grid.Size, first.image.Channels, first.image.Grid.Len()
	layout := b.plan.spec.Input.Layout
	images := make([]float32, len(samples)*channels*n)
	classes := make([]byte, 4*len(samples)*n)
	values, line := make([]float32, n), make([]float32, n)
	for i, s := range samples {
		if s.image.Grid.Size != size {
			return nil, fmt.Errorf("finetune: one batch: %s has %v voxels, %s has %v", first.id, size, s.id, s.image.Grid.Size)
		}
		for c := range channels {
			layout.Pack(images[(i*channels+c)*n:][:n], s.image.Channel(c), size)
		}
		last, class := float32(0), b.class(0)
		for j, v := range s.label.Data {
			if v != last {
				last, class = v, b.class(v)
			}
			values[j] = float32(class)
		}
		layout.Pack(line, values, size)
		for j, v := range line {
			binary.LittleEndian.PutUint32(classes[4*(i*n+j):], uint32(int32(v)))
		}
	}
	spatial := layout.Shape(size)
	x, err := onnx.FromFloat32(append([]int{len(samples), channels}, spatial...), images)
	if err != nil {
		return nil, err
	}
	if x, _, err = x.Convert(b.input.DType); err != nil {
		return nil, err
	}
	y, err := onnx.NewTensor(onnx.Int32, append([]int{len(samples), 1}, spatial...), classes)
	if err != nil {
		return nil, err
	}
	return map[string]*onnx.Tensor{b.input.Name: x, classesName: y}, nil
}

// ahead makes the steps from one on, in order, each while the one before is computed. It ends when ctx does.
func (b *batcher) ahead(ctx context.Context, from, to int) <-chan load {
	out := make(chan load)
	go func() {
		defer close(out)
		for i := from; i < to; i++ {
			l := b.step(i)
			select {
			case out <- l:
			case <-ctx.Done():
				return
			}
			if l.err != nil {
				return
			}
		}
	}()
	return out
}
