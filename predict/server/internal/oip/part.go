package oip

import (
	"io"
	"slices"
	"strconv"

	"github.com/nitrain/nitrain/onnx"
)

// part is an input tensor of a request whose claims have been checked.
type part struct {
	info   onnx.ValueInfo
	shape  []int
	count  int
	binary bool
	size   int64 // of the binary data
	data   []byte
}

// checkInputs holds every tensor of a request against the model's inputs.
func checkInputs(given []tensorJSON, inputs []onnx.ValueInfo) ([]*part, error) {
	var parts []*part
	for i, t := range given {
		if slices.ContainsFunc(given[:i], func(o tensorJSON) bool { return o.Name == t.Name }) {
			return nil, Bad("input %s is given twice", quote(t.Name))
		}
		info, err := CheckInput(t.Name, t.Datatype, t.Shape, inputs)
		if err != nil {
			return nil, err
		}
		params, err := readParameters("input "+quote(t.Name), t.Parameters)
		if err != nil {
			return nil, err
		}
		p := &part{info: info, shape: t.Shape, data: t.Data}
		if p.count, err = onnx.Elements(t.Shape); err != nil {
			return nil, Bad("input %s: %v", quote(t.Name), err)
		}
		if err := p.claim(params.BinarySize); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, CheckComplete(len(parts), inputs, func(name string) bool {
		return slices.ContainsFunc(parts, func(p *part) bool { return p.info.Name == name })
	})
}

// claim checks the size of the binary data, or that there is JSON data.
func (p *part) claim(size *int64) error {
	name := quote(p.info.Name)
	hasJSON := len(p.data) > 0 && string(p.data) != "null"
	switch {
	case size == nil && !hasJSON:
		return Bad("input %s has neither data nor a binary_data_size", name)
	case size == nil:
		return nil
	case hasJSON:
		return Bad("input %s has data and a binary_data_size", name)
	case *size < 0:
		return Bad("input %s: binary_data_size %d is negative", name, *size)
	}
	p.binary, p.size = true, *size
	if p.info.DType == onnx.String {
		if least := 4 * int64(p.count); *size < least {
			return Bad("input %s: %d elements of BYTES have at least %d bytes, got %d", name, p.count, least, *size)
		}
		return nil
	}
	if want := int64(p.count) * int64(p.info.DType.Size()); *size != want {
		return Bad("input %s: %s of shape %v has %d bytes, binary_data_size is %d", name, Datatype(p.info.DType), p.shape, want, *size)
	}
	return nil
}

func (p *part) read(r io.Reader) (*onnx.Tensor, error) {
	name := quote(p.info.Name)
	if !p.binary {
		return parseTensor(name, p.info.DType, p.shape, p.count, p.data)
	}
	raw, err := readExact(r, p.size, "input "+name)
	if err != nil {
		return nil, err
	}
	return FromRaw(p.info.Name, p.info.DType, p.shape, raw)
}

// FromRaw returns a tensor over binary data, which it keeps.
func FromRaw(name string, dtype onnx.DType, shape []int, raw []byte) (*onnx.Tensor, error) {
	if dtype == onnx.String {
		return stringsFromRaw(name, shape, raw)
	}
	if dtype == onnx.Bool {
		for _, b := range raw {
			if b > 1 {
				return nil, Bad("input %s: want 0 or 1 for BOOL, got %d", quote(name), b)
			}
		}
	}
	t, err := onnx.NewTensor(dtype, shape, raw)
	if err != nil {
		return nil, Bad("input %s: %v", quote(name), err)
	}
	return t, nil
}

// CheckInput finds the model's input of that name and compares its type and shape with what was given.
func CheckInput(name, datatype string, shape []int, inputs []onnx.ValueInfo) (onnx.ValueInfo, error) {
	at := slices.IndexFunc(inputs, func(v onnx.ValueInfo) bool { return v.Name == name })
	if at < 0 {
		return onnx.ValueInfo{}, Bad("the model has no input %s", quote(name))
	}
	info := inputs[at]
	dtype, ok := ParseDatatype(datatype)
	if !ok || dtype != info.DType {
		return info, Bad("input %s: want %s, got %s", quote(name), Datatype(info.DType), quote(datatype))
	}
	if len(shape) > maxRank {
		return info, Bad("input %s: want at most %d axes, got %d", quote(name), maxRank, len(shape))
	}
	fits := info.Shape == nil || len(info.Shape) == len(shape)
	for i, d := range shape {
		if d < 0 {
			return info, Bad("input %s: shape %v has a negative size", quote(name), shape)
		}
		if fits && info.Shape != nil && info.Shape[i] >= 0 && info.Shape[i] != d {
			fits = false
		}
	}
	if !fits {
		return info, Bad("input %s: want the shape %v (-1 is free), got %v", quote(name), info.Shape, shape)
	}
	return info, nil
}

// CheckComplete refuses a request that lacks an input.
func CheckComplete(given int, inputs []onnx.ValueInfo, has func(name string) bool) error {
	if given == len(inputs) {
		return nil
	}
	for _, v := range inputs {
		if !has(v.Name) {
			return Bad("the request lacks input %s", quote(v.Name))
		}
	}
	return nil
}

// readRaw reads a body that is nothing but the one input's elements. At most one size of the shape may be
// free beside the first axis, which counts as 1.
func readRaw(b Body, inputs []onnx.ValueInfo) (*Request, error) {
	if len(inputs) != 1 {
		return nil, Bad("a raw body feeds a model with 1 input, this one has %d", len(inputs))
	}
	info := inputs[0]
	if info.Shape == nil || info.DType.Size() == 0 {
		return nil, Bad("input %s has no fixed shape and element size: a raw body does not say what it is", quote(info.Name))
	}
	var raw []byte
	var err error
	if b.Length >= 0 {
		raw, err = readExact(b.Reader, b.Length, "the raw body")
	} else {
		raw, err = io.ReadAll(b.Reader)
	}
	if err != nil {
		return nil, readFault(err, "the raw body")
	}
	shape, err := rawShape(info, len(raw))
	if err != nil {
		return nil, err
	}
	t, err := FromRaw(info.Name, info.DType, shape, raw)
	if err != nil {
		return nil, err
	}
	return &Request{Inputs: map[string]*onnx.Tensor{info.Name: t}, Binary: true}, b.end()
}

// rawShape fills the free sizes of a shape from the number of bytes.
func rawShape(info onnx.ValueInfo, size int) ([]int, error) {
	shape := slices.Clone(info.Shape)
	free, known := -1, info.DType.Size()
	for i, d := range shape {
		switch {
		case d >= 0:
			known *= d
		case i == 0 && len(shape) > 1 && slices.Contains(shape[1:], -1):
			shape[i] = 1
		case free >= 0:
			return nil, Bad("input %s has the shape %v: a raw body leaves open how long its axes are", quote(info.Name), info.Shape)
		default:
			free = i
		}
	}
	if free >= 0 && known > 0 && size%known == 0 {
		shape[free] = size / known
		known *= shape[free]
	}
	if free >= 0 && shape[free] < 0 || known != size {
		return nil, Bad("input %s has the shape %v of %s, which %d bytes do not fill", quote(info.Name), info.Shape, Datatype(info.DType), size)
	}
	return shape, nil
}

// quote shortens what a client sent, for messages.
func quote(s string) string {
	const most = 128
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.Quote(s)
}
