package predict

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/internal/proc"
)

// stream is one prediction for every voxel of an image: windows run in their course, what they say gathers in cells,
// and final cells become voxels of the wanted grid at once.
type stream struct {
	p       *Predictor
	in      *Prepared
	r       Request
	axes    axes
	tiling  patch.Tiling // in the tensor's order, as all that follows
	size    [3]int
	window  [3]int
	course  *patch.Course
	divided []division
	flips   []uint // of the image's axes
	batch   int    // windows a run, at most
	least   int    // windows a run, at least
	base    int64  // bytes that the process held before

	plan               Plan
	done               int
	channels           int
	scores, variance   *patch.Frontier
	decoder, variances *decoder
}

func (p *Predictor) newStream(in *Prepared, r Request) (*stream, error) {
	s := &stream{p: p, in: in, r: r, axes: axesOf(p.spec.Input.Layout), flips: []uint{0}}
	s.size = s.axes.of(in.Image.Grid.Size)
	tile := p.spec.Tile
	if tile != nil {
		s.tiling = s.axes.tiling(tile.Tiling())
		if r.Mirror {
			s.flips = flipsOf(tile.Mirror)
		}
	}
	s.window = s.tiling.Window(s.size)
	if tile != nil {
		s.batch = p.together(max(tile.Batch, 1), s.window)
	}
	if axis, flat := p.spec.Input.Layout.Missing(); flat && s.window[2] != 1 {
		return nil, p.models[0].checkSize(in.Image.Grid.Size) // says what is wrong; slices along axis
	} else if flat && tile == nil && in.Image.Grid.Size[axis] != 1 {
		return nil, p.models[0].checkSize(in.Image.Grid.Size)
	}
	var err error
	if s.course, err = s.tiling.Course(s.size); err != nil {
		return nil, err
	}
	if s.course.Windows() == 1 { // w·v/w is not v to the last bit
		s.tiling.Blend = patch.Uniform
	}
	for i, m := range p.models { // a fixed batch is filled up, so it may as well be used
		n := m.batchOf(max(s.batch, 1))
		if i == 0 || n < s.batch {
			s.batch = n
		}
	}
	s.least = 1
	for _, m := range p.models {
		s.least = max(s.least, min(m.batchOf(1), s.batch))
	}
	s.base = proc.Resident()
	return s, nil
}

// predictVoxels says something about every voxel.
func (p *Predictor) predictVoxels(ctx context.Context, in *Prepared, r Request) (*Prediction, error) {
	s, err := p.newStream(in, r)
	if err != nil {
		return nil, err
	}
	if err := s.run(ctx); err != nil {
		if errors.Is(err, errNaN) {
			err = p.notANumber()
		}
		return nil, err
	}
	return s.finish()
}

// wanted returns the grid of the result.
func (s *stream) wanted() imageio.Grid {
	if s.r.Space == Model {
		return s.in.Model
	}
	return s.in.Scan.Grid
}

// parts returns how many sums are kept apart: the mean of probabilities needs each model's own.
func (s *stream) parts() int {
	if s.merged() {
		return len(s.p.models)
	}
	return 1
}

// merged reports whether the probabilities of several models are averaged, not their raw output.
func (s *stream) merged() bool {
	d := s.p.spec.Decode
	return len(s.p.models) > 1 && d.Ensemble != "logits" && (d.Activation == Softmax || d.Activation == Sigmoid)
}

// expectedChannels returns the number of channels of the output, as far as it can be known before the first run.
func (s *stream) expectedChannels() int {
	if s.channels > 0 {
		return s.channels
	}
	m := s.p.models[0]
	for _, o := range m.run.Outputs() {
		if o.Name == m.output && len(o.Shape) > 1 && o.Shape[1] > 0 {
			return o.Shape[1]
		}
	}
	return max(m.channels, 1)
}

// largeVolume is how many bytes of values make it worth to give freed memory back before it is measured.
const largeVolume = 256 << 20

