package finetune

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nitrain/nitrain/internal/record"
	"github.com/nitrain/nitrain/onnx"
)

// state is what a checkpoint holds beside arrays. Random numbers follow from the seed and the number of the
// step, so that these two are the state of the generator.
type state struct {
	Step        int     `json:"step"`
	Seed        uint64  `json:"seed"`
	Validated   int     `json:"validated"` // step of the last validation, -1 before the first
	HasBest     bool    `json:"has_best"`
	Best        float64 `json:"best"`
	BestStep    int     `json:"best_step"`
	Since       int     `json:"since"` // validations without a better score
	Elapsed     float64 `json:"elapsed"`
	Finished    bool    `json:"finished"`
	Validations []point `json:"validations,omitempty"`
}

// point is the score of one validation.
type point struct {
	Step  int     `json:"step"`
	Score float64 `json:"score"`
}

const paramPrefix = "param/"

// save writes checkpoints/last.
func (t *Trainer) save() error {
	if t.dir == nil {
		return nil
	}
	tensors, err := t.step.State()
	if err != nil {
		return err
	}
	return t.write(tensors, record.Last)
}

// write puts the state of the run as it stands into checkpoints of those names.
func (t *Trainer) write(tensors map[string]*onnx.Tensor, names ...string) error {
	if err := t.dir.Sync(); err != nil { // events are on the disk before a state that follows them
		return err
	}
	s := t.state
	s.Seed = t.plan.Seed
	s.Elapsed += time.Since(t.started).Seconds()
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("finetune: checkpoint: %w", err)
	}
	arrays, err := toArrays(tensors)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := t.dir.WriteCheckpoint(name, &record.Checkpoint{State: raw, Arrays: arrays}); err != nil {
			return err
		}
	}
	t.saved = time.Now()
	return nil
}

// keep saves after a validation, and the weights as the best ones when they are.
func (t *Trainer) keep(best bool, cases []shown) error {
	tensors, err := t.step.State()
	if err != nil {
		return err
	}
	names := []string{record.Last}
	if best {
		if err := t.keepSamples(cases); err != nil {
			return err
		}
		names = []string{record.Best, record.Last}
	}
	if t.dir != nil {
		return t.write(tensors, names...)
	}
	if best {
		t.best = params(tensors)
	}
	return nil
}

func toArrays(tensors map[string]*onnx.Tensor) ([]record.Array, error) {
	var arrays []record.Array
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		t := tensors[name]
		raw, err := t.Bytes()
		if err != nil {
			return nil, err
		}
		arrays = append(arrays, record.Array{Name: name, DType: t.DType().String(), Shape: t.Shape(), Data: raw})
	}
	return arrays, nil
}

func fromArrays(arrays []record.Array) (map[string]*onnx.Tensor, error) {
	tensors := map[string]*onnx.Tensor{}
	for _, a := range arrays {
		dtype := onnx.Float32
		if a.DType == onnx.Int64.String() {
			dtype = onnx.Int64
		} else if a.DType != dtype.String() {
			return nil, fmt.Errorf("finetune: checkpoint: %q: want float32 or int64, got %q", a.Name, a.DType)
		}
		t, err := onnx.NewTensor(dtype, a.Shape, a.Data)
		if err != nil {
			return nil, fmt.Errorf("finetune: checkpoint: %q: %w", a.Name, err)
		}
		tensors[a.Name] = t
	}
	return tensors, nil
}

// params picks the parameters of a state.
func params(state map[string]*onnx.Tensor) map[string]*onnx.Tensor {
	out := map[string]*onnx.Tensor{}
	for key, t := range state {
		if name, ok := strings.CutPrefix(key, paramPrefix); ok {
			out[name] = t
		}
	}
	return out
}

// restore continues from a checkpoint.
func (t *Trainer) restore(path string) error {
	last, err := record.ReadCheckpoint(path, record.Last)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(last.State, &t.state); err != nil {
		return fmt.Errorf("finetune: checkpoint: %w", err)
	}
	if t.state.Seed != t.plan.Seed {
		return fmt.Errorf("finetune: %s: the checkpoint is of seed %d, the run of seed %d", path, t.state.Seed, t.plan.Seed)
	}
	tensors, err := fromArrays(last.Arrays)
	if err != nil {
		return err
	}
	if err := t.step.SetState(tensors); err != nil {
		return err
	}
	if err := t.restoreSamples(path); err != nil {
		return err
	}
	events, err := record.ReadEvents[Event](path)
	t.history = upTo(events, t.state.Step)
	return err
}

// upTo returns the events that led to a step: what was redone after an interruption stands once.
func upTo(events []Event, step int) []Event {
	var out []Event
	for _, e := range events {
		out = appendEvent(out, e)
	}
	return slices.DeleteFunc(out, func(o Event) bool { return o.Step > step })
}

// appendEvent adds an event. It takes back what the event says is done anew: later steps at a new session,
// an earlier validation of the same step.
func appendEvent(list []Event, e Event) []Event {
	if e.Kind == Started || e.Kind == Resumed {
		list = slices.DeleteFunc(list, func(o Event) bool { return o.Step > e.Step })
	}
	if e.Kind == Validated {
		list = slices.DeleteFunc(list, func(o Event) bool { return o.Kind == Validated && o.Step == e.Step })
	}
	return append(list, e)
}
