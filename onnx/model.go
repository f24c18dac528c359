package onnx

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/nitrain/nitrain/onnx/internal/pb"
)

// Model is an ONNX model: a graph, what it needs to be understood, and where it was read from. Weights of
// 1 KiB and more stay in the file until they are asked for, so the file must stay as it is while the Model
// lives (replacing it by renaming is fine). Reading is safe for goroutines; changes are for one that is alone.
type Model struct {
	IRVersion       int
	ProducerName    string
	ProducerVersion string
	Domain          string
	ModelVersion    int64
	Doc             string
	Opsets          []Opset
	Functions       []*Function

	graph    *Graph
	metadata []entry
	warnings []string

	from     origin
	file     *os.File
	seen     fs.FileInfo // of file, when it was read
	external *externalFiles
}

// Opset is the version of an operator domain that a model imports.
type Opset struct {
	Domain  string // "" is ai.onnx
	Version int
}

// entry is one record of metadata_props.
type entry struct{ key, value string }

// New returns a model without nodes, to be filled and written: a graph of that name, and the opsets, which
// should hold one for the standard domain "".
func New(irVersion int, graph string, opsets ...Opset) *Model {
	return &Model{IRVersion: irVersion, Opsets: opsets, graph: &Graph{Name: graph}}
}

// Graph returns the main graph, never nil.
func (m *Model) Graph() *Graph { return m.graph }

// Opset returns the version that the model imports of a domain ("" and "ai.onnx" are the same), 0 for none.
func (m *Model) Opset(domain string) int {
	for _, o := range m.Opsets {
		if standard(o.Domain) == standard(domain) {
			return o.Version
		}
	}
	return 0
}

func standard(domain string) string {
	if domain == "ai.onnx" {
		return ""
	}
	return domain
}

// Inputs returns the graph's inputs without those that are initializers.
func (m *Model) Inputs() []ValueInfo { return m.graph.Inputs }

// Outputs returns the graph's outputs.
func (m *Model) Outputs() []ValueInfo { return m.graph.Outputs }

// Close lets go of the files; tensors that are still in them cannot be read any more.
func (m *Model) Close() error {
	var err error
	if m.file != nil {
		err = m.file.Close()
	}
	if m.external != nil {
		if e := m.external.close(); err == nil {
			err = e
		}
	}
	return err
}

// Warnings returns what changes of the model lost, such as values that overflowed float16.
func (m *Model) Warnings() []string { return m.warnings }

// Initializer returns the tensor of that name in the main graph.
func (m *Model) Initializer(name string) (*Tensor, bool) { return m.graph.Initializer(name) }

// SetInitializer gives an initializer of the main graph new values. The shape must be the same. The type and
// the encoding of the file stay: floating point values are converted to it (see Warnings for what overflowed).
func (m *Model) SetInitializer(name string, t *Tensor) error {
	i := m.graph.initializer(name)
	if i == nil {
		return fmt.Errorf("onnx: initializer %q: the graph has none of that name", name)
	}
	v, err := m.fit("initializer", name, i.Tensor, t)
	if err != nil {
		return err
	}
	i.Tensor = v
	return nil
}

// fit returns t in the type of was, whose shape it must have.
func (m *Model) fit(what, name string, was, t *Tensor) (*Tensor, error) {
	if !sameShape(was.shape, t.shape) {
		return nil, fmt.Errorf("onnx: %s %q: want shape %v, got %v", what, name, was.shape, t.shape)
	}
	if was.dtype == t.dtype {
		return t, nil
	}
	v, loss, err := t.Convert(was.dtype)
	if err != nil {
		return nil, fmt.Errorf("onnx: %s %q: %w", what, name, err)
	}
	if loss != (Loss{}) {
		m.warnings = append(m.warnings, fmt.Sprintf("%s %q: as %v, %d of %d values overflow and %d lose precision near zero",
			what, name, was.dtype, loss.Overflow, t.Len(), loss.Underflow))
	}
	return v, nil
}

func sameShape(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// Metadata returns a copy of the model's metadata_props.
func (m *Model) Metadata() map[string]string {
	out := make(map[string]string, len(m.metadata))
	for _, e := range m.metadata {
		out[e.key] = e.value
	}
	return out
}

// SetMetadata sets an entry of metadata_props; the other entries keep their order.
func (m *Model) SetMetadata(key, value string) {
	found := false
	for i := range m.metadata {
		if m.metadata[i].key == key {
			m.metadata[i].value = value
			found = true
		}
	}
	if !found {
		m.metadata = append(m.metadata, entry{key, value})
	}
}

// RemoveMetadata removes an entry of metadata_props, if it is there.
func (m *Model) RemoveMetadata(key string) {
	kept := m.metadata[:0:0]
	for _, e := range m.metadata {
		if e.key != key {
			kept = append(kept, e)
		}
	}
	m.metadata = kept
}

func newSourceModel(src *pb.Source) *Model {
	return &Model{from: origin{src, src.All()}}
}
