package convert

import (
	"context"
	"encoding/json"
	"errors"
	"math"

	"github.com/nitrain/nitrain/onnx"
)

// CheckOptions says what CheckModel compares with.
type CheckOptions struct {
	// Truth is a model without nodes whose initializers are the truth ("out:Y", "gpar:W", "curve", ...), or nil.
	Truth *onnx.Model
	// Open loads a model into another runtime, for parity; nil leaves parity out. The model may be changed
	// afterwards; the caller of CheckModel closes what it opened.
	Open func(m *onnx.Model) (onnx.Runner, error)
	// Seed draws inputs and directions.
	Seed uint64
}

// CheckReport is what CheckModel finds; parts that were not looked at are nil. Its JSON is that of
// "nitrain check --json".
type CheckReport struct {
	Model      string         `json:"model,omitempty"`
	OK         bool           `json:"ok"`
	Structure  *Structure     `json:"structure,omitempty"`
	Import     *ImportSummary `json:"import,omitempty"`
	Parity     *Deviation     `json:"parity,omitempty"`
	Derivative *Deviation     `json:"derivative,omitempty"`
	Roundtrip  *Roundtrip     `json:"roundtrip,omitempty"`
	Against    *Against       `json:"against,omitempty"`
}

// Structure lists what breaks the rules of ONNX.
type Structure struct {
	Errors   []string `json:"errors"`
	Warnings []string `json:"warnings,omitempty"`
}

// ImportSummary tells whether the model imports, and what it holds, in numbers (elements, not tensors).
type ImportSummary struct {
	OK          bool     `json:"ok"`
	Error       string   `json:"error,omitempty"`
	Unsupported []string `json:"unsupported"`
	Parameters  struct {
		Trainable int `json:"trainable"`
		Frozen    int `json:"frozen"`
		State     int `json:"state"`
	} `json:"parameters"`
}

// Deviation is the largest relative difference of a comparison.
type Deviation struct {
	MaxRel   Rel    `json:"max_rel"`
	Compared int    `json:"compared,omitempty"`
	Worst    string `json:"worst,omitempty"`
	Error    string `json:"error,omitempty"`
	// Node is the first node whose values differ though its inputs agree, where Prove looked for it. Note says
	// why a difference does not count: values that a discrete or random node was given agree, and no more can.
	Node string `json:"node,omitempty"`
	Note string `json:"note,omitempty"`
	ok   bool
}

// OK reports whether the difference is within the limit of its comparison.
func (d *Deviation) OK() bool { return d.ok }

// Rel is a relative difference. One that is not finite becomes null in JSON.
type Rel float64

// MarshalJSON writes null for what JSON has no number for.
func (r Rel) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(r)) || math.IsInf(float64(r), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(r))
}

// Roundtrip tells whether writing untouched weights back gives the source's bytes.
type Roundtrip struct {
	Identical bool   `json:"identical"`
	Error     string `json:"error,omitempty"`
}

// Against holds the comparisons with a truth file.
type Against struct {
	Forward  *Deviation      `json:"forward,omitempty"`
	Forward2 *Deviation      `json:"forward2,omitempty"`
	Gradient *GradientReport `json:"gradient,omitempty"`
	Curve    *Curve          `json:"curve,omitempty"`
	After    *Deviation      `json:"after,omitempty"`
}

// GradientReport compares gradients with respect to inputs and to parameters.
type GradientReport struct {
	Inputs     *Deviation `json:"inputs,omitempty"`
	Parameters *Deviation `json:"parameters,omitempty"`
	// Float64 says that the numbers are those of the same graph in float64 on the reference engine; Float32
	// holds those of the training engine. See examination.gradient.
	Float64 bool            `json:"float64,omitempty"`
	Float32 *GradientReport `json:"float32,omitempty"`

	astray float64
}

