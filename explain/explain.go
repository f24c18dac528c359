// Package explain says which parts of a scan a model's answer rests on.
//
// A [Method] attributes a score to the voxels of the prepared image; a [Target] says which score: a class, the voxels
// of a label, one voxel, a region of an atlas. Whole volumes go through the model's own sliding window: the score of a
// volume is what the stitched output gives, so that its gradient is the exact gradient of the whole prediction.
// Gradient methods run a gradient model (see convert.Graph.GradientModel) in onnxruntime, which is made once for a
// model and a window and kept beside the model; perturbation methods need nothing but the model.
package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict"
)

// Options say how [Open] runs a model. The zero value follows the Spec inside the model.
type Options struct {
	// Spec is followed instead of the model's own.
	Spec *predict.Spec
	// Cache is the folder of gradient models, "" for MODEL.explain beside the model, or below nitrain's home where
	// that cannot be written.
	Cache string
	// Options are onnxruntime's.
	ort.Options
}

// Explainer is a model file with what explains it. It may be shared by goroutines.
type Explainer struct {
	path      string
	options   Options
	spec      predict.Spec
	session   *ort.Session
	predictor *predict.Predictor
	input     onnx.ValueInfo
	output    string
	gradients gradients
}

// Open opens a model, which the caller must close. A model without a Spec gives [predict.ErrNoSpec] unless the options
// have one; one that contradicts it a [*predict.MismatchError].
func Open(path string, o Options) (*Explainer, error) {
	e := &Explainer{path: path, options: o}
	if err := e.readSpec(); err != nil {
		return nil, err
	}
	if err := explainable(&e.spec); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var err error
	if e.session, err = ort.Open(path, o.Options); err != nil {
		return nil, err
	}
	if e.predictor, err = predict.New(e.spec, e.session); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), e.session.Close())
	}
	e.input, e.output = e.session.Inputs()[0], e.spec.Decode.Output
	if e.output == "" {
		e.output = e.session.Outputs()[0].Name
	}
	e.gradients.owner = e
	return e, nil
}

// explainable refuses a Spec that asks for more than explanations follow.
func explainable(s *predict.Spec) error {
	what := ""
	switch {
	case s.Task != predict.Segmentation && s.Task != predict.Classification:
		what = "the task " + string(s.Task)
	case s.Input.Stack > 1:
		what = "a stack of slices (input.stack)"
	case s.Tile != nil && s.Tile.SkipBelow != nil:
		what = "windows that are left out (tile.skip_below)"
	case s.Decode.Pick == predict.Threshold && slices.ContainsFunc(s.Labels, func(l predict.Label) bool { return l.Channel != nil }):
		what = "regions in an order of their own (labels.channel)"
	}
	if what == "" {
		return nil
	}
	return &predict.UnsupportedError{What: "explaining " + what}
}

func (e *Explainer) readSpec() error {
	if e.options.Spec != nil {
		e.spec = *e.options.Spec
		return nil
	}
	m, err := onnx.ReadFile(e.path)
	if err != nil {
		return err
	}
	e.spec, err = predict.ReadSpec(m)
	if err = errors.Join(err, m.Close()); err != nil {
		return fmt.Errorf("%s: %w", e.path, err)
	}
	return nil
}

// Spec returns the Spec that the Explainer follows.
func (e *Explainer) Spec() predict.Spec { return e.spec }

// Predictor returns the model's predictor.
func (e *Explainer) Predictor() *predict.Predictor { return e.predictor }

// Close releases the model and its gradient models.
func (e *Explainer) Close() error { return errors.Join(e.gradients.close(), e.session.Close()) }

// Method attributes a score to voxels. Its implementations here are [Saliency], [IntegratedGradients], [SmoothGrad],
// [GradCAM] and [Occlusion]; others can be built on what a [Problem] offers.
type Method interface {
	// Name is how the method is called on the command line.
	Name() string
	// Attribute returns the attribution of the problem's score on the grid of its image.
	Attribute(ctx context.Context, p *Problem) (*Attribution, error)
}

// Attribution is what a [Method] finds.
type Attribution struct {
	// Image has the grid of the prepared image and its channels, or one channel for all of them.
	Image *imageio.Image
	// Completeness compares the sum of the attributions with the rise of the score; nil where a method promises nothing.
	Completeness *Completeness
}

// Completeness says how well attributions add up to what they explain.
type Completeness struct {
	Sum   float64 `json:"sum"`   // of the attributions
	Rise  float64 `json:"rise"`  // of the score from the baseline to the image
	Error float64 `json:"error"` // the difference as a part of the rise
}

// Explanation is an attribution brought back to the scan.
type Explanation struct {
	Method string  `json:"method"`
	Target string  `json:"target"` // what was explained, in words
	Score  float64 `json:"score"`  // of the target
	// Image lies on the scan's own grid.
	Image *imageio.Image `json:"-"`
	// Prepared lies on the grid that the model saw.
	Prepared     *imageio.Image `json:"-"`
	Completeness *Completeness  `json:"completeness,omitempty"`
	Seconds      float64        `json:"seconds"`
}

// Explain explains one scan, whose channels may be given as several images on one grid. Progress, if not nil, is called
// after each run of a model.
func (e *Explainer) Explain(ctx context.Context, images []*imageio.Image, m Method, t Target, progress func(done, total int)) (*Explanation, error) {
	p, err := e.Problem(ctx, images, t)
	if err != nil {
		return nil, err
	}
	p.Progress = progress
	return p.Explain(ctx, m)
}

// Explain applies a method and brings its attribution back to the scan's own grid, linearly; voxels that the model did not
// see get 0.
func (p *Problem) Explain(ctx context.Context, m Method) (*Explanation, error) {
	start := time.Now()
	p.begin()
	a, err := m.Attribute(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("explain: %s: %w", m.Name(), err)
	}
	back, err := transform.Onto{Grid: p.Scan}.Apply(a.Image)
	if err != nil {
		return nil, err
	}
	back.Kind = imageio.Intensity
	score, err := p.Score(ctx, p.Image)
	if err != nil {
		return nil, err
	}
	return &Explanation{
		Method: m.Name(), Target: p.Words, Score: score, Image: back, Prepared: a.Image,
		Completeness: a.Completeness, Seconds: time.Since(start).Seconds(),
	}, nil
}

// ParseMethod returns the method of a name with default settings.
func ParseMethod(name string) (Method, error) {
	switch convert.GradientMethod(name) {
	case convert.Saliency:
		return Saliency{}, nil
	case convert.IntegratedGradients:
		return IntegratedGradients{}, nil
	case convert.GradCAM:
		return GradCAM{}, nil
	case "smoothgrad":
		return SmoothGrad{}, nil
	case "occlusion":
		return Occlusion{}, nil
	}
	return nil, fmt.Errorf("explain: method: want saliency, ig, smoothgrad, gradcam or occlusion, got %q", name)
}
