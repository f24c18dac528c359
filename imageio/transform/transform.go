// Package transform makes a new image from an image, deterministically, as values that are also JSON.
//
// A step such as [Orient] or [Spacing] is a small immutable struct; a [Pipeline] is a list of steps,
// read from and written to JSON as [{"op":"orient","axes":"RAS"}, ...]. The numbers of the steps are
// those of the programs that models were trained with: MONAI, nnU-Net, nibabel, FreeSurfer, brainchop.
//
// Label images go through spatial steps by nearest neighbour, and through intensity steps unchanged.
// [Onto] is the way back: it puts an image on another image's grid by one resample.
//
// Every value may be used by several goroutines at once; a step uses up to GOMAXPROCS goroutines itself.
package transform

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nitrain/nitrain/imageio"
)

// Transform makes an image from an image. It changes neither its argument nor itself;
// the result may be the argument when there is nothing to do.
type Transform interface {
	Apply(im *imageio.Image) (*imageio.Image, error)
}

// Pipeline is a list of steps, applied in turn.
type Pipeline []Transform

// Apply applies the steps in turn.
func (p Pipeline) Apply(im *imageio.Image) (*imageio.Image, error) {
	for i, t := range p {
		next, err := t.Apply(im)
		if err != nil {
			return nil, atStep(i+1, err)
		}
		im = next
	}
	return im, nil
}

// ApplyAll prepares several images of one scan session, one for each input channel or group of channels:
// the steps up to the first [ConcatChannels] are applied to each image alone, then the images are joined
// by [Concat] and the remaining steps are applied to the whole. Without that step the images are joined first.
func (p Pipeline) ApplyAll(images []*imageio.Image) (*imageio.Image, error) {
	at := max(slices.IndexFunc(p, func(t Transform) bool { _, ok := t.(ConcatChannels); return ok }), 0)
	apart := make([]*imageio.Image, len(images))
	for i, im := range images {
		var err error
		if apart[i], err = p[:at].Apply(im); err != nil {
			return nil, fmt.Errorf("image %d: %w", i+1, err)
		}
	}
	whole, err := Concat(apart...)
	if err != nil {
		return nil, err
	}
	return p[at:].Apply(whole)
}

// applyError is a step that an image made impossible.
type applyError struct {
	step int // counted from 1; 0 outside a Pipeline
	op   string
	err  error
}

func (e *applyError) Error() string {
	if e.step > 0 {
		return fmt.Sprintf("transform: step %d: %s: %v", e.step, e.op, e.err)
	}
	return fmt.Sprintf("transform: %s: %v", e.op, e.err)
}

// Unwrap returns the cause.
func (e *applyError) Unwrap() error { return e.err }

// atStep says which step of a Pipeline failed.
func atStep(n int, err error) error {
	var e *applyError
	if errors.As(err, &e) && e.step == 0 {
		return &applyError{n, e.op, e.err}
	}
	return fmt.Errorf("transform: step %d: %w", n, err)
}

// step is what every operation of this package is: the closed set that has a JSON form.
type step interface {
	Transform
	op() string   // name in JSON
	check() error // whether the fields are usable, whatever the image
	run(im *imageio.Image) (*imageio.Image, error)
}

// intensityStep marks the steps that leave label images alone.
type intensityStep interface{ leavesLabels() }

// apply is every step's Apply: it checks image and step, and names the step in errors.
func apply(s step, im *imageio.Image) (*imageio.Image, error) {
	if im == nil {
		return nil, &applyError{op: s.op(), err: errors.New("no image")}
	}
	if err := errors.Join(im.Validate(), s.check()); err != nil {
		return nil, &applyError{op: s.op(), err: err}
	}
	if _, ok := s.(intensityStep); ok && im.Kind == imageio.Label {
		return im, nil
	}
	out, err := s.run(im)
	if err != nil {
		return nil, &applyError{op: s.op(), err: err}
	}
	return out, nil
}

// maxSamples bounds what one step may allocate: 8 GiB of float32.
const maxSamples = 1 << 31

// newImage returns an image of zeros that keeps im's kind and source. stored says whether the samples will be
// some of im's own, unchanged; if not, they no longer are what the source file stored.
func newImage(im *imageio.Image, grid imageio.Grid, channels int, stored bool) (*imageio.Image, error) {
	if err := checkSize(grid.Size, channels); err != nil {
		return nil, err
	}
	out := imageio.New(grid, channels, im.Kind)
	out.Source = im.Source
	if im.Source != nil && !stored && im.Source.Stored != "float32" {
		src := *im.Source
		src.Stored = "float32"
		out.Source = &src
	}
	return out, nil
}

// checkSize refuses sizes below one and results above maxSamples before memory is taken.
func checkSize(size [3]int, channels int) error {
	n := channels
	for _, s := range size {
		if s < 1 {
			return fmt.Errorf("result of %v voxels: want at least 1 along every axis", size)
		}
		if s > maxSamples/n {
			return fmt.Errorf("result of %v voxels and %d channels: want at most %d samples", size, channels, maxSamples)
		}
		n *= s
	}
	return nil
}
