package oip

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strconv"

	"github.com/nitrain/nitrain/onnx"
)

// Response is the answer to a Request.
type Response struct {
	Model, Version, ID string
	Outputs            []Output
}

// Output is a named tensor of an answer.
type Output struct {
	Name   string
	Binary bool
	Tensor *onnx.Tensor
}

// Pick returns the outputs that a request asks for, in its order, from all that the model computed.
func (r *Request) Pick(all map[string]*onnx.Tensor, order []onnx.ValueInfo) ([]Output, error) {
	wanted := r.Outputs
	if len(wanted) == 0 {
		for _, v := range order {
			wanted = append(wanted, Wanted{Name: v.Name, Binary: r.Binary})
		}
	}
	out := make([]Output, len(wanted))
	for i, w := range wanted {
		t := all[w.Name]
		if t == nil {
			return nil, Faultf(http.StatusInternalServerError, "the model gave no output %s", quote(w.Name))
		}
		out[i] = Output{Name: w.Name, Binary: w.Binary, Tensor: t}
	}
	return out, nil
}

// Encoded is an answer's JSON and the binary parts behind it.
type Encoded struct {
	JSON   []byte
	Binary [][]byte
}

// Size returns the number of bytes of the whole body.
func (e *Encoded) Size() int64 {
	n := int64(len(e.JSON))
	for _, b := range e.Binary {
		n += int64(len(b))
	}
	return n
}

// WriteTo writes the body.
func (e *Encoded) WriteTo(w io.Writer) (int64, error) {
	var sum int64
	for _, b := range append([][]byte{e.JSON}, e.Binary...) {
		n, err := w.Write(b)
		sum += int64(n)
		if err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// Encode returns the body of an answer.
func (r *Response) Encode() (*Encoded, error) {
	e := &Encoded{}
	b := []byte(`{"model_name":`)
	b = appendString(b, r.Model)
	b = append(b, `,"model_version":`...)
	b = appendString(b, r.Version)
	if r.ID != "" {
		b = append(b, `,"id":`...)
		b = appendString(b, r.ID)
	}
	b = append(b, `,"outputs":[`...)
	for i, o := range r.Outputs {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = e.append(b, o); err != nil {
			return nil, err
		}
	}
	e.JSON = append(b, `]}`...)
	return e, nil
}

func (e *Encoded) append(b []byte, o Output) ([]byte, error) {
	b = append(b, `{"name":`...)
	b = appendString(b, o.Name)
	b = append(b, `,"datatype":`...)
	b = appendString(b, Datatype(o.Tensor.DType()))
	b = append(b, `,"shape":[`...)
	for i, d := range o.Tensor.Shape() {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(d), 10)
	}
	b = append(b, ']')
	if o.Binary {
		raw, err := Raw(o.Tensor)
		if err != nil {
			return nil, err
		}
		e.Binary = append(e.Binary, raw)
		b = append(b, `,"parameters":{"binary_data_size":`...)
		return append(strconv.AppendInt(b, int64(len(raw)), 10), `}}`...), nil
	}
	b = append(b, `,"data":[`...)
	b, err := appendData(b, o)
	return append(b, `]}`...), err
}

func appendString(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string always has a JSON form
	return append(b, text...)
}

// appendData writes elements as a flat list. Floats are the shortest decimals that read back as the same bits.
func appendData(b []byte, o Output) ([]byte, error) {
	t := o.Tensor
	switch d := t.DType(); {
	case d == onnx.String:
		list, err := t.Strings()
		for i, s := range list {
			b = appendString(comma(b, i), s)
		}
		return b, err
	case d == onnx.Float32 || d == onnx.Float64:
		return appendFloats(b, o)
	case d == onnx.Bool:
		raw, err := t.Bytes()
		for i, v := range raw {
			b = strconv.AppendBool(comma(b, i), v != 0)
		}
		return b, err
	case d == onnx.Uint64:
		raw, err := t.Bytes()
		for i := range len(raw) / 8 {
			b = strconv.AppendUint(comma(b, i), binary.LittleEndian.Uint64(raw[8*i:]), 10)
		}
		return b, err
	case d.Integer():
		list, err := t.Int64()
		for i, v := range list {
			b = strconv.AppendInt(comma(b, i), v, 10)
		}
		return b, err
	default:
		return b, Bad("output %s: %s travels as binary data only: ask for binary_data", quote(o.Name), Datatype(d))
	}
}

func appendFloats(b []byte, o Output) ([]byte, error) {
	raw, err := o.Tensor.Bytes()
	if err != nil {
		return b, err
	}
	size := o.Tensor.DType().Size()
	for i := range len(raw) / size {
		v := float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[size*i:])))
		if size == 8 {
			v = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return b, Bad("output %s holds %v, which JSON cannot: ask for binary_data", quote(o.Name), v)
		}
		b = strconv.AppendFloat(comma(b, i), v, 'g', -1, 8*size)
	}
	return b, nil
}

func comma(b []byte, i int) []byte {
	if i == 0 {
		return b
	}
	return append(b, ',')
}
