package bundle

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// task tells a segmentation from a classification: by the model's output, else by the metadata, else by what is saved.
func (t *translator) task() predict.Task {
	if len(t.b.outputs) > 0 && len(t.b.outputs[0].Shape) > 0 {
		if len(t.b.outputs[0].Shape) == 2 {
			return predict.Classification
		}
		return predict.Segmentation
	}
	out := t.output()
	if f := out.text("format"); f == "classes" || f == "classification" {
		return predict.Classification
	}
	if shape, ok := out.values["spatial_shape"].([]any); ok {
		n, known := t.outputChannels()
		last, whole := int64(-1), false
		if len(shape) > 0 {
			last, whole = shape[len(shape)-1].(int64)
		}
		scores := len(shape) == 2 && shape[0] == int64(1) && known && whole && last == int64(n)
		if len(shape) < 2 || scores {
			return predict.Classification
		}
		return predict.Segmentation
	}
	if t.post.saved.table {
		return predict.Classification
	}
	if c, ok := t.section("network_def").(*Component); ok && classifier(c.Target) {
		return predict.Classification
	}
	return predict.Segmentation
}

// classifier reports the networks whose output is a score for each class.
func classifier(target string) bool {
	name := target[strings.LastIndexByte(target, '.')+1:]
	for _, start := range []string{"DenseNet", "SENet", "SEResN", "ResNet", "EfficientNet", "TorchVisionFC", "Classifier", "ViT", "resnet", "MILModel"} {
		if strings.HasPrefix(name, start) {
			return true
		}
	}
	return false
}

// fixed returns a size of a tensor where it is not free.
func fixed(v onnx.ValueInfo, axis int) (int, bool) {
	if axis < len(v.Shape) && v.Shape[axis] > 0 && (axis >= len(v.Dims) || v.Dims[axis] == "") {
		return v.Shape[axis], true
	}
	return 0, false
}

// outputChannels returns how many channels the network's output has, as far as anything says so.
func (t *translator) outputChannels() (int, bool) {
	if len(t.b.outputs) > 0 {
		if n, ok := fixed(t.b.outputs[0], 1); ok {
			return n, true
		}
	}
	for _, key := range []string{"out_channels", "num_classes"} {
		if n, ok := t.network(key); ok {
			return n, true
		}
	}
	if n, ok := t.output().values["num_channels"].(int64); ok && n > 0 && n < 1<<16 {
		return int(n), true
	}
	if t.post.onehot > 0 {
		return t.post.onehot, true
	}
	if n := len(t.output().object("channel_def").keys); n > 0 {
		return n, true
	}
	return 0, false
}

// decode fills in how the output becomes labels.
func (t *translator) decode() {
	p := &t.post
	d := &t.spec.Decode
	d.Activation = p.activation
	if d.Activation == "" {
		d.Activation = predict.None
	}
	n, known := t.outputChannels()
	if !known {
		t.refuse("labels", "metadata", "how many channels the network's output has cannot be told: give the model, or num_channels in metadata.json")
		return
	}
	t.pickDefault(n)
	d.Pick = p.pick
	if p.pick == predict.Threshold {
		d.Threshold = t.limit()
	}
	if p.onehot > 0 && p.pick == predict.Argmax && p.onehot != n {
		t.refuse("AsDiscrete.to_onehot", "postprocessing", "%d classes, but the network has %d channels", p.onehot, n)
	}
	d.Restore = t.restore()
	d.Keep = p.keep
	t.spec.Labels = t.labels(n)
}

// pickDefault says what is picked where the bundle leaves scores.
func (t *translator) pickDefault(n int) {
	p := &t.post
	if p.pick != "" {
		return
	}
	p.pick = predict.Argmax
	if n == 1 || p.activation == predict.Sigmoid && t.spec.Task == predict.Segmentation {
		p.pick, p.threshold = predict.Threshold, 0.5
	}
	t.note("the bundle leaves scores; labels are picked by %s", p.pick)
}

// limit is the threshold in the Spec's terms: 0 stands for 0.5 there, and a score of 0 is a probability of 0.5.
func (t *translator) limit() float64 {
	p := &t.post
	switch {
	case p.threshold == 0.5:
		return 0
	case p.threshold != 0:
		return p.threshold
	case p.activation == "":
		t.spec.Decode.Activation = predict.Sigmoid
		return 0
	}
	t.refuse("AsDiscrete.threshold", "postprocessing", "0 holds for every probability")
	return 0
}