// run goes through all windows.
func (s *stream) run(ctx context.Context) error {
	if s.expectedChannels()*s.size[0]*s.size[1]*s.size[2]*4 > largeVolume {
		runtime.GC()
		s.base = proc.Resident()
	}
	var err error
	if s.plan, err = s.newPlan(0); err != nil {
		return err
	}
	s.report()
	if err := s.bricks(ctx); !errors.Is(err, errAgain) {
		return err
	}
	return s.bricks(ctx) // the model takes more memory than nothing: other bricks
}

// errAgain says that the first run has changed the plan.
var errAgain = errors.New("predict: another plan")

func (s *stream) report() {
	if s.r.Plan != nil {
		s.r.Plan(s.plan)
	}
}

func (s *stream) bricks(ctx context.Context) error {
	for _, b := range s.plan.bricks {
		var waiting []patch.Step
		var skip []bool
		ready := 0
		for _, step := range s.course.Steps(b) {
			skipped, err := s.skips(step)
			if err != nil {
				return err
			}
			waiting, skip = append(waiting, step), append(skip, skipped)
			if !skipped {
				ready++
			}
			if ready < s.plan.Batch {
				continue
			}
			if err := s.flush(ctx, b, waiting, skip); err != nil {
				return err
			}
			waiting, skip, ready = waiting[:0], skip[:0], 0
		}
		if err := s.flush(ctx, b, waiting, skip); err != nil {
			return err
		}
	}
	return nil
}

// skips reports whether nothing in a window is above the Spec's tile.skip_below.
func (s *stream) skips(step patch.Step) (bool, error) {
	if s.p.spec.Tile == nil || s.p.spec.Tile.SkipBelow == nil {
		return false, nil
	}
	window, err := s.p.models[0].cut(s.in.Image, s.axes.box(step.Box), 0)
	if err != nil {
		return false, err
	}
	limit := float32(*s.p.spec.Tile.SkipBelow)
	for _, v := range window.Data {
		if !(v <= limit) {
			return false, nil
		}
	}
	return true, nil
}

// flush runs the windows that wait, but for those that are skipped, and finishes all of them in order.
func (s *stream) flush(ctx context.Context, b patch.Brick, waiting []patch.Step, skip []bool) error {
	var steps []patch.Step
	for i, step := range waiting {
		if !skip[i] {
			steps = append(steps, step)
		}
	}
	if err := s.windows(ctx, b, steps); err != nil {
		return err
	}
	if s.scores == nil && len(waiting) > 0 { // nothing but background so far
		if err := s.begin(s.expectedChannels()); err != nil {
			return err
		}
	}
	for i, step := range waiting {
		if skip[i] {
			s.scores.Skip(step)
			if s.variance != nil {
				s.variance.Skip(step)
			}
			s.progress(len(s.flips) * len(s.p.models))
		}
		if err := s.scores.Finish(step, b, s.decoder.cell); err != nil {
			return err
		}
		if s.variance == nil {
			continue
		}
		if err := s.variance.Finish(step, b, s.variances.cell); err != nil {
			return err
		}
	}
	return nil
}

// progress counts windows that were run.
func (s *stream) progress(n int) {
	s.done += n
	if s.r.Progress != nil && n > 0 {
		s.r.Progress(s.done, s.plan.Runs)
	}
}

// windows runs every model over windows, straight and mirrored, and adds up what they say.
func (s *stream) windows(ctx context.Context, b patch.Brick, steps []patch.Step) error {
	if len(steps) == 0 {
		return nil
	}
	var spread *spread
	if s.r.Variance {
		spread = newSpread(len(steps))
	}
	for i, m := range s.p.models {
		for _, flip := range s.flips {
			v, err := s.execute(ctx, m, steps, flip)
			if err != nil {
				return err
			}
			part := 0
			if s.merged() {
				part = i
			}
			n := steps[0].Box.Len() * s.channels
			for k, step := range steps {
				said := v[k*n : (k+1)*n]
				if err := s.scores.Add(step, b, part, said, s.axes.flip(flip)); err != nil {
					return err
				}
				if spread != nil {
					spread.add(k, said, s.channels, s.window, s.axes.flip(flip), s.p.spec.Decode.Activation)
				}
			}
			s.progress(len(steps))
			collect(4 * len(v))
		}
	}
	if spread == nil {
		return nil
	}
	for k, step := range steps {
		if err := s.variance.Add(step, b, 0, spread.variance(k), 0); err != nil {
			return err
		}
	}
	return nil
}

