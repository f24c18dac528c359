package finetune

import (
	"fmt"
	"math"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/onnx"
)

// initHead starts the layers that make an output anew.
func initHead(g *convert.Graph, m *onnx.Model, output string, how InitHead, seed uint64) error {
	if how == KeepHead {
		return nil
	}
	heads, err := onnx.Heads(m, output)
	if err != nil {
		return err
	}
	if len(heads) == 0 {
		return &hinted{fmt.Errorf("finetune: init-head: output %q has no layer with weights before it", output), "use --init-head keep"}
	}
	for i, h := range heads {
		weight := g.Param(h.Weight)
		if weight == nil {
			return &hinted{fmt.Errorf("finetune: init-head: %q of the last layer is no parameter", h.Weight), "use --init-head keep"}
		}
		// torch.nn's reset_parameters: kaiming_uniform with a = sqrt(5) is 1/sqrt(fan in), for the bias too
		bound := 0.0
		if how == KaimingHead {
			bound = 1 / math.Sqrt(float64(max(1, fanIn(h, weight.Shape))))
		}
		if err := fillUniform(g, weight, bound, seed, uint64(2*i)); err != nil {
			return err
		}
		if bias := g.Param(h.Bias); h.Bias != "" && bias != nil {
			if err := fillUniform(g, bias, bound, seed, uint64(2*i+1)); err != nil {
				return err
			}
		}
	}
	return nil
}

// beforeHead asks for dropout in front of the layers that make an output.
func beforeHead(m *onnx.Model, output string, share float64) (map[*onnx.Node]float64, error) {
	if share == 0 {
		return nil, nil
	}
	heads, err := onnx.Heads(m, output)
	if err != nil {
		return nil, err
	}
	if len(heads) == 0 {
		return nil, &hinted{fmt.Errorf("finetune: insert-dropout: output %q has no layer with weights before it", output), "leave --insert-dropout out"}
	}
	at := map[*onnx.Node]float64{}
	for _, h := range heads {
		at[h.Node] = share
	}
	return at, nil
}

// fillUniform gives a parameter values between -bound and bound.
func fillUniform(g *convert.Graph, p *convert.Param, bound float64, seed, index uint64) error {
	values := make([]float32, p.Len())
	if bound > 0 {
		rng := stream(seed, forHead, index)
		for i := range values {
			values[i] = float32(bound * (2*rng.Float64() - 1))
		}
	}
	return g.SetParam(p.Name, values)
}

// fanIn is PyTorch's fan in of a layer: the inputs of one unit, and for a transposed convolution its
// outputs times the kernel, as _calculate_fan_in_and_fan_out has it.
func fanIn(h onnx.Head, shape []int) int {
	n := 1
	for i, s := range shape {
		if h.Node.OpType == "ConvTranspose" && i == 0 || h.Node.OpType != "ConvTranspose" && i == h.WeightAxis {
			continue
		}
		n *= s
	}
	return n
}
