package onnx

import "slices"

// role returns what the tensor t does at a use, and why it does not train there ("" if it does).
func (w *wiring) role(u use, t *Tensor) (Role, string) {
	if !u.node.StandardDomain() {
		return Constant, "input of " + u.node.OpType + ", which is not a standard operator"
	}
	if r := slotRole(u.node.OpType, u.input); r != "" {
		return r, w.frozen(u, r, t)
	}
	if !t.dtype.Float() {
		return Constant, t.dtype.String() + " never trains"
	}
	switch u.node.OpType {
	case "MatMul", "Einsum":
		return LinearWeight, ""
	case "Add", "Sub", "Mul", "Div":
		return w.operand(u, t)
	case "Concat", "Expand", "Tile":
		if len(t.shape) < 2 || t.Len() <= 1 {
			return Constant, "rank below 2: arithmetic on shapes"
		}
		return Position, ""
	}
	return Constant, "input of " + u.node.OpType + ", which has no weights"
}

// slotRole returns the role of an input that always has one, "" for the others.
func slotRole(op string, input int) Role {
	var roles []Role
	switch op {
	case "Conv", "ConvTranspose":
		roles = []Role{"", ConvWeight, ConvBias}
	case "BatchNormalization":
		roles = []Role{"", NormScale, NormBias, NormMean, NormVar}
	case "InstanceNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization":
		roles = []Role{"", NormScale, NormBias}
	case "Gemm":
		roles = []Role{LinearWeight, LinearWeight, LinearBias}
	case "PRelu":
		roles = []Role{"", PReluSlope}
	case "Gather":
		roles = []Role{Embedding}
	case "LSTM", "GRU", "RNN":
		roles = []Role{"", RNNWeight, RNNWeight, RNNBias}
	}
	if input < len(roles) {
		return roles[input]
	}
	return ""
}

// frozen says why a tensor with a weight's role does not train.
func (w *wiring) frozen(u use, r Role, t *Tensor) string {
	switch {
	case r.State():
		return "running statistic: state, never a gradient"
	case !t.dtype.Float():
		return t.dtype.String() + " never trains"
	case r == Embedding && t.Len() <= 1:
		return "a single number"
	case (r == NormScale || r == NormBias) && w.withoutAffine(u.node):
		return "scale 1 and bias 0 everywhere: a normalization without parameters"
	}
	return ""
}

// withoutAffine reports whether a normalization has scale 1 and bias 0 that no framework named: the
// exporters write them for affine=False.
func (w *wiring) withoutAffine(n *Node) bool {
	for k, want := range [...]float32{1: 1, 2: 0} {
		if k == 0 {
			continue
		}
		if k == 2 && n.Input(k) == "" {
			continue
		}
		name, chain, ok := w.origin(n.Input(k))
		if !ok || dotted(name) || chainName(chain) != "" {
			return false
		}
		if v, ok := uniform(w.stored[name]); !ok || v != want {
			return false
		}
	}
	return true
}

// operand judges a tensor that is added to, subtracted from, or multiplied with something.
func (w *wiring) operand(u use, t *Tensor) (Role, string) {
	other := u.node.Input(1 - u.input)
	additive := u.node.OpType == "Add" || u.node.OpType == "Sub"
	switch {
	case additive && w.product(other) && t.Len() > 1:
		return LinearBias, ""
	case t.Len() <= 1:
		return Constant, "a single number in " + u.node.OpType
	case w.nearInput(other):
		return Constant, "applied to the model's input: its normalization"
	case u.node.OpType == "Sub" && u.input == 1 && perChannel(t):
		return Constant, "subtracted from activations: a mean"
	case additive && mask(t):
		return Constant, "a mask: two values, one of them 0"
	case additive && perChannel(t):
		return NormBias, ""
	case additive:
		return Position, ""
	case u.node.OpType == "Div" && u.input == 0:
		return Constant, "divided by activations"
	}
	return NormScale, ""
}

// product reports whether a value is a MatMul's or Einsum's with a stored weight.
func (w *wiring) product(value string) bool {
	n := w.maker[value]
	if n == nil || n.OpType != "MatMul" && n.OpType != "Einsum" {
		return false
	}
	return slices.ContainsFunc(n.Inputs, w.constant)
}

// nearInput reports whether a value is an input of the graph, but for arithmetic with constants.
func (w *wiring) nearInput(value string) bool {
	for range longChain {
		if w.inputs[value] {
			return true
		}
		n := w.maker[value]
		if n == nil {
			return false
		}
		switch {
		case passes(n):
			value = n.Input(0)
		case n.OpType != "Add" && n.OpType != "Sub" && n.OpType != "Mul" && n.OpType != "Div":
			return false
		case w.constant(n.Input(1)):
			value = n.Input(0)
		case w.constant(n.Input(0)):
			value = n.Input(1)
		default:
			return false
		}
	}
	return false
}

// perChannel reports whether at most one axis is longer than 1.
func perChannel(t *Tensor) bool {
	long := 0
	for _, d := range t.shape {
		if d > 1 {
			long++
		}
	}
	return long <= 1
}

// mask reports whether the elements have two values of which one is 0, or are all 0.
func mask(t *Tensor) bool {
	v, err := t.Float32()
	if err != nil {
		return false
	}
	other, zero := float32(0), false
	for _, x := range v {
		switch {
		case x == 0:
			zero = true
		case other == 0:
			other = x
		case x != other:
			return false
		}
	}
	return zero && other != 0 && len(v) > 2
}
