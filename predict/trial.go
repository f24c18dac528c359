package predict

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nitrain/nitrain/internal/child"
	"github.com/nitrain/nitrain/internal/proc"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
)

// trialVariable tells a child process that it is one; its value is a trial in JSON.
const trialVariable = "NITRAIN_PREDICT_TRIAL"

// slowRun is how long a run of the probe tile may take, in seconds, to be done twice.
const slowRun = 5

// trialReady is set once TrialMain has run: only then does a child of this program know what to do.
var trialReady atomic.Bool //nolint:gochecknoglobals // a fact about the process

// trial is a model run on a probe tile in a child process: a crash, and the memory of a provider that is not taken, cost
// this process nothing.
type trial struct {
	Path     string      `json:"path"`
	Provider string      `json:"provider"`
	Options  ort.Options `json:"options"`
	Input    string      `json:"input"`
	Output   string      `json:"output"` // "": the first
	Shape    []int       `json:"shape"`
	Into     string      `json:"into"`   // file for the output, as float32
	Memory   int64       `json:"memory"` // bytes that the child may take
	Part     bool        `json:"part"`   // the model will see more than this
}

// outcome is what a child says of a trial.
type outcome struct {
	Ran     bool    `json:"ran"`
	Seconds float64 `json:"seconds"` // of the faster run
	Peak    int64   `json:"peak"`    // bytes resident
	Shape   []int   `json:"shape"`   // of the output
	Error   string  `json:"error,omitempty"`
	Hint    string  `json:"hint,omitempty"`
}

// TrialMain is called first thing in main, and in the TestMain of packages that open models with [Auto]. It returns at
// once, except in the child process that tries a provider: there it runs the model and ends the process. A program that
// does not call it gets the plain provider from Auto.
func TrialMain() {
	asked := os.Getenv(trialVariable)
	if asked == "" {
		trialReady.Store(true)
		return
	}
	var t trial
	var got outcome
	err := json.Unmarshal([]byte(asked), &t)
	if err == nil {
		go child.EndWithParent()
		got, err = t.serve()
	}
	if got.Ran = err == nil; !got.Ran {
		got.Error = err.Error()
		var h interface{ Hint() string }
		if errors.As(err, &h) {
			got.Hint = h.Hint()
		}
	}
	line, _ := json.Marshal(got) // a struct of numbers and strings
	_, _ = os.Stdout.Write(append(line, '\n'))
	os.Exit(0) //nolint:forbidigo // the child process has answered; the program's main must not run in it
}

// serve runs the trial in this process.
func (t trial) serve() (outcome, error) {
	if err := child.LimitMemory(t.Memory); err != nil {
		return outcome{}, err
	}
	m, err := openWith(t.Path, t.Provider, t.Options)
	if err != nil {
		return outcome{}, err
	}
	in, err := t.tile(m.Inputs())
	if err != nil {
		return outcome{}, err
	}
	var got outcome
	var out map[string]*onnx.Tensor
	// The first run also plans, compiles and touches memory for the first time. A slow model is judged by it alone, and
	// onnxruntime's plain provider, which does little of that.
	for range 2 {
		start := time.Now()
		if out, err = m.Run(context.Background(), in); err != nil {
			return outcome{}, err
		}
		took := time.Since(start).Seconds()
		if got.Seconds == 0 || took < got.Seconds {
			got.Seconds = took
		}
		if took > slowRun || took > 0.5 && t.Provider == CPU {
			break
		}
	}
	got.Peak = proc.Peak()
	got.Shape, err = t.keep(out, m.Outputs())
	return got, errors.Join(err, m.close())
}

// keep writes the output that counts to the file that was asked for.
func (t trial) keep(out map[string]*onnx.Tensor, infos []onnx.ValueInfo) ([]int, error) {
	name := t.Output
	if name == "" && len(infos) > 0 {
		name = infos[0].Name
	}
	y := out[name]
	if y == nil {
		return nil, fmt.Errorf("no output %q", name)
	}
	y, _, err := y.Convert(onnx.Float32)
	if err != nil {
		return nil, err
	}
	raw, err := y.Bytes()
	if err != nil {
		return nil, err
	}
	return y.Shape(), os.WriteFile(t.Into, raw, 0o600)
}

// tile makes the probe: soft shapes of different sizes with noise over them, the same at every time. A model that
// normalises or segments meets edges, flat parts and both signs.
func (t trial) tile(inputs []onnx.ValueInfo) (map[string]*onnx.Tensor, error) {
	kind := onnx.Float32
	for _, in := range inputs {
		if in.Name == t.Input {
			kind = in.DType
		}
	}
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]float32, n)
	wave := make([][]float64, len(t.Shape))
	for a, d := range t.Shape {
		wave[a] = make([]float64, d)
		for i := range wave[a] {
			at := float64(i) / float64(max(d, 2))
			wave[a][i] = math.Sin(2*math.Pi*at*float64(a+1)+float64(a)) + 0.5*math.Sin(14*math.Pi*at)
		}
	}
	for i := range values {
		v, rest := 0.3*rng.NormFloat64(), i
		for a, d := range slices.Backward(t.Shape) {
			v += wave[a][rest%d] / 2
			rest /= d
		}
		values[i] = float32(v)
	}
	x, err := onnx.FromFloat32(t.Shape, values)
	if err == nil {
		x, _, err = x.Convert(kind)
	}
	return map[string]*onnx.Tensor{t.Input: x}, err
}

// run tries in a child process.
func (t trial) run(ctx context.Context) (outcome, error) {
	asked, err := json.Marshal(t)
	if err != nil {
		return outcome{}, err
	}
	stdout, stderr, err := child.Run(ctx, trialVariable, string(asked), nil)
	lines := strings.Split(strings.TrimSpace(string(stdout)), "\n")
	var got outcome
	if json.Unmarshal([]byte(lines[len(lines)-1]), &got) != nil {
		said, _, _ := strings.Cut(strings.TrimSpace(string(stderr)), "\n")
		if ctx.Err() != nil {
			said = "it took too long"
		}
		return outcome{}, fmt.Errorf("it ended without an answer (%w): %s", err, said[:min(len(said), 300)])
	}
	if !got.Ran {
		return got, &trialError{got.Error, got.Hint}
	}
	return got, nil
}

// trialError is an error that a child had.
type trialError struct{ text, hint string }

func (e *trialError) Error() string { return e.text }
func (e *trialError) Hint() string  { return e.hint }
