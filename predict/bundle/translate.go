package bundle

import (
	"slices"
	"strings"

	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// translator turns a configuration into a Spec and collects what it cannot.
type translator struct {
	report
	b       *Bundle
	r       *resolver
	dims    int // of the images: 2 or 3
	streams map[string]*stream
	order   []string // keys in the order in which they came up
	post    decoding
	slices  int // the axis over which a 2-D model goes, or -1
	spec    predict.Spec
}

// Fit tells the bundle what its model looks like, which decides where the metadata is silent or wrong: numbers of
// axes and channels. Call it before [Bundle.Spec].
func (b *Bundle) Fit(inputs, outputs []onnx.ValueInfo) {
	b.inputs, b.outputs = inputs, outputs
}

// Spec translates the bundle's preprocessing, inferer and postprocessing. The notes say where the Spec does on purpose
// something else than MONAI would, and what was not known. What cannot be translated gives an [*UntranslatableError]
// that lists all of it.
func (b *Bundle) Spec() (predict.Spec, []string, error) {
	t := &translator{b: b, r: b.config, streams: map[string]*stream{}, slices: -1}
	t.notes = slices.Clone(b.notes)
	w := t.workflow()
	t.dims = t.imageDims(w.inferer)
	t.spec = predict.Spec{Version: predict.Version}
	t.prepare(w.preprocessing)
	t.post.stage = rawStage
	t.postprocess(w.postprocessing, w.preprocessing)
	t.infer(w.inferer)
	t.finish()
	if len(t.items) > 0 {
		return predict.Spec{}, t.notes, &UntranslatableError{Bundle: b.Name, Items: t.items}
	}
	if err := t.spec.Validate(); err != nil {
		t.refuse("the Spec", "as a whole", "%v", err)
		return predict.Spec{}, t.notes, &UntranslatableError{Bundle: b.Name, Items: t.items}
	}
	return t.spec, t.notes, nil
}

// workflow is what an inference configuration is made of.
type workflow struct {
	preprocessing, postprocessing any
	inferer                       any
}

// workflow finds the parts: what the evaluator is given, or the sections by their conventional names.
func (t *translator) workflow() workflow {
	w := workflow{t.section("preprocessing"), t.section("postprocessing"), t.section("inferer")}
	if d, ok := t.section("dataset").(*Component); ok {
		t.dataset(d)
		if v, ok := d.Args.get("transform"); ok {
			w.preprocessing = v
		}
	}
	e, ok := t.section("evaluator").(*Component)
	if !ok {
		if w.inferer == nil {
			t.refuse("inferer", "inferer", "there is neither an inferer nor an evaluator")
		}
		return w
	}
	t.evaluator(e)
	if v, ok := e.Args.get("inferer"); ok {
		w.inferer = v
	}
	if v, ok := e.Args.get("postprocessing"); ok {
		w.postprocessing = v
	}
	return w
}

// section returns the value at an id, nil where there is none.
func (t *translator) section(id string) any {
	if _, err := lookUp(t.r.root, id); err != nil {
		return nil
	}
	return t.r.value(id)
}

// dataset refuses datasets that do more than to apply the preprocessing to each item.
func (t *translator) dataset(c *Component) {
	plain := among("Dataset", "CacheDataset", "PersistentDataset", "CacheNTransDataset", "LMDBDataset", "SmartCacheDataset", "GDSDataset")
	if name, _ := className(c.Target, plain); name == "" {
		t.refuse(c.Target, c.ID, "a dataset that does more than to apply the preprocessing to one image after the other")
	}
}

// evaluator refuses evaluators that do more than preprocessing, network, inferer and postprocessing.
func (t *translator) evaluator(c *Component) {
	if name, _ := className(c.Target, among("SupervisedEvaluator")); name == "" {
		t.refuse(c.Target, c.ID, "an evaluator that does something of its own: %s", foreign(c.Target))
		return
	}
	if why := componentFault(c); why != "" {
		t.refuse(c.Target, c.ID, "%s", why)
	}
	a := t.newArgs(c, c.Target)
	a.understood("device", "val_data_loader", "network", "inferer", "postprocessing", "val_handlers", "amp", "key_val_metric",
		"additional_metrics", "epoch_length", "decollate", "non_blocking", "metric_cmp_fn", "to_kwargs", "amp_kwargs", "compile", "compile_kwargs")
	a.only("mode", "a network in training mode", "eval", "EVAL")
	a.done()
	if list, ok := c.Args.values["val_handlers"].([]any); ok {
		t.handlers(list)
	}
}

// handlers refuses handlers that may change the result or make another one.
func (t *translator) handlers(list []any) {
	harmless := among("CheckpointLoader", "StatsHandler", "ClassificationSaver", "TensorBoardStatsHandler", "TensorBoardImageHandler",
		"TensorBoardHandler", "MetricsSaver", "ValidationHandler", "MetricLogger", "IterationMetric", "MeanDice", "ConfusionMatrix", "HausdorffDistance",
		"SurfaceDistance", "ROCAUC", "MLFlowHandler", "CheckpointSaver", "GarbageCollector", "LogfileHandler", "EarlyStopHandler", "ProbMapProducer")
	for _, v := range list {
		c, ok := v.(*Component)
		if !ok {
			continue
		}
		name, _ := className(c.Target, harmless)
		switch name {
		case "":
			t.refuse(c.Target, c.ID, "a handler that may change or make the result: %s", foreign(c.Target))
		case "ProbMapProducer":
			t.refuse(c.Target, c.ID, "puts the results of patches together to a map of a whole slide")
		}
	}
}

// imageDims returns how many axes the images have: what the model, the metadata or the network say.
func (t *translator) imageDims(inferer any) int {
	if c, ok := inferer.(*Component); ok {
		if name, _ := className(c.Target, inferers()); name == "SliceInferer" {
			return 3
		}
	}
	return t.modelDims(inferer)
}

// modelDims returns how many spatial axes the network's input has.
func (t *translator) modelDims(inferer any) int {
	if len(t.b.inputs) > 0 {
		if n := len(t.b.inputs[0].Shape) - 2; n == 2 || n == 3 {
			return n
		}
	}
	shape, _ := t.input().get("spatial_shape")
	if list, ok := shape.([]any); ok && (len(list) == 2 || len(list) == 3) {
		return len(list)
	}
	for _, key := range []string{"spatial_dims", "dimensions"} {
		if n, ok := t.network(key); ok && (n == 2 || n == 3) {
			return n
		}
	}
	if c, ok := inferer.(*Component); ok {
		if list, ok := c.Args.values["roi_size"].([]any); ok && len(list) == 2 {
			return 2
		}
	}
	return 3
}

// network returns a whole number among network_def's arguments.
func (t *translator) network(key string) (int, bool) {
	c, ok := t.section("network_def").(*Component)
	if !ok {
		return 0, false
	}
	n, ok := c.Args.values[key].(int64)
	return int(n), ok && n > 0 && n < 1<<16
}

// input returns what the metadata say about the network's input.
func (t *translator) input() *Object { return format(t.b.metadata, "inputs", "image") }

// output returns what the metadata say about the network's output.
func (t *translator) output() *Object { return format(t.b.metadata, "outputs", "pred") }

func format(meta *Object, side, name string) *Object {
	all := meta.object("network_data_format", side)
	if _, ok := all.values[name].(*Object); !ok && len(all.keys) > 0 {
		name = all.keys[0]
	}
	return all.object(name)
}

func (t *translator) newArgs(c *Component, item string) *args {
	return &args{report: &t.report, item: item, where: c.ID, args: c.Args, used: map[string]bool{}}
}

// finish fills in what is left of the Spec once all parts are read.
func (t *translator) finish() {
	t.spec.Task = t.task()
	if s := t.chosen(); s != nil {
		t.spec.Prepare = s.steps
		t.spec.Input.Layout = t.layout(s)
		t.spec.Input.Channels = t.inputChannels(s)
	}
	t.decode()
	t.spec.Provenance = &predict.Provenance{Source: t.source(), Licence: t.b.Licence}
	if t.spec.Prepare == nil {
		t.spec.Prepare = t.spec.Prepare[:0:0]
	}
}

func (t *translator) source() string {
	if t.b.Version == "" {
		return "MONAI bundle " + t.b.Name
	}
	return "MONAI bundle " + t.b.Name + " " + t.b.Version
}

// layout names the tensor's axes.
func (t *translator) layout(s *stream) patch.Layout {
	var b strings.Builder
	for i, axis := range s.axes {
		if i != t.slices {
			b.WriteByte("xyz"[axis])
		}
	}
	return patch.Layout(b.String())
}
