package convert

import (
	"github.com/nitrain/nitrain/onnx"
)

// BatchNorm says what BatchNormalization does in training mode.
type BatchNorm int

// The ways of BatchNormalization.
const (
	// BatchNormAsFile does what each node's training_mode says.
	BatchNormAsFile BatchNorm = iota
	// BatchNormFrozen normalises with the running statistics, which stay as they are.
	BatchNormFrozen
	// BatchNormTrain normalises with the statistics of the batch and updates the running ones.
	BatchNormTrain
	// BatchNormRecalibrate is BatchNormFrozen; Step.Recalibrate takes the statistics anew.
	BatchNormRecalibrate
)

// ImportOptions says how a model is understood. The zero value follows the file.
type ImportOptions struct {
	BatchNorm BatchNorm
	// InputShapes binds free input sizes for the check that Import makes of every node; a model whose
	// input sizes are free and not bound is checked with guessed ones. Graphs are built for any size later.
	InputShapes map[string][]int
	// Bind gives inputs a fixed value: they are constants then, and inputs no more. Models whose inputs hold
	// shapes or sizes need it.
	Bind map[string]*onnx.Tensor
	// KeepTies lets parameters that the exporter merged because their values were equal stay one parameter.
	// Otherwise they are told apart (see onnx.FalseTie) and train separately.
	KeepTies bool
	// Parameters names stored tensors that are parameters whatever their uses tell: numbers that an exporter
	// left without a name, for instance. They stay frozen by default.
	Parameters []string
}

// Import reads a model into a graph that trains. A model with nodes that cannot be built gives an
// *UnsupportedError that lists all of them. The model must stay open, and unchanged by others, while the
// Graph lives: weights are read from it when they are needed.
func Import(m *onnx.Model, o ImportOptions) (g *Graph, err error) {
	defer recoverTo(&err)
	g = &Graph{source: m, options: o, byName: map[string]*Param{}, bySlot: map[slot]*Param{}}
	if err := g.read(); err != nil {
		return nil, err
	}
	if err := g.check(); err != nil {
		return nil, err
	}
	return g, nil
}
