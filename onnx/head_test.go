package onnx_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

// headsOf is what is expected of the exports: operator, stored weight, axis and classes of each head of the
// first output, and the task. Known from the source networks' code.
func headsOf() map[string]string {
	residual := "ConvTranspose model.2.0.conv.weight 1 2, Conv model.2.1.conv.unit0.conv.weight 0 2: segmentation"
	keras := "Conv functional_1/conv2d_10_1/convolution/ReadVariableOp:0 0 3: segmentation"
	return map[string]string{
		"box_constants": "Conv final_conv.weight 0 2: segmentation", "box_external_data": residual, "box_fp16": residual, "box_ir3": residual,
		"keras_classifier2d":  "MatMul functional_1/dense_2/Cast/ReadVariableOp:0 1 4: classification",
		"keras_export_unet2d": keras, "keras_unet2d": keras, "keras_unet2d_bn": keras,
		"keras_torch_unet2d":     "Conv onnx::Conv_1319 0 3: segmentation",
		"keras_unet3d":           "Conv functional_1/conv3d_10_1/convolution/ReadVariableOp:0 0 3: segmentation",
		"monai_ahnet2d":          "Conv final.conv.weight 0 2: segmentation",
		"monai_ahnet2d_train":    "ConvTranspose final.up.weight 1 2: segmentation",
		"monai_autoencoder2d":    "ConvTranspose decode.decode_1.conv.conv.weight 1 1, Conv decode.decode_1.resunit.conv.unit0.conv.weight 0 1: reconstruction",
		"monai_basicunet3d":      "Conv final_conv.weight 0 2: segmentation",
		"monai_densenet2d":       "Gemm class_layers.out.weight 0 3: classification",
		"monai_densenet3d_train": "Gemm class_layers.out.weight 0 3: classification",
		"monai_dynunet3d":        "Conv output_block.conv.conv.weight 0 3: segmentation",
		"monai_fullyconnected":   "Gemm output.weight 0 3: classification",
		"monai_resnet3d":         "Gemm fc.weight 0 3: classification",
		"monai_segresnet3d":      "Conv conv_final.2.conv.weight 0 2: segmentation",
		"monai_swinunetr2d":      "Conv out.conv.conv.weight 0 2: segmentation",
		"monai_unet2d":           residual,
		"monai_unetr3d":          "Conv out.conv.conv.weight 0 2: segmentation",
		"monai_vit3d":            "Gemm classification_head.0.weight 0 3: classification",
		"monai_vnet":             "Conv out_tr.conv2.weight 0 2: segmentation",
		"nnunet_plain3d_dynamo":  "Conv decoder.seg_layers.2.weight 0 3: segmentation",
		"timm_resnet_d_dynamo":   "Gemm fc.weight 0 3: classification",
		"trap_fresh_convbn":      "Conv c3.weight 0 2: segmentation",
		"trap_shared_prelu":      residual, "trap_transposed_linear": "MatMul onnx::MatMul_28 1 3: ",
		"trap_transposed_linear_dynamo": "MatMul val_5 1 3: ",
		"tv_convnext_train":             "Gemm classifier.2.weight 0 3: classification",
		"tv_mobilenet_v2":               "Gemm classifier.1.weight 0 3: classification",
		"tv_mobilenet_v3":               "Gemm classifier.3.weight 0 3: classification",
		"tv_r3d":                        "Gemm fc.weight 0 3: classification", "tv_resnet": "Gemm fc.weight 0 3: classification",
		"tv_vit":                      "Gemm heads.head.weight 0 3: classification",
		"zoo_convtranspose_group_dil": "Conv 1.weight 0 3: segmentation", "zoo_convtranspose_outpad": "ConvTranspose weight 1 3: segmentation",
		"zoo_layernorm_softmax": "MatMul onnx::MatMul_17 1 5: ", "zoo_pixelshuffle": "Conv 3.weight 0 3: segmentation",
	}
}

func TestHeadsOfModels(t *testing.T) {
	expect, seen := headsOf(), 0
	for _, path := range models(t) {
		name := filepath.Base(filepath.Dir(path))
		want, ok := longestPrefix(expect, name)
		if filepath.Base(path) != "model.onnx" || !ok {
			continue
		}
		seen++
		m, err := onnx.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		heads, err := onnx.Heads(m, m.Outputs()[0].Name)
		if err != nil {
			t.Fatal(err)
		}
		var parts []string
		for _, h := range heads {
			parts = append(parts, fmt.Sprintf("%s %s %d %d", h.Node.OpType, h.Weight, h.WeightAxis, h.Classes))
		}
		task := onnx.GuessTask(m)
		if got := strings.Join(parts, ", ") + ": " + task.Name; got != want {
			t.Errorf("%s:\nwant %s\n got %s", name, want, got)
		}
		if out := m.Outputs()[0].Shape; task.Channels > 0 && out[task.ChannelAxis] != task.Channels {
			t.Errorf("%s: output %v has no %d channels on axis %d", name, out, task.Channels, task.ChannelAxis)
		}
		m.Close()
	}
	if seen < 60 {
		t.Errorf("want at least 60 models, got %d", seen)
	}
}