// collect has a large output collected that is not needed any more, so that it does not lie beside the next.
func collect(bytes int) {
	if bytes >= 64<<20 {
		runtime.GC()
	}
}

// execute runs one model over windows and returns what it says, in the tensor's order.
func (s *stream) execute(ctx context.Context, m *model, steps []patch.Step, flip uint) ([]float32, error) {
	first := s.scores == nil
	before := proc.Resident()
	start := time.Now()
	images := make([]*imageio.Image, len(steps))
	for i, step := range steps {
		var err error
		if images[i], err = m.cut(s.in.Image, s.axes.box(step.Box), flip); err != nil {
			return nil, err
		}
	}
	size := s.axes.box(steps[0].Box).Size
	out, err := m.execute(ctx, images, size)
	if err != nil {
		return nil, err
	}
	v, channels, err := m.outputScores(out, m.batchOf(len(steps)), size)
	if err != nil {
		return nil, err
	}
	if !first {
		if channels != s.channels {
			return nil, &MismatchError{What: fmt.Sprintf("output %q has %d channels after %d in another run", m.output, channels, s.channels)}
		}
		return v, nil
	}
	if err := s.measured(channels, before, 4*int64(len(v)), time.Since(start).Seconds()/float64(len(steps))); err != nil {
		return nil, err
	}
	return v, s.begin(channels)
}

// measured looks at the memory and the time that the first run took, and makes another plan if this one does not hold.
func (s *stream) measured(channels int, before, bytes int64, seconds float64) error {
	now, most := proc.Resident(), proc.Peak()
	known := s.channels > 0
	s.channels = channels
	if known { // this is the second beginning
		return nil
	}
	s.plan.Seconds = seconds * float64(s.plan.Runs)
	if now == 0 {
		s.report()
		return nil
	}
	model := max(now-before-bytes, 0)
	if most > now+bytes/2 && most-before < 2*(now-before) {
		model = max(model, most-before-2*bytes)
	}
	old := s.plan
	again, err := s.newPlan(model)
	if err != nil {
		return err
	}
	s.plan = again
	s.plan.Seconds = seconds * float64(s.plan.Runs)
	s.report()
	if again.Bricks != old.Bricks || again.Batch != old.Batch || again.Again != old.Again {
		return errAgain
	}
	return nil
}

// begin makes what gathers scores, once the number of channels is known.
func (s *stream) begin(channels int) error {
	s.channels = channels
	o := patch.FrontierOptions{
		Tiling: s.tiling, Image: s.size, Channels: channels, Threads: s.r.Threads,
		Parts: s.parts(), Copies: len(s.flips) * len(s.p.models) / s.parts(),
	}
	var err error
	if o.Empty, err = s.empty(channels); err != nil {
		return err
	}
	if s.merged() {
		o.Merge = func(c *patch.Cell) { mergeProbabilities(c, channels, s.p.spec.Decode.Activation, s.r.Threads) }
	}
	if s.scores, err = patch.NewFrontier(s.course, o); err != nil {
		return err
	}
	if s.decoder, err = s.newDecoder(channels); err != nil {
		return err
	}
	if !s.r.Variance {
		return nil
	}
	o.Channels, o.Parts, o.Copies, o.Merge, o.Empty = 1, 1, 1, nil, nil
	if s.variance, err = patch.NewFrontier(s.course, o); err != nil {
		return err
	}
	s.variances = &decoder{
		spec: &s.p.spec, grid: s.wanted(), channels: 1, threads: s.r.Threads, before: None, after: None,
		value: s.decoder.value, all: imageio.New(s.wanted(), 1, imageio.Intensity),
	}
	return nil
}