// restore says what goes back to the scan's grid.
func (t *translator) restore() predict.Restore {
	p := &t.post
	if t.spec.Task != predict.Segmentation {
		return ""
	}
	s := t.chosen()
	moved := s != nil && (s.sized || s.codes != "")
	switch {
	case p.inverted == neverStage && !moved:
		return ""
	case p.inverted == neverStage && p.saved.resample && !p.saved.linear:
		return predict.RestoreLabels
	case p.inverted == neverStage:
		t.note("the bundle leaves its result on the prepared image's grid; here it goes back to the scan's (prediction's --grid model keeps it)")
		return ""
	case p.inverted == pickedStage && !p.nearest && s != nil && s.sized:
		t.note("the bundle interpolates finished labels linearly, which makes values between them at borders; here the nearest label is taken")
		return predict.RestoreLabels
	case p.inverted == pickedStage:
		return predict.RestoreLabels
	case p.nearest:
		return predict.RestoreLabels // the label of the nearest voxel is that of its scores
	case p.inverted == rawStage && t.spec.Decode.Activation != predict.None:
		return predict.RestoreLogits
	}
	return predict.RestoreProbabilities
}

// labels names the channels of the output.
func (t *translator) labels(n int) []predict.Label {
	if n > 1<<16 {
		t.refuse("labels", "metadata", "%d channels are too many", n)
		return nil
	}
	names := t.names(n)
	p := &t.post
	switch {
	case p.marks != nil:
		return t.marked(n, names)
	case p.pick == predict.Threshold:
		return masks(n, names)
	}
	values := make([]predict.Label, n)
	for i := range values {
		values[i] = predict.Label{Value: t.mapped(i), Name: names[i]}
	}
	return values
}

// mapped returns the value that MapLabelValue gives a label.
func (t *translator) mapped(v int) int {
	if i := slices.Index(t.post.old, v); i >= 0 {
		return t.post.values[i]
	}
	return v
}

// marked gives channels the values of nested wheres. The first where wins, and in a Spec the later label does.
func (t *translator) marked(n int, names []string) []predict.Label {
	labels := []predict.Label{{Value: 0, Name: "background"}}
	seen := map[int]bool{}
	for _, m := range slices.Backward(t.post.marks) {
		if m.channel >= n || seen[m.channel] {
			t.refuse("Lambda", "postprocessing", "channel %d: the network has %d, each once", m.channel, n)
			return nil
		}
		seen[m.channel] = true
		channel := m.channel
		labels = append(labels, predict.Label{Value: m.value, Name: names[channel], Channel: &channel})
	}
	return labels
}

// masks gives the channels of masks the values from 1, or their own numbers where the first is the background.
func masks(n int, names []string) []predict.Label {
	labels := []predict.Label{{Value: 0, Name: "background"}}
	first := 0
	if n > 1 && strings.EqualFold(names[0], "background") {
		first = 1
	}
	for c := first; c < n; c++ {
		channel := c
		labels = append(labels, predict.Label{Value: c + 1 - first, Name: names[c], Channel: &channel})
	}
	if first == 0 {
		for i := range labels {
			labels[i].Channel = nil
		}
	}
	return labels
}

// names returns a name for each channel of the output.
func (t *translator) names(n int) []string {
	def := t.output().object("channel_def")
	names := make([]string, n)
	missing := 0
	for i := range names {
		name := strings.TrimSpace(def.text(strconv.Itoa(i)))
		if name == "" {
			missing++
			if name = fmt.Sprintf("label %d", i); i == 0 && n > 1 && t.post.pick == predict.Argmax && t.spec.Task == predict.Segmentation {
				name = "background"
			}
		}
		names[i] = name
	}
	if len(def.keys) > n || missing > 0 {
		t.note("metadata.json names %d channels of the output, of which there are %d", len(def.keys), n)
	}
	return names
}

// inputChannels names the channels of the input.
func (t *translator) inputChannels(s *stream) []predict.Channel {
	n, known := t.channels()
	if len(s.from) > 1 {
		n, known = len(s.from), true
	}
	if !known || n > 1<<10 {
		t.refuse("channels", "metadata", "how many channels the network's input has cannot be told: give the model, or num_channels in metadata.json")
		return nil
	}
	def := t.input().object("channel_def")
	out := make([]predict.Channel, n)
	for i := range out {
		name := strings.TrimSpace(def.text(strconv.Itoa(i)))
		switch {
		case len(s.from) > 1:
			name = s.from[i]
		case name == "" || n > 1 && len(def.keys) == 1:
			name = fmt.Sprintf("channel %d", i)
		}
		out[i] = predict.Channel{Name: name, Modality: modality(t.input().text("modality"))}
	}
	return out
}

// modality returns DICOM's code of a modality, where it is one.
func modality(s string) string {
	switch strings.ToUpper(strings.TrimSpace(s)) {
	case "MR", "MRI":
		return "MR"
	case "CT":
		return "CT"
	case "PT", "PET":
		return "PT"
	case "US", "ULTRASOUND":
		return "US"
	case "XR", "X-RAY", "XRAY", "DX":
		return "DX"
	case "MG", "MAMMOGRAM":
		return "MG"
	case "ES", "ENDOSCOPY":
		return "ES"
	case "SM":
		return "SM"
	}
	return ""
}
