package nnunet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/predict"
)

// Spec returns the Spec of the configuration, and notes about what a Spec does not say. What cannot be translated
// comes as one [UntranslatableError] that names all of it.
func (r *Recipe) Spec() (predict.Spec, []string, error) {
	b := builder{Recipe: r, notes: slices.Clone(r.notes)}
	spec := b.spec()
	if len(b.faults) > 0 {
		return predict.Spec{}, b.notes, &UntranslatableError{b.faults}
	}
	return spec, b.notes, spec.Validate()
}

// builder gathers what cannot be translated.
type builder struct {
	*Recipe
	notes, faults []string
}

func (b *builder) refuse(format string, args ...any) {
	b.faults = append(b.faults, fmt.Sprintf(format, args...))
}

func (b *builder) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

// stepSize is how far nnU-Net's windows lie apart, as a part of their size.
const stepSize = 0.5

func (b *builder) spec() predict.Spec {
	if b.conf.Preprocessor != "DefaultPreprocessor" {
		b.refuse("preprocessor_name %q: want DefaultPreprocessor", b.conf.Preprocessor)
	}
	if m := b.plan.LabelManager; m != "" && m != "LabelManager" {
		b.refuse("label_manager %q: want LabelManager", m)
	}
	layout := b.layout()
	spec := predict.Spec{
		Version: predict.Version, Task: predict.Segmentation,
		Input:   predict.Input{Layout: layout},
		Prepare: b.prepare(),
		Tile:    b.tile(),
		Decode:  b.decode(),
		Labels:  b.labels(),
	}
	for _, name := range b.data.channels {
		c := predict.Channel{Name: name}
		if strings.EqualFold(name, "CT") {
			c.Modality = "CT"
		}
		spec.Input.Channels = append(spec.Input.Channels, c)
	}
	spec.Input.Channels = append(spec.Input.Channels, b.cascade()...)
	spec.Provenance = &predict.Provenance{Source: b.source()}
	return spec
}

func (b *builder) source() string {
	return strings.Trim(strings.Join([]string{"nnU-Net", b.Dataset, b.Trainer, b.Plans, b.Configuration}, " "), " ")
}

// axes returns the image axes, x 0, of the three axes of a transposed array, whose first one a 2-D network walks
// along. Arrays are z, y, x with all of nnU-Net's readers.
func (b *builder) axes() (axes [3]int) {
	for i, a := range b.plan.Forward {
		axes[i] = 2 - a
	}
	return axes
}

// spatial returns the image axes of the network's spatial axes.
func (b *builder) spatial() []int {
	axes := b.axes()
	return axes[3-len(b.conf.Patch):]
}

func (b *builder) layout() patch.Layout {
	var s strings.Builder
	for _, a := range b.spatial() {
		s.WriteByte("xyz"[a])
	}
	return patch.Layout(s.String())
}

func (b *builder) tile() *predict.Tile {
	t := &predict.Tile{
		Size: [3]int{1, 1, 1}, Blend: patch.Gaussian, Sigma: 0.125, Rule: patch.NNUNet, Batch: 1,
	}
	for i, a := range b.spatial() {
		t.Size[a] = b.conf.Patch[i]
		t.Overlap[a] = 1 - stepSize
		if slices.Contains(b.Mirror, i) {
			t.Mirror = append(t.Mirror, a)
		}
	}
	if b.Mirror == nil {
		b.note("the mirroring axes are in the checkpoint and not in the plan: none are taken (--mirror 0,1,2 names them)")
	}
	return t
}

func (b *builder) decode() predict.Decode {
	d := predict.Decode{
		Activation: predict.Softmax, Pick: predict.Argmax, Restore: predict.RestoreLogits, Ensemble: "logits",
		RestoreRule: b.restoreRule(),
	}
	if b.data.regions() {
		d.Activation, d.Pick, d.Threshold = predict.Sigmoid, predict.Threshold, 0.5
	}
	return d
}

func (b *builder) labels() []predict.Label {
	if err := b.data.check(); err != nil {
		b.refuse("labels: %v", err)
		return nil
	}
	make := b.data.exclusive
	if b.data.regions() {
		make = b.data.overlapping
	}
	labels, err := make()
	if err != nil {
		b.refuse("labels: %v", err)
	}
	return labels
}

// cascade returns the channels that come from the previous stage's label image, one for each foreground value.
func (b *builder) cascade() []predict.Channel {
	if b.Previous == "" {
		return nil
	}
	if err := b.segmentation(); err != nil {
		b.refuse("resampling_fn_seg: %v", err)
	}
	var channels []predict.Channel
	for _, v := range b.data.values() {
		if v == 0 {
			continue
		}
		name := fmt.Sprintf("label %d", v)
		for _, l := range b.data.labels {
			if slices.Equal(l.values, []int{v}) {
				name = nonempty(l.name, v)
			}
		}
		channels = append(channels, predict.Channel{Name: "previous " + name, Value: new(v)})
	}
	b.note("the last image of a scan is the label image that the configuration %s predicted for it", b.Previous)
	return channels
}

// prepare returns the steps from the scan to the network's grid.
func (b *builder) prepare() transform.Pipeline {
	var p transform.Pipeline
	switch b.plan.Reader {
	case "SimpleITKIO", "NibabelIO", "NaturalImage2DIO":
	case "NibabelIOWithReorient", "SimpleITKIOWithReorient":
		p = append(p, transform.Orient{Axes: "RAS"})
	case "Tiff3DIO":
		b.note("spacings in a .json beside a TIFF are not read: its voxels count as 1 mm (a NIfTI file has its own)")
	default:
		b.refuse("image_reader_writer %q: want SimpleITKIO, NibabelIO, NibabelIOWithReorient, NaturalImage2DIO or Tiff3DIO", b.plan.Reader)
	}
	p = append(p, transform.CropNonzero{})
	p = append(p, b.normalization()...)
	step, err := b.spacing()
	if err != nil {
		b.refuse("resampling_fn_data: %v", err)
	}
	if step != nil {
		p = append(p, *step)
	}
	return p
}
