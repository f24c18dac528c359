package convert

import (
	"github.com/nitrain/nitrain/onnx"
)

// inline builds a call of a model-local function from the function's nodes.
func (c *call) inline(f *onnx.Function) []*value {
	attrs := map[string]onnx.Attr{}
	for _, a := range f.Defaults {
		attrs[a.Name] = a
	}
	for _, a := range c.n.Attrs {
		if r, ok := c.attr(a.Name); ok {
			attrs[a.Name] = r
		}
	}
	s := c.scope.inner(c.n, map[string]*value{})
	s.attrs = attrs
	s.opsets = func(domain string) int {
		for _, o := range f.Opsets {
			if o.Domain == domain || domain == "ai.onnx" && o.Domain == "" {
				return o.Version
			}
		}
		return c.scope.opsets(domain)
	}
	for i, name := range f.Inputs {
		if i < len(c.in) && c.in[i] != nil {
			s.values[name] = c.in[i]
		}
	}
	c.run(f.Nodes, s)
	out := make([]*value, len(f.Outputs))
	for i, name := range f.Outputs {
		v, ok := s.values[name]
		if !ok {
			fail("function %s has no value for its output %q", f.Name, name)
		}
		out[i] = v
	}
	return out
}
