package register

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

// matHeader begins each matrix of a MATLAB level 4 file (MAT-File Format, The MathWorks, chapter on level 4).
type matHeader struct {
	Type, Rows, Columns, Imaginary, NameLength int32
}

// mat returns the transform as ITK's MatlabTransformIO writes it: a column of parameters under the type's name, and
// one of fixed parameters.
func (t itkTransform) mat() []byte {
	var b bytes.Buffer
	for _, m := range []struct {
		name   string
		values []float64
	}{{t.name + "_double_3_3", t.parameters}, {"fixed", t.fixed}} {
		fields := []any{matHeader{Rows: int32(len(m.values)), Columns: 1, NameLength: int32(len(m.name) + 1)}, append([]byte(m.name), 0), m.values}
		for _, f := range fields {
			b.Grow(binary.Size(f))
			b.Write(appendLE(nil, f))
		}
	}
	return b.Bytes()
}

func appendLE(dst []byte, v any) []byte {
	out, err := binary.Append(dst, binary.LittleEndian, v)
	if err != nil { // fixed-size values only
		return dst
	}
	return out
}

// parseMAT reads the pairs of matrices, in either byte order, of double or single precision.
func parseMAT(data []byte) ([]itkTransform, error) {
	bad := func(got string) error {
		return &FormatError{Field: "format", Want: "an ITK transform file", Got: got}
	}
	var list []itkTransform
	for len(data) > 0 {
		const size = 20
		if len(data) < size {
			return nil, bad(fmt.Sprintf("%d bytes that are neither its text nor a MATLAB matrix", len(data)))
		}
		order, h := binary.ByteOrder(binary.LittleEndian), matHeader{}
		if data[0] == 0 && data[1] == 0 && (data[2] != 0 || data[3] != 0) {
			order = binary.BigEndian
		}
		if _, err := binary.Decode(data, order, &h); err != nil {
			return nil, bad("a short header")
		}
		width := 8
		switch h.Type % 1000 {
		case 0:
		case 10:
			width = 4
		default:
			return nil, bad("something else")
		}
		if h.Type/1000 > 1 || h.Type < 0 || h.Rows < 0 || h.Columns < 0 || h.Imaginary != 0 || h.NameLength < 1 || h.NameLength > 200 ||
			int64(h.Rows)*int64(h.Columns) > 1000 {
			return nil, bad("something else")
		}
		n := int(h.Rows) * int(h.Columns)
		data = data[size:]
		if len(data) < int(h.NameLength)+n*width {
			return nil, &FormatError{Field: "matrix", Want: fmt.Sprintf("%d bytes", int(h.NameLength)+n*width), Got: strconv.Itoa(len(data))}
		}
		name := string(bytes.TrimRight(data[:h.NameLength], "\x00"))
		data = data[h.NameLength:]
		values := make([]float64, n)
		for i := range values {
			if width == 8 {
				values[i] = math.Float64frombits(order.Uint64(data[8*i:]))
			} else {
				values[i] = float64(math.Float32frombits(order.Uint32(data[4*i:])))
			}
			if math.IsNaN(values[i]) || math.IsInf(values[i], 0) {
				return nil, &FormatError{Field: "matrix", Want: "finite numbers", Got: fmt.Sprint(values[i])}
			}
		}
		data = data[n*width:]
		if name == "fixed" {
			if len(list) == 0 {
				return nil, &FormatError{Field: "fixed", Want: "a transform before it", Got: "none"}
			}
			list[len(list)-1].fixed = values
			continue
		}
		kind, err := splitName(name)
		if err != nil {
			return nil, err
		}
		list = append(list, itkTransform{name: kind, parameters: values})
	}
	return list, nil
}
