package onnx_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

// TestTrainableIsTruth compares the default of what trains with the parameters that the source framework
// has, as the truth files tell: those with a gradient that carry the name of an initializer or a constant.
func TestTrainableIsTruth(t *testing.T) {
	for _, path := range models(t) {
		if filepath.Base(path) != "model.onnx" {
			continue
		}
		name := filepath.Base(filepath.Dir(path))
		m, err := onnx.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		truth, err := onnx.ReadFile(filepath.Join(filepath.Dir(path), "truth.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		for _, i := range truth.Graph().Initializers {
			for _, prefix := range []string{"gpar:", "gval:", "gtie:", "gsrc:"} {
				if n, ok := strings.CutPrefix(i.Name, prefix); ok {
					want[n] = true
				}
			}
		}
		var extra, missing []string
		for _, p := range onnx.Params(m) {
			if p.Trainable && !want[p.Name] {
				extra = append(extra, p.Name+" "+string(p.Role)+" "+p.Slots[0].Node.OpType)
			}
			if !p.Trainable && want[p.Name] {
				missing = append(missing, p.Name+" ("+string(p.Role)+": "+p.Reason+")")
			}
		}
		slices.Sort(extra)
		if why := merged(name); why != "" {
			t.Logf("%s: %d more train: %s", name, len(extra), why)
			extra = nil
		}
		if len(extra)+len(missing) > 0 {
			t.Errorf("%s:\n   trains, but is no parameter: %s\n   is a parameter, but does not train: %s", name,
				strings.Join(extra, ", "), strings.Join(missing, ", "))
		}
		m.Close()
		truth.Close()
	}
}

// merged says why a model trains tensors that the source framework does not have: the exporter merged
// parameters into them, and their values are as free as those of the source.
func merged(model string) string {
	switch {
	case strings.HasPrefix(model, "keras_"):
		return "BatchNormalization is folded into a scale and an offset, or into the convolution before it"
	case model == "monai_swinunetr2d_dynamo":
		return "the tables of relative positions are gathered into the arrays that are added"
	}
	return ""
}
