package onnx

// Verbatim reports whether m would be written as one copy of its source.
func Verbatim(m *Model) (bool, error) {
	body, err := newEncoder().model(m)
	if err != nil {
		return false, err
	}
	return body.Verbatim(m.from.src, m.from.body), nil
}