// empty returns the raw output, or the probabilities, that say that a voxel is background.
func (s *stream) empty(channels int) ([]float32, error) {
	if s.p.spec.Tile == nil || s.p.spec.Tile.SkipBelow == nil {
		return nil, nil
	}
	yes, no := float32(15), float32(-15) // as probabilities 1 and 1e-13; not far from what models say
	if s.merged() || s.p.spec.Decode.Activation == None {
		yes, no = 1, 0
	}
	v := make([]float32, channels)
	background := false
	for c := range v {
		v[c] = no
	}
	for _, k := range s.p.spec.picks() {
		if k.value == 0 {
			v[k.channel], background = yes, true
		}
	}
	if s.p.spec.Decode.Pick == Argmax && !background {
		return nil, &MismatchError{What: "its tile.skip_below leaves windows out as background, and no label is background"}
	}
	return v, nil
}

// newDecoder returns what makes voxels of cells.
func (s *stream) newDecoder(channels int) (*decoder, error) {
	spec := &s.p.spec
	d := &decoder{spec: spec, grid: s.wanted(), channels: channels, picks: spec.picks(), threads: s.r.Threads, activation: spec.Decode.Activation}
	if s.merged() {
		d.activation = None
	}
	d.before, d.after = d.activation, None
	if spec.Decode.restore() == RestoreLogits {
		d.before, d.after = None, d.activation
	}
	from := s.axes.grid(s.in.Image.Grid)
	var err error
	if d.value, err = newWay(from, d.grid, false, s.apart(from, d.grid)); err != nil {
		return nil, err
	}
	if spec.Task == Segmentation {
		d.labels, d.pick = newCanvas(d.grid.Len(), len(d.picks)), d.value
		if spec.Decode.restore() == RestoreLabels || reindexed(from, d.grid) {
			if d.pick, err = newWay(from, d.grid, true, transform.NoAxis); err != nil {
				return nil, err
			}
		}
	}
	if spec.Task == ImageToImage || s.r.Probabilities {
		d.adjust = spec.Task == ImageToImage
		d.all = imageio.New(d.grid, channels, imageio.Intensity)
		s.outside(d)
	}
	if s.r.Entropy && spec.Task == Segmentation {
		d.entropy = imageio.New(d.grid, 1, imageio.Intensity)
	}
	return d, nil
}

// outside fills in what is where the model saw nothing: background is certain there, and an image's output is 0.
func (s *stream) outside(d *decoder) {
	if d.adjust {
		for c := range d.channels {
			if _, zero := s.p.spec.Decode.linear(c); zero != 0 {
				fillWith(d.all.Channel(c), float32(zero))
			}
		}
		return
	}
	for _, k := range d.picks {
		if k.value == 0 {
			fillWith(d.all.Channel(k.channel), 1)
		}
	}
}

func fillWith(s []float32, v float32) {
	for i := range s {
		s[i] = v
	}
}

// finish makes the prediction of what was gathered.
func (s *stream) finish() (*Prediction, error) {
	out := &Prediction{Spec: &s.p.spec}
	s.scores, s.variance = nil, nil // before more memory is taken
	collect(s.channels * s.size[0] * s.size[1] * s.size[2] * 4)
	if err := s.decoder.finish(out); err != nil {
		return nil, err
	}
	if s.decoder.adjust {
		out.Image = s.decoder.all
	} else {
		out.Probabilities = s.decoder.all
	}
	out.Entropy = s.decoder.entropy
	if s.variances != nil {
		out.Variance = s.variances.all
	}
	if s.r.Space == Scan && s.in.Scan.Source != nil {
		for _, im := range []*imageio.Image{out.Probabilities, out.Image, out.Entropy, out.Variance} {
			if im != nil {
				source := *s.in.Scan.Source
				source.Stored = "float32"
				im.Source = &source
			}
		}
		if out.Labels != nil {
			out.Labels.Source = s.in.Scan.Source
		}
	}
	return out, nil
}
