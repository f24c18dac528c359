package onnx

import "slices"

// ExternalFiles returns the files of external data that the model's file names, each once and in the order of
// their first tensors: paths with slashes, relative to the model's folder, unchecked. No data is read.
func (m *Model) ExternalFiles() []string {
	var out []string
	for _, s := range m.externalSlots() {
		if !slices.Contains(out, s.old.where.path) {
			out = append(out, s.old.where.path)
		}
	}
	return out
}
