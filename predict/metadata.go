package predict

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nitrain/nitrain/onnx"
)

// MetadataKey is where a model's metadata_props hold its Spec.
const MetadataKey = "nitrain.spec"

// ErrNoSpec is returned, wrapped, for a model that carries no Spec.
var ErrNoSpec = errors.New("model carries no Spec")

// ReadSpec returns the Spec inside a model. Where there is none the error is [ErrNoSpec].
func ReadSpec(m *onnx.Model) (Spec, error) {
	text, ok := m.Metadata()[MetadataKey]
	if !ok {
		return Spec{}, noSpec{}
	}
	s, err := ParseSpec([]byte(text))
	if err != nil {
		return Spec{}, fmt.Errorf("metadata %s: %w", MetadataKey, err)
	}
	return s, nil
}

// WriteSpec puts a Spec into a model in place of the one that it may carry. A Spec with faults is an error.
func WriteSpec(m *onnx.Model, s Spec) error {
	if err := s.Validate(); err != nil {
		return err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("predict: spec: %w", err)
	}
	m.SetMetadata(MetadataKey, string(text))
	return nil
}

type noSpec struct{}

func (noSpec) Error() string { return "predict: " + ErrNoSpec.Error() }

func (noSpec) Is(target error) bool { return target == ErrNoSpec }

func (noSpec) Hint() string {
	return "attach one with `nitrain import MODEL --spec SPEC.json`; docs/spec.md says what it holds"
}
