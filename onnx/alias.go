package onnx

import (
	"slices"
	"strings"
)

// sourceName reports whether a name is one that a source framework gave, not one that an exporter made up.
func sourceName(name string) bool {
	switch {
	case name == "", strings.Contains(name, "::"), strings.HasPrefix(name, "/"), strings.Contains(name, ":"):
		return false
	case strings.Contains(name, "const_fold_opt"), strings.HasPrefix(name, "_"):
		return false
	case numbered(name, "val_"), numbered(name, "Constant_"), numbered(name, ""), numbered(name, "Identity_"):
		return false
	}
	return true
}

// dotted reports whether a name is the path of a parameter in a module tree: model.0.norm.weight.
func dotted(name string) bool { return sourceName(name) && strings.Contains(name, ".") }

// numbered reports whether a name is the prefix and digits.
func numbered(name, prefix string) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	return ok && rest != "" && strings.Trim(rest, "0123456789") == ""
}

// chainName returns the value of a chain that has a parameter's name: the alias that TorchScript gave a merged tensor.
func chainName(chain []*Node) string {
	for _, c := range slices.Backward(chain) {
		if o := c.Output(0); dotted(o) {
			return o
		}
	}
	return ""
}

// alias returns the name to show for a parameter, and to match patterns with.
func alias(p *Param) string {
	if conv, ok := strings.CutSuffix(p.Name, ".weight_bias"); ok && sourceName(p.Name) { // torch folds a norm
		return conv + ".bias"
	}
	if dotted(p.Name) {
		return p.Name
	}
	for _, s := range p.Slots {
		if s.Alias != "" && s.Role == p.Role {
			return s.Alias
		}
	}
	return p.Name
}

// slotAlias returns the name of a use: the name of an Identity before it, or the module of the node and what
// its framework calls the role.
func slotAlias(n *Node, r Role, chain []*Node) string {
	if name := chainName(chain); name != "" {
		return name
	}
	suffix := suffix(r)
	if suffix == "" {
		return ""
	}
	if m := Module(n); m != "" {
		return m + "." + suffix
	}
	return ""
}

// carryName names the uses of a tensor with a name of the source: where one use is in a module above the
// tensor's, as enc.0.attn is above enc.0.attn.out.weight, the uses in other modules are named alike.
func carryName(name string, slots []Slot) {
	if !dotted(name) {
		return
	}
	for _, own := range slots {
		rest, ok := strings.CutPrefix(name, Module(own.Node)+".")
		if !ok || Module(own.Node) == "" {
			continue
		}
		for i := range slots {
			if m := Module(slots[i].Node); m != "" && chainName(slots[i].Chain) == "" {
				slots[i].Alias = m + "." + rest
			}
		}
		return
	}
}

// nameBiases names the uses of biases after the weight of the same layer, where that tells more than the module.
func (w *wiring) nameBiases(params []Param) {
	weights := map[*Node]string{}
	for _, p := range params {
		for _, s := range p.Slots {
			if base, ok := strings.CutSuffix(s.Alias, ".weight"); ok && (s.Role == ConvWeight || s.Role == LinearWeight) {
				weights[s.Node] = base
			}
		}
	}
	for i := range params {
		p := &params[i]
		for k := range p.Slots {
			s := &p.Slots[k]
			if s.Role != ConvBias && s.Role != LinearBias || chainName(s.Chain) != "" {
				continue
			}
			layer := s.Node
			if layer.OpType == "Add" {
				layer = w.maker[layer.Input(1-s.Input)]
			}
			if base := weights[layer]; base != "" && strings.HasPrefix(base, Module(s.Node)+".") {
				s.Alias = base + ".bias"
			}
		}
		p.Alias = alias(p)
	}
}

func suffix(r Role) string {
	switch r {
	case ConvWeight, NormScale, LinearWeight, PReluSlope, Embedding, RNNWeight:
		return "weight"
	case ConvBias, NormBias, LinearBias, RNNBias:
		return "bias"
	case NormMean:
		return "running_mean"
	case NormVar:
		return "running_var"
	default:
		return ""
	}
}

// Module returns the path of the module that a node comes from, in the dotted form of PyTorch: from the
// metadata that torch's newer exporter leaves, or from the node's name, as /model/model.0/conv/Conv is of
// model.0.conv. It is "" where the file tells nothing.
func Module(n *Node) string {
	if s := n.Metadata["pkg.torch.onnx.name_scopes"]; s != "" {
		list := pythonStrings(s)
		if len(list) >= 2 {
			return list[len(list)-2]
		}
		return ""
	}
	switch {
	case strings.HasPrefix(n.Name, "/"):
		return scopePath(strings.Split(n.Name[1:], "/"))
	case strings.Contains(n.Name, "/"): // TensorFlow: functional_1/conv2d_1/BiasAdd
		parts := strings.Split(n.Name, "/")
		return strings.Join(parts[:len(parts)-1], ".")
	}
	return ""
}

// scopePath joins the scopes of a TorchScript name, whose last part is the operator. A scope that repeats the
// one before it (layer1, layer1.0) is the child of a list.
func scopePath(parts []string) string {
	var out []string
	for _, p := range parts[:len(parts)-1] {
		if k := len(out) - 1; k >= 0 && strings.HasPrefix(p, out[k]+".") {
			out[k] = p
			continue
		}
		out = append(out, p)
	}
	return strings.Join(out, ".")
}

// pythonStrings reads a Python list of strings, as torch's exporter writes them: [”, 'model', 'model.0'].
func pythonStrings(s string) []string {
	var out []string
	for {
		i := strings.IndexAny(s, `'"`)
		if i < 0 {
			return out
		}
		rest := s[i+1:]
		j := strings.IndexByte(rest, s[i])
		if j < 0 {
			return out
		}
		out = append(out, rest[:j])
		s = rest[j+1:]
	}
}
