package onnx_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
)

// TestDecomposed counts layers of networks whose sources say how many there are: SegResNet normalizes 15 times by groups,
// UNETR has 12 transformer layers, the ViTs 2, SwinUNETR 4 with attention. The torch.export-based exporter keeps Gelu whole.
func TestDecomposed(t *testing.T) {
	group, gelu := "15 GroupNormalizations are written as InstanceNormalizations of reshaped values", "12 Gelus are written with Erf or Tanh"
	for name, want := range map[string][]string{
		"monai_segresnet3d":        {group},
		"monai_segresnet3d_dynamo": {group},
		"monai_unetr3d":            {gelu, "12 attentions are written as product, Softmax, product"},
		"monai_vit3d":              {"2 Gelus are written with Erf or Tanh", "2 attentions are written as product, Softmax, product"},
		"monai_swinunetr2d_dynamo": {"4 attentions are written as product, Softmax, product"},
		"monai_unet2d":             nil,
	} {
		m, err := onnx.ReadFile(filepath.Join(shared.Dir(t, "models", name), "model.onnx"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, q := range onnx.Describe(m).Quirks {
			if q.Kind == "decomposed" {
				got = append(got, q.Text)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: want %q, got %q", name, want, got)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}
