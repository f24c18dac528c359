package predict

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nitrain/nitrain/internal/native"
	"github.com/nitrain/nitrain/onnx"
)

// quick is how long, in seconds, a tile takes at most in the plain provider for no other to be tried: what could be won is
// less than what trying costs.
const quick = 0.03

// nearly is how many times as long as the fastest a provider may take that takes less memory, and is taken for that.
const nearly = 1.25

// candidate is a provider that was tried with every model.
type candidate struct {
	name    string
	seconds float64 // of a tile, all models together
	peak    int64   // bytes of the largest model's process
	agreement
	fault string // why it cannot be taken, "" if it can
}

// choose finds what runs the models, from what an earlier process found or by trying. It reports too whether every model
// has run in a process of its own.
func choose(ctx context.Context, spec *Spec, paths []string, known memory, o Options) (c Choice, tried bool) {
	if _, flat := spec.Input.Layout.Missing(); flat {
		return Choice{Name: CPU, Why: "a 2-D model"}, false
	}
	if !trialReady.Load() {
		return Choice{Name: CPU, Why: "this program does not call predict.TrialMain and cannot try others"}, false
	}
	names := []string{CPU, Engine}
	if _, err := native.Library(native.OpenVINO); err == nil && o.Library == "" {
		names = append(names, OpenVINO)
	}
	if native.GPUs().Devices > 0 {
		names = append(names, CUDA)
	}
	var trials []trial
	for _, path := range paths {
		t, err := spec.trial(path, o)
		if err != nil {
			return Choice{Name: CPU, Why: "no other can be tried: " + err.Error()}, false
		}
		trials = append(trials, t)
	}
	want := strictness{exact: o.Probabilities || spec.Task != Segmentation, part: partly(trials)}
	key := choiceKey(spec, trials, names, want, o)
	if c, ok := known.choice(key); ok {
		c.Remembered = true
		return c, true
	}
	all, err := tryAll(ctx, spec, trials, names, want)
	if err != nil {
		return Choice{Name: CPU, Why: "no other can be tried: " + err.Error()}, false
	}
	c = decide(all, o.Memory)
	known.keep(key, c)
	return c, true
}

// choiceKey tells apart what a choice depends on beside the models themselves.
func choiceKey(spec *Spec, trials []trial, names []string, want strictness, o Options) string {
	var parts []string
	for _, t := range trials {
		parts = append(parts, fmt.Sprint(t.Shape, t.Input, t.Output))
	}
	host, _ := os.Hostname() // a cache folder may be shared by machines
	parts = append(parts, fmt.Sprint(spec.Task, spec.Decode.Pick, spec.Decode.Threshold, spec.Decode.Activation), strings.Join(names, " "),
		strconv.Itoa(threads(o)), strconv.FormatInt(o.Memory, 10), libraryID(o.Library), native.OpenVINOVersion, engineVersion, host, fmt.Sprint(want))
	return strings.Join(parts, "; ")
}

// engineVersion changes when the engine's speed or arithmetic does.
const engineVersion = "engine 1"

func threads(o Options) int {
	if o.Threads > 0 {
		return o.Threads
	}
	return runtime.GOMAXPROCS(0)
}

// trial describes a run of a model file on one tile of the Spec; a model without a tile sees 64 voxels along each axis
// that it leaves free.
func (s *Spec) trial(path string, o Options) (trial, error) {
	m, err := onnx.ReadFile(path)
	if err != nil {
		return trial{}, err
	}
	inputs := m.Inputs()
	if err := m.Close(); err != nil {
		return trial{}, err
	}
	at := slices.IndexFunc(inputs, func(v onnx.ValueInfo) bool { return s.Input.Name == "" || v.Name == s.Input.Name })
	if at < 0 || len(inputs) != 1 {
		return trial{}, errors.New("the model's inputs are not the Spec's")
	}
	in := inputs[at]
	shape := []int{1, len(s.Input.Channels) * s.Input.stack()}
	size := [3]int{64, 64, 64}
	if s.Tile != nil {
		for a, n := range s.Tile.Size {
			if n > 0 {
				size[a] = n
			}
		}
	}
	shape = append(shape, s.Input.Layout.Shape(size)...)
	if in.Shape != nil && len(in.Shape) != len(shape) {
		return trial{}, fmt.Errorf("input %q has %d axes, want %d", in.Name, len(in.Shape), len(shape))
	}
	for a, n := range in.Shape {
		if n > 0 {
			shape[a] = n
		}
	}
	run := o.Options
	run.Untrusted, run.Threads = false, threads(o)
	free := s.Tile == nil || slices.Contains(s.Tile.Size[:], 0)
	t := trial{Path: path, Part: free && (in.Shape == nil || slices.Contains(in.Shape[2:], -1)), Options: run, Input: in.Name, Output: s.Decode.Output, Shape: shape, Memory: o.ProbeMemory}
	if t.Memory == 0 {
		t.Memory = max(8<<30, 2*o.Memory)
	}
	return t, nil
}

