package predict

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/onnx"
)

// Predictor is a Spec and something that runs the model. It may be shared by goroutines as far as its
// Runner may.
type Predictor struct {
	spec   Spec
	models []*model
	close  func() error
	choice Choice
}

// New returns a Predictor. A Spec with faults is an error; a model whose inputs or outputs do not fit the
// Spec gives a [*MismatchError]. More models of the same Spec make an ensemble, whose results are
// averaged as the Spec's decode.ensemble says.
func New(spec Spec, run onnx.Runner, more ...onnx.Runner) (*Predictor, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	p := &Predictor{spec: spec}
	var errs []error
	for _, r := range append([]onnx.Runner{run}, more...) {
		m := &model{spec: &p.spec, run: r, channels: spec.outputs()}
		errs = append(errs, m.bindInput(), m.bindOutput())
		p.models = append(p.models, m)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

// Matches compares a Spec with the inputs and outputs of a model, without running it, and returns what [New]
// would: *[MismatchError] where they contradict each other.
func Matches(spec Spec, inputs, outputs []onnx.ValueInfo) error {
	_, err := New(spec, signature{inputs, outputs})
	return err
}

// signature is a model of which only inputs and outputs are known.
type signature struct{ inputs, outputs []onnx.ValueInfo }

func (s signature) Inputs() []onnx.ValueInfo  { return s.inputs }
func (s signature) Outputs() []onnx.ValueInfo { return s.outputs }
func (s signature) Run(context.Context, map[string]*onnx.Tensor) (map[string]*onnx.Tensor, error) {
	return nil, errors.New("predict: a model's inputs and outputs alone cannot run")
}

// Spec returns the Spec that the Predictor follows.
func (p *Predictor) Spec() Spec { return p.spec }

// Close releases what [Open] opened; a Predictor from New has nothing to release.
func (p *Predictor) Close() error {
	if p.close == nil {
		return nil
	}
	return p.close()
}

// Space says on whose grid a prediction is wanted.
type Space uint8

const (
	// Scan is the grid of the image that was given.
	Scan Space = iota
	// Model is the grid that the last step of prepare which moves, turns or scales voxels (orient, conform,
	// spacing, resize, zoom) leaves. Crops and pads after it are undone: what they cut away is background,
	// what they added is dropped.
	Model
)

// Request says what is wanted beside labels on the scan's own grid. The zero value wants nothing else.
type Request struct {
	Space         Space
	Probabilities bool // keep an image with a channel for each channel of the model's output
	Mirror        bool // average over the Spec's tile.mirror axes
	// Entropy asks for the entropy of the probabilities, Variance for how much mirrored copies and the models of an
	// ensemble differ: see [Prediction].
	Entropy, Variance bool
	// Memory bounds, in bytes, what the process holds at a time: where it would be more, the image is gone through in
	// bricks whose border windows run twice. 0: half of the memory that is free, at most 4 GB, as far as that
	// can be kept; a bound that is given and cannot be kept is a [*MemoryError].
	Memory int64
	// Threads share the work around the model; 0: GOMAXPROCS.
	Threads int
	// Plan is called before the first run of the model, and after it, when the model's time and memory are known.
	Plan func(Plan)
	// Progress is called after each run of the model, from the goroutine that predicts: done of total windows, each counted
	// for every mirrored copy and every model.
	Progress func(done, total int)
}

// Predict returns labels or an image on the image's own grid, or the classes or numbers of the whole image.
func (p *Predictor) Predict(ctx context.Context, im *imageio.Image) (*Prediction, error) {
	return p.PredictWith(ctx, im, Request{})
}

// PredictWith is Predict with wishes.
func (p *Predictor) PredictWith(ctx context.Context, im *imageio.Image, r Request) (*Prediction, error) {
	prepared, err := p.Prepare(im)
	if err != nil {
		return nil, err
	}
	return p.PredictPrepared(ctx, prepared, r)
}

// PredictPrepared predicts from an image that [Predictor.Prepare] made, so that a caller who predicts
// several times prepares once.
func (p *Predictor) PredictPrepared(ctx context.Context, in *Prepared, r Request) (*Prediction, error) {
	if r.Mirror && (p.spec.Tile == nil || len(p.spec.Tile.Mirror) == 0) {
		return nil, &MismatchError{What: "mirroring was asked for, but its tile.mirror names no axis"}
	}
	if err := checkPrepared(in.Image); err != nil {
		return nil, err
	}
	if p.spec.Task.spatial() {
		return p.predictVoxels(ctx, in, r)
	}
	s, err := p.imageScores(ctx, in.Image, r)
	if err != nil {
		return nil, err
	}
	if p.spec.Task == Regression {
		return p.regress(s)
	}
	return p.classify(s)
}

// Prepared is an image as the model sees it, and the way back.
type Prepared struct {
	Image *imageio.Image // after every step of the Spec's prepare
	Scan  *imageio.Image // as it was given; its Data may be nil
	Model imageio.Grid   // see [Model]
}

// Prepare applies the Spec's steps. Several images are the channels of one scan, on one grid: steps before
// concat_channels see each alone, the others all together. The last image is a label image where the Spec
// makes channels from one ([Input.Cascade]). Images that do not make up the channels that the model takes, or
// that have voxels that are no numbers, give an [*ImageError].
func (p *Predictor) Prepare(images ...*imageio.Image) (*Prepared, error) {
	return p.spec.Apply(images...)
}

// Apply is [Predictor.Prepare], for who has no model to run.
func (s *Spec) Apply(images ...*imageio.Image) (*Prepared, error) {
	images, stage, err := s.given(images)
	if err != nil {
		return nil, err
	}
	scan := *images[0]
	scan.Data = nil // only its place is needed on the way back
	out := &Prepared{Scan: &scan, Model: scan.Grid}
	moves := moves{first: scan.Grid, cascade: stage != nil}
	joined := slices.IndexFunc(s.Prepare, func(t transform.Transform) bool { _, ok := t.(transform.ConcatChannels); return ok })
	joined = max(joined, 0)
	apart := slices.Clone(images)
	for i := range apart {
		moves.steps = nil // those of the last image: in the end all lie on one grid
		if err := out.steps(&apart[i], s.Prepare[:joined], 0, &moves); err != nil {
			return nil, err
		}
	}
	if out.Image, err = transform.Concat(apart...); err != nil {
		return nil, err
	}
	if err := out.steps(&out.Image, s.Prepare[joined:], joined, &moves); err != nil {
		return nil, err
	}
	if want, got := s.Input.Images(), out.Image.Channels; want != got {
		return nil, &ImageError{What: fmt.Sprintf("model wants %s, image has %d", count(want, "channel"), got)}
	}
	if stage == nil {
		return out, nil
	}
	if out.Image, err = s.cascade(out.Image, stage, moves); err != nil {
		return nil, err
	}
	return out, nil
}

// given checks the images of a scan and splits off the label image of a cascade.
func (s *Spec) given(images []*imageio.Image) (scan []*imageio.Image, stage *imageio.Image, err error) {
	if len(images) == 0 {
		return nil, nil, &ImageError{What: "want an image, got none"}
	}
	for i, im := range images {
		if err := im.Validate(); err != nil {
			return nil, nil, err
		}
		which := "scan"
		if len(images) > 1 {
			which = fmt.Sprintf("image %d of the scan", i+1)
		}
		if err := checkNumbers(im, which); err != nil {
			return nil, nil, err
		}
	}
	if !s.Input.Cascade() {
		return images, nil, nil
	}
	last := len(images) - 1
	if last == 0 {
		return nil, nil, &ImageError{
			What: "model wants the label image of a previous stage beside the scan, got one image",
			Help: "give SCAN.nii.gz,PREVIOUS.nii.gz: what the cascade's first model said comes last",
		}
	}
	return images[:last], images[last], nil
}

// steps applies steps to an image in place of it and follows the model's grid.
func (out *Prepared) steps(im **imageio.Image, steps transform.Pipeline, first int, m *moves) error {
	for i, step := range steps {
		next, err := step.Apply(*im)
		if err != nil {
			return &ImageError{What: fmt.Sprintf("prepare[%d]: %v", first+i, err), Help: helpWith(step), Err: err}
		}
		if !shifted((*im).Grid, next.Grid) {
			out.Model = next.Grid
		}
		m.add(step, *im, next)
		*im = next
	}
	return nil
}

// helpWith says what to do about a scan that a step cannot work on.
func helpWith(step transform.Transform) string {
	switch step.(type) {
	case transform.CropForeground, transform.CropNonzero:
		return "look whether it is the right scan, in the units that the model wants: `nitrain info SCAN`"
	}
	return ""
}

// count returns "1 channel", "4 channels".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
