package ort

import (
	"encoding/binary"

	"github.com/nitrain/nitrain/onnx"
)

// message is a protobuf message being written. Field numbers are those of onnx.proto.
type message []byte

func (m *message) varint(field int, v int64) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3)
	*m = binary.AppendUvarint(*m, uint64(v))
}

func (m *message) bytes(field int, b []byte) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3|2)
	*m = binary.AppendUvarint(*m, uint64(len(b)))
	*m = append(*m, b...)
}

func (m *message) text(field int, s string)       { m.bytes(field, []byte(s)) }
func (m *message) message(field int, sub message) { m.bytes(field, sub) }

// node is a NodeProto with one output and at most one integer attribute.
func node(op string, inputs []string, output, attribute string, value int64) message {
	var n message
	for _, in := range inputs {
		n.text(1, in)
	}
	n.text(2, output)
	n.text(3, output) // name
	n.text(4, op)
	if attribute != "" {
		var a message
		a.text(1, attribute)
		a.varint(3, value)
		a.varint(20, 2) // type: INT
		n.message(5, a)
	}
	return n
}

// tensorInfo is a ValueInfoProto; -1 is a free size, a nil shape leaves the rank open.
func tensorInfo(name string, dtype onnx.DType, shape []int) message {
	var tensor, typ, info message
	tensor.varint(1, int64(dtype))
	if shape != nil {
		var s message
		for _, d := range shape {
			var dim message
			if d >= 0 {
				dim.varint(1, int64(d))
			}
			s.message(1, dim)
		}
		tensor.message(2, s)
	}
	typ.message(1, tensor)
	info.text(1, name)
	info.message(2, typ)
	return info
}

// int64Tensor is a TensorProto with one axis.
func int64Tensor(name string, values ...int64) message {
	var t message
	t.varint(1, int64(len(values)))
	t.varint(2, int64(onnx.Int64))
	for _, v := range values {
		t.varint(7, v)
	}
	t.text(8, name)
	return t
}
