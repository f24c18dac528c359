package onnx

import (
	"fmt"
	"strings"
)

// Quirk is something that the exporter did to the model, and that matters when it is trained.
type Quirk struct {
	// Kind is a fixed word: "folded-norm", "decomposed", "identity-alias", "false-tie", "true-tie", "constant-weights",
	// "training-mode", "dropout", "inputs-with-defaults", "unsorted", "half-precision", "quantized",
	// "foreign-domain", "functions", "external-data", "anonymous-weights", "no-affine".
	Kind string `json:"kind"`
	// Count is how many nodes or tensors it is about.
	Count int `json:"count"`
	// Text says it in a sentence.
	Text string `json:"text"`
}

// exporter guesses which program wrote the model: "torchscript", "dynamo" (torch.export), "tf2onnx",
// "keras", else the producer's name.
func exporter(m *Model) string {
	switch {
	case m.ProducerName == "pytorch":
		for _, n := range m.graph.Nodes {
			for k := range n.Metadata {
				if strings.HasPrefix(k, "pkg.torch.") {
					return "dynamo"
				}
			}
		}
		if strings.Contains(m.ProducerVersion, "+") && len(m.graph.Nodes) > 0 && strings.HasPrefix(m.graph.Nodes[0].Name, "node_") {
			return "dynamo"
		}
		return "torchscript"
	case strings.HasPrefix(m.ProducerName, "tf2onnx"):
		return "tf2onnx"
	}
	return m.ProducerName
}

func quirks(m *Model, params []Param) []Quirk {
	q := &quirkList{list: []Quirk{}}
	w := newWiring(m.graph)
	q.norms(m, w, params)
	q.decomposed(w)
	q.ties(w, params)
	q.tensors(params)
	q.modes(m)
	q.container(m)
	return q.list
}

type quirkList struct{ list []Quirk }

func (q *quirkList) add(kind string, count int, text string) {
	if count > 0 {
		q.list = append(q.list, Quirk{kind, count, fmt.Sprintf(text, count)})
	}
}

func (q *quirkList) norms(m *Model, w *wiring, params []Param) {
	folded, affine := 0, 0
	for _, n := range m.graph.Nodes {
		switch n.OpType {
		case "Conv":
			if foldedNorm(n) && !w.normalizes(n) {
				folded++
			}
		case "Mul":
			if strings.Contains(n.Name, "/batchnorm/") {
				folded++
			}
		}
	}
	for _, p := range params {
		if strings.HasPrefix(p.Reason, "scale 1 and bias 0") {
			affine++
		}
	}
	q.add("folded-norm", folded, "%d BatchNormalizations were folded by the exporter: their statistics are fixed; use a lower learning rate, or export again in training mode without constant folding")
	q.add("no-affine", affine, "%d scales and biases belong to normalizations without parameters and stay frozen")
}

// foldedNorm reports whether the names of a Conv's weights say that a norm was folded in: TorchScript gives
// the product a number, the torch.export-based exporter a bias named after the weight.
func foldedNorm(n *Node) bool {
	weight, bias := n.Input(1), n.Input(2)
	return bias != "" && (strings.HasPrefix(weight, "onnx::Conv_") || strings.HasSuffix(bias, ".weight_bias") ||
		strings.Contains(bias, "/batchnorm/") || strings.Contains(bias, "batch_norm"))
}

// normalizes reports whether a normalization uses what n makes.
func (w *wiring) normalizes(n *Node) bool {
	for _, u := range w.uses[n.Output(0)] {
		if strings.HasSuffix(u.node.OpType, "Normalization") {
			return true
		}
	}
	return false
}

func (q *quirkList) ties(w *wiring, params []Param) {
	aliases, falseTies, trueTies := 0, 0, 0
	for _, n := range w.g.Nodes {
		if n.OpType == "Identity" && w.stored[n.Input(0)] != nil {
			aliases++
		}
	}
	for _, p := range params {
		switch {
		case p.Tie == FalseTie && p.Trainable:
			falseTies++
		case p.Tie == TrueTie && p.Trainable:
			trueTies++
		}
	}
	q.add("identity-alias", aliases, "%d weights are aliases of equal ones through Identity")
	q.add("false-tie", falseTies, "%d tensors are shared only because their values were equal: they are separated before training")
	q.add("true-tie", trueTies, "%d tensors are used in several places of one kind and stay tied")
}

func (q *quirkList) tensors(params []Param) {
	constants, anonymous, half, quant, external := 0, 0, 0, 0, 0
	for i := range params {
		p := &params[i]
		if p.External {
			external++
		}
		if quantized(p) {
			quant++
		}
		if !p.Trainable {
			continue
		}
		if p.Storage == InConstant {
			constants++
		}
		if !sourceName(p.Name) {
			anonymous++
		}
		if d := p.Tensor.dtype; d == Float16 || d == BFloat16 {
			half++
		}
	}
	q.add("constant-weights", constants, "%d weights are values of Constant nodes")
	q.add("anonymous-weights", anonymous, "%d weights lost their names: patterns match their aliases")
	q.add("half-precision", half, "%d weights have 16 bits: they train as float32 and are written back in their type")
	q.add("quantized", quant, "%d weights are quantized: fine-tune the float model and quantize again")
	q.add("external-data", external, "%d tensors lie in files beside the model")
}

func (q *quirkList) modes(m *Model) {
	training, dropout := 0, 0
	m.eachGraph(func(g *Graph) {
		for _, n := range g.Nodes {
			switch n.OpType {
			case "BatchNormalization":
				if n.Int("training_mode", 0) == 1 || len(n.Outputs) > 1 {
					training++
				}
			case "Dropout":
				dropout++
			}
		}
	})
	q.add("training-mode", training, "%d BatchNormalizations are in training mode: export writes the inference form")
	q.add("dropout", dropout, "%d Dropout nodes were kept")
}

func (q *quirkList) container(m *Model) {
	foreign := 0
	for _, n := range m.graph.Nodes {
		if !n.StandardDomain() {
			foreign++
		}
	}
	q.add("foreign-domain", foreign, "%d nodes are not of the ONNX standard")
	q.add("functions", len(m.Functions), "%d functions are defined in the model")
	q.add("inputs-with-defaults", len(m.graph.DefaultInputs), "%d initializers are listed as inputs, as IR version 3 demands")
	if order, err := topological(m.graph.Nodes); err == nil {
		moved := 0
		for i, n := range order {
			if m.graph.Nodes[i] != n {
				moved++
			}
		}
		q.add("unsorted", moved, "%d nodes are not in topological order")
	}
}
