package oip

import (
	"encoding/binary"

	"github.com/nitrain/nitrain/onnx"
)

// stringsFromRaw reads BYTES elements: a length of 4 bytes, little endian, before each.
func stringsFromRaw(name string, shape []int, raw []byte) (*onnx.Tensor, error) {
	n, err := onnx.Elements(shape)
	if err != nil {
		return nil, Bad("input %s: %v", quote(name), err)
	}
	if n > len(raw)/4 {
		return nil, Bad("input %s: %d elements of BYTES have at least %d bytes, got %d", quote(name), n, 4*n, len(raw))
	}
	out := make([]string, 0, n)
	for len(raw) >= 4 && len(out) < n {
		size := int64(binary.LittleEndian.Uint32(raw))
		if size > int64(len(raw)-4) {
			return nil, Bad("input %s: element %d has %d bytes, %d are left", quote(name), len(out), size, len(raw)-4)
		}
		out = append(out, string(raw[4:4+size]))
		raw = raw[4+size:]
	}
	if len(raw) > 0 || len(out) != n {
		return nil, Bad("input %s: want %d elements of BYTES, got %d and %d bytes more", quote(name), n, len(out), len(raw))
	}
	return onnx.FromStrings(shape, out)
}

// Raw returns a tensor's elements as binary data.
func Raw(t *onnx.Tensor) ([]byte, error) {
	if t.DType() != onnx.String {
		return t.Bytes()
	}
	list, err := t.Strings()
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, s := range list {
		out = append(binary.LittleEndian.AppendUint32(out, uint32(len(s))), s...)
	}
	return out, nil
}
