package oip

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// Request is one inference, by whatever protocol it came.
type Request struct {
	ID      string
	Inputs  map[string]*onnx.Tensor
	Outputs []Wanted // in the order of the answer; empty means all
	Binary  bool     // outputs that are not named travel as binary data
}

// Wanted is an output that was asked for.
type Wanted struct {
	Name   string
	Binary bool
}

// Limits bound what a request may take. Zero is no limit.
type Limits struct {
	Body int64 // bytes after decompression
	JSON int64 // bytes of JSON text, whose numbers take several times their binary size to read
}

// Body is where a request is read from.
type Body struct {
	io.Reader
	Header int64 // value of Inference-Header-Content-Length, -1 without
	Length int64 // bytes that Reader has, -1 for unknown
	Limits Limits
}

// maxRank is above what any model has.
const maxRank = 64

type requestJSON struct {
	ID         string          `json:"id"`
	Parameters json.RawMessage `json:"parameters"`
	Inputs     []tensorJSON    `json:"inputs"`
	Outputs    []outputJSON    `json:"outputs"`
}

type tensorJSON struct {
	Name       string          `json:"name"`
	Datatype   string          `json:"datatype"`
	Shape      []int           `json:"shape"`
	Parameters json.RawMessage `json:"parameters"`
	Data       json.RawMessage `json:"data"`
}

type outputJSON struct {
	Name       string          `json:"name"`
	Parameters json.RawMessage `json:"parameters"`
}

// parameters are those that this server understands; others are none of its business.
type parameters struct {
	BinarySize     *int64          `json:"binary_data_size"`
	Binary         *bool           `json:"binary_data"`
	BinaryOutput   bool            `json:"binary_data_output"`
	Classification json.RawMessage `json:"classification"`
	SharedMemory   json.RawMessage `json:"shared_memory_region"`
	SequenceID     json.RawMessage `json:"sequence_id"`
}

// Read reads an inference request for a model with those inputs and outputs. Every error is a [*Fault]. What
// the request claims is held against the model and the limits before memory is taken for it.
func Read(b Body, inputs, outputs []onnx.ValueInfo) (*Request, error) {
	if b.Header == 0 {
		return readRaw(b, inputs)
	}
	text, err := b.json()
	if err != nil {
		return nil, err
	}
	var in requestJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, Bad("the request is not JSON as the protocol wants it: %v", err)
	}
	top, err := readParameters("the request", in.Parameters)
	if err != nil {
		return nil, err
	}
	r := &Request{ID: in.ID, Binary: top.BinaryOutput, Inputs: map[string]*onnx.Tensor{}}
	if r.Outputs, err = readOutputs(in.Outputs, top.BinaryOutput, outputs); err != nil {
		return nil, err
	}
	parts, err := checkInputs(in.Inputs, inputs)
	if err != nil {
		return nil, err
	}
	if err := b.checkBinary(parts, len(text)); err != nil {
		return nil, err
	}
	for _, p := range parts {
		if r.Inputs[p.info.Name], err = p.read(b.Reader); err != nil {
			return nil, err
		}
	}
	return r, b.end()
}

// json reads the JSON part: what the header says, or all.
func (b Body) json() ([]byte, error) {
	limit := b.Limits.JSON
	if b.Header > 0 {
		if limit > 0 && b.Header > limit {
			return nil, TooLarge("the JSON of the request has %d bytes, the limit is %d", b.Header, limit)
		}
		if b.Length >= 0 && b.Header > b.Length {
			return nil, Bad("Inference-Header-Content-Length is %d, the body has %d bytes", b.Header, b.Length)
		}
		return readExact(b.Reader, b.Header, "the JSON of the request")
	}
	if limit > 0 && b.Length > limit {
		return nil, TooLarge("the JSON of the request has %d bytes, the limit is %d: send tensors as binary data", b.Length, limit)
	}
	r := b.Reader
	if limit > 0 {
		r = io.LimitReader(r, limit+1)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, readFault(err, "the request")
	}
	if limit > 0 && int64(len(text)) > limit {
		return nil, TooLarge("the JSON of the request has more than %d bytes: send tensors as binary data", limit)
	}
	return text, nil
}

// readExact reads n bytes. Memory grows with what arrives, whatever n promises.
func readExact(r io.Reader, n int64, what string) ([]byte, error) {
	const first = 16 << 20
	var buf bytes.Buffer
	buf.Grow(int(min(n, first)))
	if got, err := io.CopyN(&buf, r, n); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, Bad("%s: want %d bytes, got %d", what, n, got)
		}
		return nil, readFault(err, what)
	}
	return buf.Bytes(), nil
}

// readFault keeps a fault that a reader made, such as a body over the limit.
func readFault(err error, what string) error {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return TooLarge("the body has more than %d bytes", large.Limit)
	}
	return Bad("%s ends early: %v", what, err)
}

// checkBinary holds the sum of the binary parts against the limit and the body's length.
func (b Body) checkBinary(parts []*part, text int) error {
	total := int64(text)
	binary := false
	for _, p := range parts {
		if p.binary {
			binary = true
			total += p.size // cannot overflow: each is below 2^59 and there are as many as the model has inputs
		}
		if b.Limits.Body > 0 && total > b.Limits.Body {
			return TooLarge("the tensors of the request have more than %d bytes", b.Limits.Body)
		}
	}
	if binary && b.Header < 0 {
		return Bad("a tensor has a binary_data_size, the request has no Inference-Header-Content-Length")
	}
	if b.Length >= 0 && total != b.Length {
		return Bad("the JSON and the tensors that it describes have %d bytes, the body has %d", total, b.Length)
	}
	return nil
}

// end refuses bytes behind the last tensor.
func (b Body) end() error {
	var extra [1]byte
	switch n, err := io.ReadFull(b.Reader, extra[:]); {
	case n > 0:
		return Bad("the body goes on behind the last tensor")
	case !errors.Is(err, io.EOF):
		return readFault(err, "the request")
	}
	return nil
}

func readParameters(what string, raw json.RawMessage) (parameters, error) {
	var p parameters
	if len(raw) == 0 {
		return p, nil
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, Bad("parameters of %s: %v", what, err)
	}
	for name, given := range map[string]json.RawMessage{
		"classification": p.Classification, "shared_memory_region": p.SharedMemory, "sequence_id": p.SequenceID,
	} {
		if text := string(given); text != "" && text != "null" && text != "0" && text != `""` {
			return p, Faultf(http.StatusNotImplemented, "parameter %q of %s is not supported", name, what)
		}
	}
	return p, nil
}

func readOutputs(asked []outputJSON, binary bool, known []onnx.ValueInfo) ([]Wanted, error) {
	var wanted []Wanted
	for _, o := range asked {
		p, err := readParameters("output "+quote(o.Name), o.Parameters)
		if err != nil {
			return nil, err
		}
		w := Wanted{Name: o.Name, Binary: binary}
		if p.Binary != nil {
			w.Binary = *p.Binary
		}
		wanted = append(wanted, w)
	}
	return wanted, CheckOutputs(wanted, known)
}

// CheckOutputs refuses outputs that the model does not have and those asked for twice.
func CheckOutputs(wanted []Wanted, known []onnx.ValueInfo) error {
	for i, w := range wanted {
		if !slices.ContainsFunc(known, func(v onnx.ValueInfo) bool { return v.Name == w.Name }) {
			return Bad("the model has no output %s", quote(w.Name))
		}
		if slices.ContainsFunc(wanted[:i], func(v Wanted) bool { return v.Name == w.Name }) {
			return Bad("output %s is asked for twice", quote(w.Name))
		}
	}
	return nil
}
