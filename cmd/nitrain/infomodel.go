package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// modelInfo is what info tells about a model.
type modelInfo struct {
	onnx.Description
	Warnings []string      `json:"warnings"`
	Spec     *predict.Spec `json:"spec,omitempty"`
}

func (a *app) infoModel(path string) error {
	m, err := onnx.ReadFile(path)
	if err != nil {
		return err
	}
	defer m.Close()
	info := modelInfo{Description: onnx.Describe(m), Warnings: append([]string{}, m.Warnings()...)}
	spec, err := predict.ReadSpec(m)
	switch {
	case err == nil:
		info.Spec = &spec
	case !errors.Is(err, predict.ErrNoSpec):
		info.Warnings = append(info.Warnings, err.Error())
	}
	return a.result(info, func(w io.Writer) {
		printModel(w, info.Description)
		printSpec(w, info.Spec)
		for _, warning := range info.Warnings {
			fmt.Fprintf(w, "warning     %s\n", warning)
		}
	})
}

func printModel(w io.Writer, d onnx.Description) {
	opsets := make([]string, 0, len(d.Opsets))
	for _, domain := range slices.Sorted(maps.Keys(d.Opsets)) {
		opsets = append(opsets, strings.TrimSpace(fmt.Sprintf("%s %d", domain, d.Opsets[domain])))
	}
	fmt.Fprintf(w, "model       ONNX IR %d, opset %s, from %s %s\n", d.IRVersion, strings.Join(opsets, ", "), d.Producer, d.Exporter)
	for _, p := range d.Inputs {
		fmt.Fprintf(w, "input       %s %s [%s]\n", p.Name, p.Type, strings.Join(p.Shape, ", "))
	}
	for _, p := range d.Outputs {
		fmt.Fprintf(w, "output      %s %s [%s]\n", p.Name, p.Type, strings.Join(p.Shape, ", "))
	}
	if d.Task.Name != "" {
		fmt.Fprintf(w, "task        %s, %d channels%s (a guess from the graph)\n", d.Task.Name, d.Task.Channels, after(", ", d.Task.Activation))
	}
	for _, h := range d.Heads {
		fmt.Fprintf(w, "head        %s %s: %d classes, weight %s\n", h.Op, h.Node, h.Classes, firstOf(h.Alias, h.Weight))
	}
	p := d.Parameters
	fmt.Fprintf(w, "parameters  %d train, %d frozen, %d state; %.1f MB %s\n", p.Trainable, p.Frozen, p.State, float64(p.Bytes)/1e6, strings.Join(p.Types, ", "))
	for _, m := range p.Modules {
		fmt.Fprintf(w, "            %-28s %d train, %d frozen, %d state\n", m.Module, m.Trainable, m.Frozen, m.State)
	}
	for _, q := range d.Quirks {
		fmt.Fprintf(w, "exporter    %s\n", q.Text)
	}
}

func printSpec(w io.Writer, s *predict.Spec) {
	if s == nil {
		fmt.Fprintln(w, "spec        none")
		return
	}
	names := make([]string, len(s.Labels))
	for i, l := range s.Labels {
		names[i] = fmt.Sprintf("%d %s", l.Value, l.Name)
	}
	fmt.Fprintf(w, "spec        %s, layout %s, %d steps of preparation\n", s.Task, s.Input.Layout, len(s.Prepare))
	if s.Tile != nil {
		fmt.Fprintf(w, "windows     %s voxels\n", joined(s.Tile.Size[:], " x "))
	}
	fmt.Fprintf(w, "labels      %s\n", strings.Join(names, ", "))
	if p := s.Provenance; p != nil && p.Source != "" {
		fmt.Fprintf(w, "source      %s%s\n", p.Source, after(", sha256 ", p.SHA256))
	}
}

func after(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
