package onnx

import (
	"slices"
	"strings"
)

// roleOf returns the role of a use of the stored tensor name, and why it does not train there. What names of
// the source framework say goes first; a tensor with such a name that other weights are computed from, as a
// normalized weight is, has the role of what is computed.
func (w *wiring) roleOf(u use, name string, t *Tensor) (Role, string) {
	if !t.dtype.Float() || !sourceName(name) {
		return w.role(u, t)
	}
	switch r := statistic(name); {
	case r != "" && slotRole(u.node.OpType, u.input) == "":
		return r, "running statistic: state, never a gradient"
	case r == "" && buffer(name) && slotRole(u.node.OpType, u.input) == "":
		return Constant, "a buffer, as its name says"
	}
	if role, reason, ok := w.follow(u, t, 0); ok {
		return role, reason
	}
	role, reason := w.role(u, t)
	if role == Constant && dotted(name) && t.Len() == 1 {
		switch u.node.OpType {
		case "Mul", "Div":
			return NormScale, ""
		case "Add", "Sub":
			return NormBias, ""
		}
	}
	return role, reason
}

// statistic returns the role that the name of a running statistic tells, "" for other names.
func statistic(name string) Role {
	switch lastPart(name) {
	case "running_mean", "moving_mean":
		return NormMean
	case "running_var", "moving_variance":
		return NormVar
	}
	return ""
}

// buffer reports whether a name is usual for tables that a network computes once and never trains.
func buffer(name string) bool {
	switch lastPart(name) {
	case "cos", "sin", "cos_cached", "sin_cached", "inv_freq", "freqs", "freqs_cis", "mean", "std", "pixel_mean", "pixel_std",
		"mask", "attn_mask", "anchors", "anchor_points", "relative_coords_table", "grid", "window":
		return true
	}
	return false
}

func lastPart(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// follow returns the role of what a node computes when no activation enters it, found at the first use that has
// one. ok is false where activations enter, or nothing has a role.
func (w *wiring) follow(u use, t *Tensor, depth int) (role Role, reason string, ok bool) {
	if depth > longChain || !w.still(u.node) {
		return "", "", false
	}
	for _, o := range u.node.Outputs {
		for _, next := range w.uses[o] {
			if role, reason, ok = w.follow(next, t, depth+1); ok {
				return role, reason, true
			}
			if w.still(next.node) {
				continue
			}
			if role, reason = w.role(next, t); role != Constant {
				return role, reason, true
			}
		}
	}
	return "", "", false
}

// still reports whether a node computes with weights and shapes alone.
func (w *wiring) still(n *Node) bool {
	return n.StandardDomain() && len(n.Outputs) > 0 && len(n.Subgraphs()) == 0 && w.stillness(n.Output(0), 0)
}

// stillness reports whether no activation enters a value. Shapes of activations do not count.
func (w *wiring) stillness(value string, depth int) bool {
	if known, ok := w.quiet[value]; ok {
		return known
	}
	n := w.maker[value]
	is := w.stored[value] != nil
	if n != nil && !is && depth < deepWeights {
		is = n.OpType == "Shape" || n.OpType == "Size" || n.OpType == "Constant" ||
			len(n.Inputs) > 0 && len(n.Subgraphs()) == 0 && !slices.ContainsFunc(n.Inputs, func(in string) bool { return in != "" && !w.stillness(in, depth+1) })
	}
	w.quiet[value] = is
	return is
}

// deepWeights bounds how far weights are computed from stored ones.
const deepWeights = 200
