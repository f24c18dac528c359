package convert

// op is how an operator is built. fold, if there is one, computes it on the host when all inputs are
// constants (nil result: not this time); build makes the GoMLX graph. An operator without build works on
// constants alone.
type op struct {
	fold  func(c *call) []*host
	build func(c *call) []*value
}

// lookupOp finds an operator. ai.onnx is the standard domain.
func lookupOp(domain, name string) (op, bool) {
	if domain == "" || domain == "ai.onnx" {
		o, ok := table()[name]
		return o, ok
	}
	return op{}, false
}

// table lists the operators of the standard domain.
func table() map[string]op {
	return map[string]op{
		"Conv":          {build: opConv},
		"ConvTranspose": {build: opConvTranspose},
	}
}
