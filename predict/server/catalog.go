package server

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/imageio/view"
	"github.com/nitrain/nitrain/predict"
	"github.com/nitrain/nitrain/predict/server/internal/oip"
)

// catalogued is what people want to know of a model.
type catalogued struct {
	Name     string         `json:"name"`
	Version  string         `json:"version"`
	Digest   string         `json:"digest,omitempty"`
	Task     predict.Task   `json:"task,omitempty"`    // none: the model takes tensors only
	Tasks    []string       `json:"tasks"`             // of the volume API
	Methods  []string       `json:"methods,omitempty"` // of the task attribute
	Channels []string       `json:"channels,omitempty"`
	Spacing  *[3]float64    `json:"spacing_mm,omitempty"`
	Patch    *[3]int        `json:"patch,omitempty"`
	Labels   []cataloguedID `json:"labels,omitempty"`
	Licence  string         `json:"licence,omitempty"`
}

type cataloguedID struct {
	Value int    `json:"value"`
	Name  string `json:"name"`
	Color string `json:"color"`
}

// listModels answers with the models that are loaded.
func (h *Handler) listModels(x *exchange, _ *http.Request) error {
	list := []catalogued{}
	for _, e := range h.models.list() {
		m, err := h.models.acquire(e.Name, "")
		if fault := (*oip.Fault)(nil); errors.As(err, &fault) {
			continue
		}
		list = append(list, h.catalogue(m))
		h.release(m)
	}
	x.reply(http.StatusOK, map[string]any{"models": list})
	return nil
}

func (h *Handler) catalogue(m *served) catalogued {
	c := catalogued{Name: m.name, Version: m.version, Digest: m.Digest, Tasks: []string{}}
	spec := m.Spec
	if spec == nil {
		return c
	}
	c.Task = spec.Task
	if task := usualTask(spec.Task); task != "" {
		c.Tasks = []string{task}
	}
	if h.o.Explain != nil && len(c.Tasks) > 0 {
		c.Tasks, c.Methods = append(c.Tasks, taskAttribute), h.o.Methods
	}
	for _, ch := range spec.Input.Channels {
		c.Channels = append(c.Channels, ch.Name)
	}
	for _, step := range spec.Prepare {
		if s, ok := step.(transform.Spacing); ok {
			mm := [3]float64(s.MM)
			c.Spacing = &mm
		}
	}
	if spec.Tile != nil {
		c.Patch = &spec.Tile.Size
	}
	for _, l := range spec.Labels {
		c.Labels = append(c.Labels, cataloguedID{l.Value, l.Name, colorOf(l)})
	}
	if spec.Provenance != nil {
		c.Licence = spec.Provenance.Licence
	}
	return c
}

// usualTask returns the task of the volume API that a model does, "" for none.
func usualTask(t predict.Task) string {
	switch t {
	case predict.Segmentation:
		return taskSegment
	case predict.Classification:
		return taskClassify
	default:
		return ""
	}
}

// colorOf returns a label's colour as "#rrggbb": its own, or the one that pictures give it.
func colorOf(l predict.Label) string {
	if l.Color != "" {
		return l.Color
	}
	c := view.Color(l.Value)
	return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)
}
