package finetune

import (
	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// tiny keeps logarithms of probabilities finite: far below what float32 probabilities resolve near 0.
const tiny = 1e-12

// lossOf connects a loss with a model: it finds the output and turns it into scores where the graph itself
// ends in a softmax or a sigmoid.
func lossOf(p *plan, m *onnx.Model) convert.Loss {
	sigmoid := p.spec.Decode.Activation == predict.Sigmoid || p.spec.Decode.Pick == predict.Threshold
	loss := newLoss(p.Loss, p.LossOptions, sigmoid)
	name := outputName(&p.spec, m)
	end := ending(&p.spec, m, name)
	return func(out, batch map[string]*graph.Node) (*graph.Node, map[string]*graph.Node) {
		return loss(scores(out[name], end), batch[classesName]), nil
	}
}

// outputName is the output that the Spec decodes.
func outputName(spec *predict.Spec, m *onnx.Model) string {
	if spec.Decode.Output != "" || len(m.Outputs()) == 0 {
		return spec.Decode.Output
	}
	return m.Outputs()[0].Name
}

// ending says what a model's output is: "" for scores, "softmax" or "sigmoid" for probabilities.
func ending(spec *predict.Spec, m *onnx.Model, output string) string {
	if spec.Decode.Activation != predict.None {
		return ""
	}
	n := m.Graph().Producer(output)
	for n != nil && n.OpType == "Identity" {
		n = m.Graph().Producer(n.Input(0))
	}
	switch {
	case n != nil && n.OpType == "Softmax":
		return "softmax"
	case n != nil && n.OpType == "Sigmoid", spec.Decode.Pick == predict.Threshold:
		return "sigmoid"
	}
	return ""
}

// scores undoes the activation at a model's end, so that losses see what stands before it: the logarithm
// of a softmax is a score of the same softmax, and log(p/(1-p)) is the inverse of a sigmoid.
func scores(y *graph.Node, end string) *graph.Node {
	log := func(x *graph.Node) *graph.Node { return graph.Log(graph.MaxScalar(x, tiny)) }
	switch end {
	case "softmax":
		return log(y)
	case "sigmoid":
		return graph.Sub(log(y), log(graph.OneMinus(y)))
	}
	return y
}