// partly reports whether a model will see more than its probe.
func partly(trials []trial) bool {
	return slices.ContainsFunc(trials, func(t trial) bool { return t.Part })
}

// tryAll runs every trial with every provider, the plain one first. Only an error of the plain one is an error.
func tryAll(ctx context.Context, spec *Spec, trials []trial, names []string, want strictness) ([]candidate, error) {
	dir, err := os.MkdirTemp("", "nitrain-trial-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var all []candidate
	limit := 10 * time.Minute
	for _, name := range names {
		c := candidate{name: name}
		for i, t := range trials {
			truth := filepath.Join(dir, fmt.Sprint(CPU, i))
			t.Provider, t.Into = name, filepath.Join(dir, fmt.Sprint(name, i))
			if c.try(ctx, spec, t, limit, truth, want); c.fault != "" {
				break
			}
		}
		all = append(all, c)
		if name == CPU {
			if c.fault != "" {
				return nil, errors.New(c.fault)
			}
			if c.seconds < quick*float64(len(trials)) {
				break
			}
			limit = time.Minute + time.Duration(10*c.seconds*float64(time.Second))
		}
	}
	return all, ctx.Err()
}

// try adds one trial to what is known of a provider.
func (c *candidate) try(ctx context.Context, spec *Spec, t trial, limit time.Duration, truth string, want strictness) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	got, err := t.run(ctx)
	if err != nil {
		c.fault = err.Error()
		return
	}
	c.seconds += got.Seconds
	c.peak = max(c.peak, got.Peak)
	if t.Provider == CPU {
		return
	}
	a, err := spec.compareFiles(t.Into, truth, got.Shape)
	if err != nil {
		c.fault = err.Error()
		return
	}
	c.agreement = c.worst(a)
	c.fault = a.fault(want)
	if err := os.Remove(t.Into); err != nil && c.fault == "" {
		c.fault = err.Error()
	}
}

// decide takes the fastest provider that agrees and keeps the memory, of several nearly as fast the one that takes the
// least. Where none keeps the memory the smallest is taken.
func decide(all []candidate, memory int64) Choice {
	var fit []candidate
	var c Choice
	var tried []string
	for _, one := range all {
		tried = append(tried, one.name)
		if one.fault != "" {
			c.Refused = append(c.Refused, Refusal{one.name, one.fault})
			continue
		}
		fit = append(fit, one)
	}
	why := "the fastest of " + strings.Join(tried, ", ")
	if len(all) == 1 {
		why = "a tile takes too little to try others"
	}
	small := slices.DeleteFunc(slices.Clone(fit), func(o candidate) bool { return memory > 0 && o.peak > memory })
	if len(small) == 0 {
		least := slices.MinFunc(fit, func(a, b candidate) int { return cmp.Compare(a.peak, b.peak) })
		small, why = []candidate{least}, "none keeps the memory; this takes the least"
	}
	best := slices.MinFunc(small, func(a, b candidate) int { return cmp.Compare(a.seconds, b.seconds) })
	for _, o := range small {
		if o.seconds <= best.seconds*nearly && o.peak < best.peak {
			best, why = o, "nearly the fastest of "+strings.Join(tried, ", ")+", with the least memory"
		}
	}
	for _, o := range fit {
		if o.name != best.name && memory > 0 && o.peak > memory {
			c.Refused = append(c.Refused, Refusal{o.name, fmt.Sprintf("it takes %d MB, want at most %d MB", o.peak/1e6, memory/1e6)})
		} else if o.name != best.name {
			c.Refused = append(c.Refused, Refusal{o.name, fmt.Sprintf("it takes %.3g s a tile and %d MB", o.seconds, o.peak/1e6)})
		}
	}
	c.Name, c.Why, c.Deviation, c.Changed, c.SecondsPerTile, c.Peak = best.name, why, best.deviation, best.changed, best.seconds, best.peak
	return c
}
