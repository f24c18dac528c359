package predict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nitrain/nitrain/onnx/ort"
)

// Names of what runs a model, for [Options].Provider.
const (
	Auto     = "auto"     // the fastest of those below that agrees with CPU and keeps the memory
	CPU      = "cpu"      // onnxruntime's plain provider
	OpenVINO = "openvino" // onnxruntime's OpenVINO provider, which `nitrain setup --with openvino` fetches
	CUDA     = "cuda"     // onnxruntime's CUDA provider; "cuda:1" is the second device
	Engine   = "engine"   // the converted graph on nitrain's own CPU engine
)

// Choice says what runs a model, and why.
type Choice struct {
	Name string `json:"name"` // CPU, OpenVINO, "cuda:0" or Engine
	Why  string `json:"why"`  // "forced", "small model", "fastest of cpu, engine and openvino"
	// Deviation is the largest difference from the plain provider's output on the probe tile, relative to the
	// largest value there; 0 where nothing was compared.
	Deviation float64 `json:"deviation"`
	// Changed is the part of the probe tile's voxels whose label differs from the plain provider's.
	Changed float64 `json:"changed"`
	// Peak is the resident memory, in bytes, of the process that tried it; 0 where nothing was tried.
	Peak int64 `json:"peak"`
	// SecondsPerTile is what the model took for the probe tile; 0 where nothing was timed.
	SecondsPerTile float64 `json:"seconds_per_tile"`
	// Remembered is set where the choice was made in an earlier process.
	Remembered bool `json:"remembered"`
	// Refused are the providers that were tried and not taken, with the reason.
	Refused []Refusal `json:"refused,omitempty"`
}

// Refusal is a provider that was not taken.
type Refusal struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// String returns one line for a terminal, "engine (fastest of 2; 0.31 s a tile, deviation 2e-06)".
func (c Choice) String() string {
	s := c.Name + " (" + c.Why
	if c.SecondsPerTile > 0 {
		s += fmt.Sprintf("; %.3g s a tile", c.SecondsPerTile)
	}
	if c.Deviation > 0 {
		s += fmt.Sprintf(", deviation %.1g", c.Deviation)
	}
	return s + ")"
}

// Provider returns what runs the model and why; the zero Choice for a Predictor that [New] made.
func (p *Predictor) Provider() Choice { return p.choice }

// alone is how many voxels a window has that a processor runs by itself: more at once are no faster there (measured: within
// 5 % for 3-D U-Nets with 96³ windows) and each takes as much memory as the first.
const alone = 1 << 16

// together returns how many windows of a size run at once, of the number that the Spec names.
func (p *Predictor) together(n int, window [3]int) int {
	if onCPU := slices.Contains([]string{CPU, OpenVINO, Engine}, p.choice.Name); onCPU && window[0]*window[1]*window[2] >= alone {
		return 1
	}
	return n
}

// CheckProvider says whether a name is one that [Options].Provider takes; "" is one.
func CheckProvider(name string) error {
	if slices.Contains([]string{"", Auto, CPU, OpenVINO, CUDA, Engine}, name) {
		return nil
	}
	if p, err := ort.ParseProvider(name); err == nil && p.CUDA {
		return nil
	}
	return fmt.Errorf("predict: provider %q: want %s", name, strings.Join([]string{Auto, CPU, OpenVINO, "cuda[:N]", Engine}, ", "))
}
