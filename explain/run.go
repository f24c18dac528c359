package explain

import (
	"context"
	"fmt"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// runVoxels bounds the voxels of all images of a run together, beyond one image.
const runVoxels = 1 << 18

// batch returns how many windows of a problem go into one run.
func (e *Explainer) batch(p *Problem) int {
	if n := e.fixed(); n > 0 {
		return n
	}
	return min(max(runVoxels/p.windows[0].box.Len(), 1), 16)
}

// fixed is the model's own batch, 0 where it is free.
func (e *Explainer) fixed() int {
	if len(e.input.Shape) > 0 && e.input.Shape[0] > 0 {
		return e.input.Shape[0]
	}
	return 0
}

// pack lays windows out as the model's input, filled up with zeros to a batch of n.
func (e *Explainer) pack(images []*imageio.Image, n int) (*onnx.Tensor, error) {
	layout, size, channels := e.spec.Input.Layout, images[0].Grid.Size, images[0].Channels
	if axis, flat := layout.Missing(); flat && size[axis] != 1 {
		return nil, &predict.ImageError{
			What: fmt.Sprintf("model wants a 2-D image, image has %d slices", size[axis]),
			Help: fmt.Sprintf("give the Spec a tile whose size is 1 along %c: the model then sees slice after slice", "xyz"[axis]),
		}
	}
	voxels := images[0].Grid.Len()
	data := make([]float32, n*channels*voxels)
	for i, im := range images {
		for c := range channels {
			layout.Pack(data[(i*channels+c)*voxels:][:voxels], im.Channel(c), size)
		}
	}
	return onnx.FromFloat32(append([]int{n, channels}, layout.Shape(size)...), data)
}

// outputs runs the model on windows of an image and returns its raw output for each: channel after channel, voxels
// with x fastest.
func (e *Explainer) outputs(ctx context.Context, p *Problem, im *imageio.Image, windows []window) ([][]float32, error) {
	images := make([]*imageio.Image, len(windows))
	for i, w := range windows {
		var err error
		if images[i], err = p.part(im, w); err != nil {
			return nil, err
		}
	}
	return e.infer(ctx, p, images)
}

// infer runs the model on images of a window's size.
func (e *Explainer) infer(ctx context.Context, p *Problem, images []*imageio.Image) ([][]float32, error) {
	n := max(len(images), e.fixed())
	in, err := e.pack(images, n)
	if err != nil {
		return nil, err
	}
	if in, _, err = in.Convert(e.input.DType); err != nil {
		return nil, err
	}
	got, err := e.session.Run(ctx, map[string]*onnx.Tensor{e.input.Name: in})
	if err != nil {
		return nil, err
	}
	return e.unpackOutput(p, got[e.output], len(images), n)
}

// unpackOutput checks an output's shape and brings each of the first images' part into the order of images.
func (e *Explainer) unpackOutput(p *Problem, t *onnx.Tensor, images, batch int) ([][]float32, error) {
	channels, size := len(p.values()), p.windows[0].box.Size
	want := batch * channels
	if e.spec.Task == predict.Segmentation {
		want *= p.windows[0].box.Len()
	}
	if t == nil || t.Len() != want || len(t.Shape()) < 2 || t.Shape()[1] != channels {
		var got []int
		if t != nil {
			got = t.Shape()
		}
		return nil, &predict.MismatchError{What: fmt.Sprintf("output %q has the shape %v: want %d images, %d channels and the voxels of the input", e.output, got, batch, channels)}
	}
	v, err := t.Float32()
	if err != nil {
		return nil, err
	}
	n := want / batch
	out := make([][]float32, images)
	for i := range out {
		out[i] = v[i*n : (i+1)*n]
		if e.spec.Task == predict.Segmentation {
			out[i] = unpack(e.spec.Input.Layout, out[i], size)
		}
	}
	return out, nil
}

// unpack brings blocks of voxels from a tensor's order into an image's.
func unpack(layout patch.Layout, v []float32, size [3]int) []float32 {
	n := size[0] * size[1] * size[2]
	out := make([]float32, len(v))
	for at := 0; at < len(v); at += n {
		layout.Unpack(out[at:at+n], v[at:at+n], size)
	}
	return out
}

// job is a window whose output counts; shared says that its voxels count only as far as the window does in the stitched
// output.
type job struct {
	window
	shared bool
}

// jobs are the windows whose output counts.
func (p *Problem) jobs(shared bool) []job {
	var out []job
	for _, w := range p.windows {
		if p.counts(w) {
			out = append(out, job{w, shared})
		}
	}
	return out
}

// counts reports whether any voxel of a window has a weight.
func (p *Problem) counts(w window) bool {
	if p.Spec().Task == predict.Classification {
		return true
	}
	found := false
	for _, weights := range p.channels {
		eachInside(w.box, p.Image.Grid.Size, func(_, at int) { found = found || weights[at] != 0 })
	}
	return found
}

// weights returns the weight of each element of the output for a window, channel after channel.
func (p *Problem) weights(j job) []float32 {
	channels := len(p.values())
	if p.Spec().Task == predict.Classification {
		out := make([]float32, channels)
		for c, v := range p.channels {
			out[c] = v[0]
		}
		return out
	}
	n := j.box.Len()
	out := make([]float32, channels*n)
	for c, weights := range p.channels {
		block := out[c*n : (c+1)*n]
		eachInside(j.box, p.Image.Grid.Size, func(in, at int) {
			block[in] = weights[at]
			if j.tile && j.shared && weights[at] != 0 {
				block[in] *= p.share(in, at)
			}
		})
	}
	return out
}

// inner is a sum of products in double precision.
func inner(a, b []float32) (sum float64) {
	for i, v := range a {
		if w := b[i]; w != 0 {
			sum += float64(v) * float64(w)
		}
	}
	return sum
}

// Score returns the target's score of an image on the prepared grid.
func (p *Problem) Score(ctx context.Context, im *imageio.Image) (float64, error) {
	jobs, sum := p.jobs(true), 0.0
	for at := 0; at < len(jobs); {
		part := jobs[at:min(at+p.explainer.batch(p), len(jobs))]
		windows := make([]window, len(part))
		for i, j := range part {
			windows[i] = j.window
		}
		out, err := p.explainer.outputs(ctx, p, im, windows)
		if err != nil {
			return 0, err
		}
		for i, j := range part {
			sum += inner(out[i], p.weights(j))
		}
		at += len(part)
	}
	return sum, nil
}

// Gradient returns the score of an image on the prepared grid and its derivative with respect to that image.
func (p *Problem) Gradient(ctx context.Context, im *imageio.Image) (float64, *imageio.Image, error) {
	sum := p.image(im.Channels)
	jobs, score := p.jobs(true), 0.0
	if p.total < p.done+len(jobs) {
		p.expect(len(jobs))
	}
	err := p.gradientRuns(ctx, im, jobs, convert.Saliency, convert.GradientOptions{}, func(j job, out, attribution []float32) error {
		score += inner(out, p.weights(j))
		g := imageio.New(imageio.Grid{Size: j.box.Size, Affine: p.Image.Grid.Affine}, im.Channels, imageio.Intensity)
		copy(g.Data, attribution)
		return patch.AddBack(sum, j.box, p.edge, g)
	})
	return score, sum, err
}

// gradientRuns runs a gradient model over jobs and yields the output and the attribution of each in image order.
func (p *Problem) gradientRuns(ctx context.Context, im *imageio.Image, jobs []job, method convert.GradientMethod, o convert.GradientOptions,
	yield func(j job, out, attribution []float32) error,
) error {
	e := p.explainer
	size := p.windows[0].box.Size
	session, err := e.gradients.get(method, o, append([]int{im.Channels}, e.spec.Input.Layout.Shape(size)...))
	if err != nil {
		return err
	}
	batch := min(max(runVoxels/p.windows[0].box.Len(), 1), 16)
	for at := 0; at < len(jobs); {
		part := jobs[at:min(at+batch, len(jobs))]
		out, attribution, err := p.gradientRun(ctx, session, im, part)
		if err != nil {
			return err
		}
		for i, j := range part {
			if err := yield(j, out[i], attribution[i]); err != nil {
				return err
			}
		}
		at += len(part)
		p.ran(len(part))
	}
	return nil
}

// gradientRun is one run of a gradient model.
func (p *Problem) gradientRun(ctx context.Context, session onnx.Runner, im *imageio.Image, jobs []job) (out, attribution [][]float32, err error) {
	e, layout, size := p.explainer, p.Spec().Input.Layout, p.windows[0].box.Size
	images := make([]*imageio.Image, len(jobs))
	for i, j := range jobs {
		if images[i], err = p.part(im, j.window); err != nil {
			return nil, nil, err
		}
	}
	x, err := e.pack(images, len(images))
	if err != nil {
		return nil, nil, err
	}
	w, err := p.packWeights(session, jobs)
	if err != nil {
		return nil, nil, err
	}
	got, err := session.Run(ctx, map[string]*onnx.Tensor{convert.GradientImage: x, convert.GradientWeight: w})
	if err != nil {
		return nil, nil, err
	}
	if out, err = e.unpackOutput(p, got[convert.GradientOutput], len(jobs), len(jobs)); err != nil {
		return nil, nil, err
	}
	a, err := got[convert.GradientAttribution].Float32()
	if err != nil {
		return nil, nil, err
	}
	n := len(a) / len(jobs)
	for i := range jobs {
		attribution = append(attribution, unpack(layout, a[i*n:(i+1)*n], size))
	}
	return out, attribution, nil
}

// packWeights lays the weights of jobs out as the gradient model's second input.
func (p *Problem) packWeights(session onnx.Runner, jobs []job) (*onnx.Tensor, error) {
	shape := append([]int{len(jobs)}, session.Inputs()[1].Shape[1:]...)
	layout, size := p.Spec().Input.Layout, p.windows[0].box.Size
	n := len(p.values())
	if p.Spec().Task == predict.Segmentation {
		n *= jobs[0].box.Len()
	}
	if want, err := onnx.Elements(shape[1:]); err != nil || want != n {
		return nil, &predict.MismatchError{What: fmt.Sprintf("output %q has the shape %v: want %d elements for each image", p.explainer.output, shape, n)}
	}
	data := make([]float32, n*len(jobs))
	for i, j := range jobs {
		weights := p.weights(j)
		if p.Spec().Task == predict.Classification {
			copy(data[i*n:], weights)
			continue
		}
		voxels := j.box.Len()
		for at := 0; at < n; at += voxels {
			layout.Pack(data[i*n+at:][:voxels], weights[at:at+voxels], size)
		}
	}
	return onnx.FromFloat32(shape, data)
}
