package convert

import (
	"fmt"
	"slices"
	"sync"

	"github.com/nitrain/nitrain/onnx"
)

// Graph is an imported model: its parameters with their current values, and the means to build its GoMLX
// graph for any input shapes. It may be shared by goroutines; SetParam and Export exclude each other and
// everything that reads values.
type Graph struct {
	source    *onnx.Model
	options   ImportOptions
	nodes     []*onnx.Node // those that the outputs need, in topological order
	functions map[functionID]*onnx.Function
	stored    map[string]*onnx.Tensor // every initializer
	params    []*Param
	byName    map[string]*Param
	bySlot    map[slot]*Param       // where a tie was cut, the parameter that one node's input has for itself
	training  map[*onnx.Node]bool   // the BatchNormalizations that the file has in training form
	types     map[string]onnx.DType // of every value of the main graph, as the import built it
	warnings  []string
	values    sync.RWMutex // guards the values of params
}

// functionID names a model-local function.
type functionID struct{ domain, name string }

// Param is a tensor of the model that training may change, under the name of the initializer, of the
// Constant node's output, or of the alias that holds it.
type Param struct {
	Name string
	// Stored is the name of the tensor in the file: Name, unless the exporter merged equal parameters.
	Stored string
	// Alias is a readable name recovered from the node's scope where Name says nothing ("onnx::Conv_123").
	Alias string
	// Role says what the tensor is used as.
	Role onnx.Role
	// Shape is the shape in the file.
	Shape []int
	// DType is the type in the file; values are float32 here, whatever it is.
	DType onnx.DType
	// Trainable is the default: whether an optimizer should change it. Reason says why (not).
	Trainable bool
	Reason    string
	// State marks running statistics: never a gradient, updated by forward passes in training mode.
	State bool

	stored  *onnx.Tensor
	source  onnx.Param
	value   []float32 // nil while it is the stored one
	version int       // counts changes
	slots   []onnx.Slot
	twins   []twin
}

// Len returns the number of elements.
func (p *Param) Len() int { return product(p.Shape) }

// Params lists the parameters in the order of their first use. The caller may change Trainable.
func (g *Graph) Params() []*Param { return g.params }

// Param returns the parameter of that name or alias, nil when there is none.
func (g *Graph) Param(name string) *Param {
	if p := g.byName[name]; p != nil {
		return p
	}
	for _, p := range g.params {
		if p.Alias == name {
			return p
		}
	}
	return nil
}

// Source returns the model that was imported.
func (g *Graph) Source() *onnx.Model { return g.source }

// Inputs lists the model's inputs, without those that ImportOptions.Bind fixed.
func (g *Graph) Inputs() []onnx.ValueInfo {
	if len(g.options.Bind) == 0 {
		return g.source.Inputs()
	}
	return slices.DeleteFunc(slices.Clone(g.source.Inputs()), func(v onnx.ValueInfo) bool { return g.options.Bind[v.Name] != nil })
}

// Outputs lists the model's outputs.
func (g *Graph) Outputs() []onnx.ValueInfo { return g.source.Outputs() }

// Warnings lists what the import had to repair or assume.
func (g *Graph) Warnings() []string { return g.warnings }

// Value returns a copy of a parameter's current value, in C order.
func (g *Graph) Value(name string) ([]float32, error) {
	g.values.RLock()
	defer g.values.RUnlock()
	p := g.Param(name)
	if p == nil {
		return nil, fmt.Errorf("convert: parameter %q: the model has none of that name", name)
	}
	if p.value != nil {
		return append([]float32(nil), p.value...), nil
	}
	return p.stored.Float32()
}

// SetParam gives a parameter new values, in C order; they are copied.
func (g *Graph) SetParam(name string, values []float32) error {
	g.values.Lock()
	defer g.values.Unlock()
	p := g.Param(name)
	if p == nil {
		return fmt.Errorf("convert: parameter %q: the model has none of that name", name)
	}
	if len(values) != p.Len() {
		return fmt.Errorf("convert: parameter %q: want %d values, got %d", name, p.Len(), len(values))
	}
	p.value = append([]float32(nil), values...)
	p.version++
	return nil
}