// Curve compares the losses of a short training.
type Curve struct {
	Steps  int    `json:"steps"`
	MaxRel Rel    `json:"max_rel"`
	Limit  Rel    `json:"limit"`
	Error  string `json:"error,omitempty"`
	// Float64 says that curve and after are those of a training in float64 on the reference engine; Float32
	// is the curve's difference on the training engine. See examination.curve.
	Float64 bool `json:"float64,omitempty"`
	Float32 Rel  `json:"float32,omitempty"`
	ok      bool
}

// The limits of the comparisons, for float32 and for graphs with half precision.
const (
	forwardLimit      = 1e-4
	forwardHalfLimit  = 1e-2
	gradientLimit     = 1e-3
	gradientHalfLimit = 2e-2
	derivativeLimit   = 1e-2
	curveLimit        = 1e-3
)

// ErrNoTruth says that a truth file holds nothing that a model could be compared with.
var ErrNoTruth = errors.New("convert: truth: want tensors named out:, out2:, cot: or target:, got none")

// CheckModel examines a model: its structure, its import, parity of the training graph with another
// runtime on random input, derivatives against central differences, and that writing untouched weights
// back changes nothing; with a truth, everything that it holds. An error means that the examination itself
// could not be made; what fails is in the report.
func CheckModel(ctx context.Context, b *Backend, m *onnx.Model, o CheckOptions) (*CheckReport, error) {
	r := &CheckReport{Structure: &Structure{Errors: []string{}}}
	for _, v := range onnx.Check(m) {
		if v.Warning {
			r.Structure.Warnings = append(r.Structure.Warnings, v.String())
		} else {
			r.Structure.Errors = append(r.Structure.Errors, v.String())
		}
	}
	before, err := onnx.Encode(m)
	if err != nil {
		return nil, err
	}
	g, err := Import(m, ImportOptions{Parameters: parametersOf(o.Truth)})
	r.Import = summary(g, err)
	if err != nil {
		return r, ctx.Err()
	}
	e := &examination{graph: g, backend: b, options: o, half: hasHalf(m)}
	if o.Truth != nil {
		r.Against = e.against(ctx)
		if *r.Against == (Against{}) && ctx.Err() == nil {
			return nil, ErrNoTruth
		}
		r.OK = r.Against.ok()
		return r, ctx.Err()
	}
	if o.Open != nil {
		r.Parity = e.parity(ctx)
	}
	r.Derivative = e.derivative(ctx)
	r.Roundtrip = roundtrip(g, before)
	r.OK = len(r.Structure.Errors) == 0 && (r.Parity == nil || r.Parity.ok) && r.Derivative.ok && r.Roundtrip.Identical
	return r, ctx.Err()
}

// summary counts parameters.
func summary(g *Graph, err error) *ImportSummary {
	s := &ImportSummary{Unsupported: []string{}}
	if err != nil {
		s.Error = err.Error()
		if u := asUnsupported(err); u != nil {
			for _, n := range u.Nodes {
				s.Unsupported = append(s.Unsupported, (&UnsupportedError{Nodes: []Unsupported{n}}).Error())
			}
		}
		return s
	}
	s.OK = true
	for _, p := range g.Params() {
		switch {
		case p.State:
			s.Parameters.State += p.Len()
		case p.Trainable:
			s.Parameters.Trainable += p.Len()
		default:
			s.Parameters.Frozen += p.Len()
		}
	}
	return s
}

// hasHalf says whether a model stores half-precision numbers.
func hasHalf(m *onnx.Model) bool {
	for _, i := range m.Graph().Initializers {
		if half(i.Tensor.DType()) {
			return true
		}
	}
	return false
}

// roundtrip exports without a change and compares bytes.
func roundtrip(g *Graph, before []byte) *Roundtrip {
	m, err := g.Export()
	if err != nil {
		return &Roundtrip{Error: err.Error()}
	}
	after, err := onnx.Encode(m)
	if err != nil {
		return &Roundtrip{Error: err.Error()}
	}
	return &Roundtrip{Identical: string(before) == string(after)}
}
