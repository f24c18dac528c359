package convert

import (
	"context"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// Loss builds a scalar loss, and other scalars to report under their names, from the model's outputs and
// the batch (the model's inputs and whatever else the caller passes to Step.Run, such as labels), all by
// name. It runs inside a GoMLX graph-building function and may panic as those do.
type Loss func(out, batch map[string]*graph.Node) (loss *graph.Node, extra map[string]*graph.Node)

// StepConfig says what one training step does.
type StepConfig struct {
	Loss      Loss
	Optimizer Optimizer
	// Train says which parameters the optimizer changes; nil means those whose Trainable is set. Running
	// statistics never train; they are updated as ImportOptions.BatchNorm says.
	Train func(*Param) bool
	// Clip is the largest allowed 2-norm of all gradients together, 0 for no clipping.
	Clip float64
	// Dropout lets the model's Dropout nodes and random operators act, from Seed and the number of the step.
	Dropout bool
	// Insert drops elements of the first input that is no weight of nodes, while training, with the given probabilities, from Seed too:
	// dropout where the model has none. The model as it is exported does not change.
	Insert map[*onnx.Node]float64
	Seed   int64
	// Precision is what products are computed in; "" is Float32. A device that lacks it gives a *PrecisionError.
	Precision Precision
}

// StepResult is what one step reports.
type StepResult struct {
	Loss  float64 // before the update; the mean over micro-batches
	Norm  float64 // 2-norm of all gradients, before clipping
	Extra map[string]float64
}

// Step trains a Graph: each Run is a forward pass, a backward pass and an update, compiled once for each
// shape of batch. Parameters, moments and running statistics stay on the device between steps; Sync writes
// them back to the Graph. A Step is for one goroutine.
type Step struct {
	*stepper
}

// NewStep prepares training of g with the parameters' current values and fresh moments.
func (g *Graph) NewStep(b *Backend, c StepConfig) (*Step, error) {
	s, err := newStepper(g, b, c)
	if err != nil {
		return nil, err
	}
	return &Step{s}, nil
}

// Run makes one update with the given learning rate. Several batches are micro-batches of one update: the
// mean of their gradients is taken. A batch holds the model's inputs and what Loss reads, by name. When
// ctx is cancelled between micro-batches the update is not made and ctx's error returned.
func (s *Step) Run(ctx context.Context, lr float64, batches ...map[string]*onnx.Tensor) (StepResult, error) {
	return s.run(ctx, lr, batches)
}

// Count returns the number of updates made.
func (s *Step) Count() int { return s.count }

// Sync writes the trained parameters and the running statistics back to the Graph.
func (s *Step) Sync() error { return s.sync() }

// State returns everything that a later NewStep of the same configuration needs to continue bit for bit:
// "param/NAME", "moment1/NAME", "moment2/NAME", and "count".
func (s *Step) State() (map[string]*onnx.Tensor, error) { return s.save() }

// SetState continues from what State returned. Every name must be there, with the right shape.
func (s *Step) SetState(state map[string]*onnx.Tensor) error { return s.load(state) }

// Close frees the device memory of the step. The Graph and the Backend stay usable.
func (s *Step) Close() { s.close() }
