package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/edit"
	"github.com/nitrain/nitrain/predict"
)

// editChannels changes the number of input channels, in the graph and in the Spec.
func editChannels(m *onnx.Model, f editFlags, report *editReport) (err error) {
	if report.Channels, err = (edit.Channels{Count: f.channels, Input: f.input}).Apply(m); err != nil {
		return err
	}
	spec, err := predict.ReadSpec(m)
	if errors.Is(err, predict.ErrNoSpec) {
		return nil
	}
	if err != nil {
		return err
	}
	if spec.Input.Stack > 1 || spec.Input.Cascade() {
		return &predict.UnsupportedError{What: "other channels for a model that sees a stack of slices or a previous stage (input.stack, input.channels.value)"}
	}
	for i := len(spec.Input.Channels); i < f.channels; i++ {
		spec.Input.Channels = append(spec.Input.Channels, predict.Channel{Name: fmt.Sprintf("channel %d", i+1)})
	}
	spec.Input.Channels = spec.Input.Channels[:f.channels]
	return predict.WriteSpec(m, spec)
}

// editEnds cuts the model and adds outputs. A Spec says nothing about a model that was cut, and goes.
func editEnds(m *onnx.Model, f editFlags, report *editReport) error {
	if f.cut != "" {
		if err := edit.Cut(m, f.cut); err != nil {
			return err
		}
		if _, err := predict.ReadSpec(m); !errors.Is(err, predict.ErrNoSpec) {
			m.RemoveMetadata(predict.MetadataKey)
			report.Warnings = append(report.Warnings, "the Spec was removed: it says what the old output means")
		}
	}
	for _, place := range f.add {
		if err := edit.AddOutput(m, place); err != nil {
			return err
		}
	}
	return nil
}

// renameValue renames a value, in the Spec too.
func renameValue(m *onnx.Model, pair string) error {
	was, now, ok := strings.Cut(pair, "=")
	if !ok {
		return usageError{fmt.Errorf("--rename: want A=B, got %q", pair)}
	}
	if err := edit.Rename(m, was, now); err != nil {
		return err
	}
	spec, err := predict.ReadSpec(m)
	if errors.Is(err, predict.ErrNoSpec) {
		return nil
	}
	if err != nil {
		return err
	}
	changed := false
	for _, name := range [...]*string{&spec.Input.Name, &spec.Decode.Output} {
		if *name == was {
			*name, changed = now, true
		}
	}
	if !changed {
		return nil
	}
	return predict.WriteSpec(m, spec)
}
