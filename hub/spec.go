package hub

import (
	"encoding/json"
	"fmt"
)

// SpecKey is where a model's metadata hold its Spec.
const SpecKey = "nitrain.spec"

// Spec is the part of a model's Spec that the hub shows. Whether a Spec is right is for package predict.
type Spec struct {
	Version    int              `json:"version"`
	Task       string           `json:"task"`
	Input      SpecInput        `json:"input"`
	Prepare    []map[string]any `json:"prepare"`
	Tile       *SpecTile        `json:"tile"`
	Labels     []SpecLabel      `json:"labels"`
	Provenance *Provenance      `json:"provenance"`
}

// SpecInput says what a model sees.
type SpecInput struct {
	Channels []SpecChannel `json:"channels"`
}

// SpecChannel is one channel of the input.
type SpecChannel struct {
	Name     string `json:"name"`
	Modality string `json:"modality"` // DICOM's code
}

// SpecTile is the window of a model that sees a part of the image at a time.
type SpecTile struct {
	Size [3]int `json:"size"` // voxels
}

// SpecLabel names a value.
type SpecLabel struct {
	Value int    `json:"value"`
	Name  string `json:"name"`
}

func parseSpec(raw []byte) (*Spec, error) {
	var s Spec
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("hub: spec: %w", err)
	}
	if s.Version != 1 {
		return nil, fmt.Errorf("hub: spec: want version 1, got %d", s.Version)
	}
	return &s, nil
}

// names lists the labels that are not background.
func (s *Spec) names() []string {
	var out []string
	for _, l := range s.Labels {
		if l.Value != 0 || s.Task != "segmentation" {
			out = append(out, l.Name)
		}
	}
	return out
}