func longestPrefix(m map[string]string, name string) (string, bool) {
	best, ok := "", false
	for k := range m {
		if strings.HasPrefix(name, k) && len(k) >= len(best) {
			best, ok = k, true
		}
	}
	return m[best], ok
}

func TestAliases(t *testing.T) {
	want := map[string]map[string]string{
		"tv_resnet_small":               {"onnx::Conv_123": "layer1.0.conv2.weight", "onnx::Conv_124": "layer1.0.conv2.bias", "fc.bias": "fc.bias"},
		"tv_resnet_small_dynamo":        {"layer1.0.conv1.weight_bias": "layer1.0.conv1.bias"},
		"trap_transposed_linear_dynamo": {"val_0": "l1.weight", "val_5": "l3.weight"},
		"trap_transposed_linear":        {"onnx::MatMul_28": "l3.weight"},
		"monai_unet2d":                  {"onnx::PRelu_110": "model.0.conv.unit0.adn.A.weight"},
		"monai_unet2d_dynamo":           {"val_9": "model.0.conv.unit0.adn.A.weight"},
	}
	for name, aliases := range want {
		m := model(t, name)
		seen := 0
		for _, p := range onnx.Params(m) {
			if a, ok := aliases[p.Name]; ok {
				seen++
				if p.Alias != a {
					t.Errorf("%s: %s: want %s, got %s", name, p.Name, a, p.Alias)
				}
			}
		}
		if seen != len(aliases) {
			t.Errorf("%s: want %d parameters, got %d", name, len(aliases), seen)
		}
	}
}

func TestTies(t *testing.T) {
	cases := map[string]map[string]onnx.Tie{
		"trap_fresh_convbn":        {"n1.weight": onnx.FalseTie, "n1.bias": onnx.FalseTie, "c1.weight": onnx.NoTie},
		"trap_shared_prelu_dynamo": {"model.2.0.conv.weight": onnx.NoTie},
	}
	for name, ties := range cases {
		for _, p := range onnx.Params(model(t, name)) {
			if want, ok := ties[p.Name]; ok && p.Tie != want {
				t.Errorf("%s: %s: want %q, got %q", name, p.Name, want, p.Tie)
			}
			if p.Role == onnx.PReluSlope && p.Trainable && p.Tie != onnx.FalseTie {
				t.Errorf("%s: %s: the shared slope is no true tie, got %q", name, p.Name, p.Tie)
			}
		}
	}
	if p := tied(t, []float32{1, 2}); p.Tie != onnx.TrueTie || len(p.Slots) != 2 {
		t.Errorf("a weight used twice: got %q with %d slots", p.Tie, len(p.Slots))
	}
	if p := tied(t, []float32{2, 2}); p.Tie != onnx.FalseTie {
		t.Errorf("equal values used twice: got %q", p.Tie)
	}
}

// tied returns the parameter of a model that uses one weight in two products.
func tied(t *testing.T, w []float32) onnx.Param {
	t.Helper()
	m := onnx.New(8, "g", onnx.Opset{Version: 17})
	m.Graph().Initializers = []*onnx.Initializer{{Name: "w", Tensor: must(onnx.FromFloat32([]int{1, 2}, w))}}
	m.Graph().Inputs = []onnx.ValueInfo{{Name: "x", DType: onnx.Float32, Shape: []int{1, 1}}}
	m.Graph().Nodes = []*onnx.Node{
		{OpType: "MatMul", Inputs: []string{"x", "w"}, Outputs: []string{"y"}},
		{OpType: "Identity", Inputs: []string{"w"}, Outputs: []string{"w2"}},
		{OpType: "MatMul", Inputs: []string{"x", "w2"}, Outputs: []string{"z"}},
	}
	return onnx.Params(m)[0]
}

// model reads one of the shared exports.
func model(t *testing.T, name string) *onnx.Model {
	t.Helper()
	for _, path := range models(t) {
		if filepath.Base(path) == "model.onnx" && filepath.Base(filepath.Dir(path)) == name {
			m, err := onnx.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { m.Close() })
			return m
		}
	}
	t.Skipf("no model %s in the shared folder", name)
	return nil
}
