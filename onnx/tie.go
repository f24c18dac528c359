package onnx

import (
	"slices"
	"strings"
)

// tie tells true from false ties. Values that are all equal are merged by exporters whoever they belong to, so
// such a tie is false. Other values are the same for two reasons: one module is used several times, or its
// copies still have the values that they were copied with, as the layers of a fresh Transformer do. The names
// of the uses tell these apart, where the file has any. Weights that embed and read out are tied by design.
// fresh says that the network was never trained.
func tie(p *Param, fresh bool) Tie {
	weights := slices.DeleteFunc(slices.Clone(p.Slots), func(s Slot) bool { return s.Role == Constant || s.Role.State() && p.Role.State() })
	if len(weights) < 2 {
		return NoTie
	}
	alike := true
	for _, s := range weights[1:] {
		alike = alike && s.Role == weights[0].Role && s.Node.OpType == weights[0].Node.OpType && s.Input == weights[0].Input
	}
	v, equal := uniform(p.Tensor)
	switch {
	case equal && (p.Tensor.Len() > 1 || v == 0 || v == 1 || p.Role == PReluSlope || !alike):
		return FalseTie
	case alike && (equal || sameModule(p.Name, weights)):
		return TrueTie
	case alike && direct(weights) && dotted(p.Name) && !(fresh && copies(weights)):
		return TrueTie
	case readsOut(weights), !alike && samePlace(weights) && dotted(p.Name):
		return TrueTie
	}
	return FalseTie
}

// sameModule reports whether nothing says that uses belong to different modules. TorchScript never shares the
// tensors of different modules without an Identity.
func sameModule(name string, slots []Slot) bool {
	return samePlace(slots) || direct(slots) && dotted(name) && scoped(slots)
}

// direct reports whether no use goes through an Identity with a name of the source, which says that the
// exporter merged two parameters.
func direct(slots []Slot) bool {
	return !slices.ContainsFunc(slots, func(s Slot) bool { return chainName(s.Chain) != "" })
}

// scoped reports whether all uses have names that TorchScript gave.
func scoped(slots []Slot) bool {
	return !slices.ContainsFunc(slots, func(s Slot) bool { return !strings.HasPrefix(s.Node.Name, "/") })
}

// copies reports whether the names of uses differ in nothing but the numbers of a list: layers.0, layers.1.
func copies(slots []Slot) bool {
	first := strings.Split(slots[0].Alias, ".")
	for _, s := range slots[1:] {
		parts := strings.Split(s.Alias, ".")
		if len(parts) != len(first) {
			return false
		}
		for i := range parts {
			if parts[i] != first[i] && !(numbered(parts[i], "") && numbered(first[i], "")) {
				return false
			}
		}
	}
	return true
}

// samePlace reports whether the uses have one name, or none that speaks against it. The second call of a
// module has a number behind its name.
func samePlace(slots []Slot) bool {
	var names []string
	for _, s := range slots {
		if s.Alias != "" && !slices.Contains(names, s.Alias) {
			names = append(names, s.Alias)
		}
	}
	return len(names) == 0 || slices.ContainsFunc(names, func(first string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return !recall(name, first) })
	})
}

// recall reports whether a name is another one's, or that of a later call of the same module: enc_1.conv.weight of
// enc.conv.weight.
func recall(name, first string) bool {
	a, b := strings.Split(name, "."), strings.Split(first, ".")
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if rest, ok := strings.CutPrefix(a[i], b[i]); !ok || rest != "" && !numbered(rest, "_") {
			return false
		}
	}
	return true
}

// readsOut reports whether a tensor is an embedding and the weight of a linear layer.
func readsOut(slots []Slot) bool {
	roles := map[Role]bool{}
	for _, s := range slots {
		roles[s.Role] = true
	}
	return len(roles) == 2 && roles[Embedding] && roles[LinearWeight]
}
