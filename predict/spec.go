// Package predict goes from an image to a prediction in that image's own space.
//
// A [Spec] travels inside a model and says how images become its input and how its output becomes an
// image. A [Predictor] is a Spec and something that runs the model: it prepares, cuts windows, runs,
// stitches, and takes the result back to the scan's own grid in one resample of the probabilities.
// Training validates with this same code, so that what is trained is what is served.
package predict

import (
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/imageio/transform"
)

// Version is the version of the Specs that this package writes. Specs are read forever.
const Version = 1

// Task says what a model's output means.
type Task string

// The tasks.
const (
	Segmentation   Task = "segmentation"   // scores for every voxel
	Classification Task = "classification" // scores for the whole image
	Regression     Task = "regression"     // numbers for the whole image
	ImageToImage   Task = "image"          // numbers for every voxel: an intensity image
)

// Activation turns a model's raw output into probabilities.
type Activation string

// The activations.
const (
	None    Activation = "none"    // the output is probabilities already, or only its order matters
	Softmax Activation = "softmax" // across the channels
	Sigmoid Activation = "sigmoid" // each channel by itself
)

// Pick says how probabilities become labels.
type Pick string

// The picks.
const (
	// Argmax takes the label of the channel with the largest value, the first of equals. Channel i belongs
	// to the i-th label where labels name no channels.
	Argmax Pick = "argmax"
	// Threshold takes every channel whose value is above the threshold; where several are, the later label
	// wins. Channel i belongs to the i-th label whose value is not 0, where labels name no channels.
	Threshold Pick = "threshold"
)

// Restore says what is taken back from the model's grid to the scan's.
type Restore string

// The ways back.
const (
	RestoreProbabilities Restore = "probabilities" // after the activation, linear; the default
	RestoreLogits        Restore = "logits"        // before the activation, linear, as nnU-Net does
	RestoreLabels        Restore = "labels"        // after the pick, nearest neighbour
)

// RestoreRule says how scores are taken back to the scan's grid.
type RestoreRule string

// The rules of the way back.
const (
	// RestoreCentres interpolates at the places of the scan's voxel centres in the world: the default.
	RestoreCentres RestoreRule = ""
	// RestoreNNUNet is nnU-Net's resampling_fn_probabilities: linear, face to face; across the slices of an
	// anisotropic case the nearest.
	RestoreNNUNet RestoreRule = "nnunet"
)

// Spec says how images become a model's input and how its output becomes an image or class
// probabilities. Its JSON form is strict: an unknown or missing key is an error that names it.
// docs/spec.md says what each key means, its units and its default.
type Spec struct {
	Version int                `json:"version"`
	Task    Task               `json:"task"`
	Input   Input              `json:"input"`
	Prepare transform.Pipeline `json:"prepare"`
	// Tile says how the prepared image is cut into windows; nil: the model sees the whole of it.
	Tile       *Tile       `json:"tile,omitempty"`
	Decode     Decode      `json:"decode"`
	Labels     []Label     `json:"labels"`
	Provenance *Provenance `json:"provenance,omitempty"`
}

// Input describes the tensor that a model takes.
type Input struct {
	Name     string       `json:"name,omitempty"` // of the graph's input; empty: its only one
	Layout   patch.Layout `json:"layout"`         // which image axis is the tensor's first spatial axis
	Channels []Channel    `json:"channels"`       // of the prepared image, in order
	// Stack is how many neighbouring slices a 2-D model sees at once, an odd number; 0: 1. Slice s of channel
	// c is channel c*Stack+s of the tensor.
	Stack int `json:"stack,omitempty"`
}

// Channel says what one channel of the input shows.
type Channel struct {
	Name     string `json:"name"`
	Modality string `json:"modality,omitempty"` // DICOM's code: MR, CT, PT, ...
	// Value makes the channel from a label image, the last one given for a scan: 1 where it has this value,
	// 0 elsewhere. Such channels come last.
	Value *int `json:"value,omitempty"`
}

// Tile says how a prepared image is cut into windows and how their results are blended. Sizes and axes
// are the prepared image's: x, y, z, whatever the tensor's layout is.
type Tile struct {
	Size    [3]int      `json:"size"`            // voxels; 0: the whole axis
	Overlap Overlap     `json:"overlap"`         // part of a window, at least 0 and below 1
	Blend   patch.Blend `json:"blend,omitempty"` // constant (default) or gaussian
	Sigma   float64     `json:"sigma,omitempty"` // of the Gaussian, as a part of the window; default 0.125
	Rule    patch.Rule  `json:"rule,omitempty"`  // monai (default) or nnunet
	Pad     patch.Edge  `json:"pad,omitempty"`   // outside an image smaller than a window; default constant 0
	Batch   int         `json:"batch,omitempty"` // windows a run; default 1
	Mirror  []int       `json:"mirror,omitzero"` // axes over which the result may be averaged when asked
	// SkipBelow leaves out windows all of whose samples are at most this: they are background. nil: none.
	SkipBelow *float64 `json:"skip_below,omitempty"`
}

// Tiling returns the windows' rule. Windows of one voxel do not overlap: a slice is seen once.
func (t Tile) Tiling() patch.Tiling {
	for a, n := range t.Size {
		if n == 1 {
			t.Overlap[a] = min(t.Overlap[a], 0)
		}
	}
	return patch.Tiling{Size: t.Size, Overlap: t.Overlap, Blend: t.Blend, Sigma: t.Sigma, Rule: t.Rule}
}

// Decode says how a model's output becomes labels.
type Decode struct {
	Output     string     `json:"output,omitempty"` // of the graph; empty: its first one
	Activation Activation `json:"activation"`
	Pick       Pick       `json:"pick,omitempty"`      // of a segmentation or classification, which must have it
	Threshold  float64    `json:"threshold,omitempty"` // of the pick threshold; 0: 0.5
	Restore    Restore    `json:"restore,omitempty"`   // empty: probabilities
	Ensemble   string     `json:"ensemble,omitempty"`  // what several models' results are averaged as: probabilities (default) or logits
	// RestoreRule says how scores go back to the scan's grid.
	RestoreRule RestoreRule `json:"restore_rule,omitempty"`
	// Scale and Offset make a regression's numbers or an image's samples: output*scale + offset. One number,
	// or one for each channel; empty: 1 and 0.
	Scale  []float64 `json:"scale,omitzero"`
	Offset []float64 `json:"offset,omitzero"`
	// NaN is what an image has where the output is no number; nil: such an output is an error.
	NaN *float64 `json:"nan,omitempty"`
	// Keep removes small components from the finished label image, rule after rule.
	Keep []transform.Keep `json:"keep,omitzero"`
}

// Label names a value of a label image or a class, or an output of a regression or of an image.
type Label struct {
	Value int    `json:"value"` // 0 is background; for a regression or an image the channel of the output
	Name  string `json:"name"`
	Color string `json:"color,omitempty"` // "#rrggbb"
	Code  *Code  `json:"code,omitempty"`
	// Channel is the channel of the output that this label belongs to; nil for all labels: by their order.
	Channel *int `json:"channel,omitempty"`
	// Region lists the values of label images that make up this label, where it is a region of several.
	Region []int `json:"region,omitzero"`
	// Unit is that of a regression's number or an image's samples: years, mm, HU.
	Unit string `json:"unit,omitempty"`
}

// Code is an entry of a terminology, as DICOM writes it.
type Code struct {
	Scheme  string `json:"scheme"` // SCT, FMA, ...
	Value   string `json:"value"`
	Meaning string `json:"meaning"`
}

// Provenance says where a model comes from.
type Provenance struct {
	Source  string   `json:"source,omitempty"`
	SHA256  string   `json:"sha256,omitempty"` // of the source model's file
	Tool    string   `json:"tool,omitempty"`   // what wrote the Spec
	Licence string   `json:"licence,omitempty"`
	Trained *Trained `json:"trained,omitempty"`
}

// Trained sums up the training that made the weights.
type Trained struct {
	Cases  int     `json:"cases"`
	Epochs float64 `json:"epochs,omitempty"`
	Steps  int     `json:"steps,omitempty"`
	Score  float64 `json:"score,omitempty"` // on the validation cases, mean Dice unless the source says otherwise
	Data   string  `json:"data,omitempty"`  // SHA-256 of the list of cases, see dataset.Digest
}

// Foreground returns the values of the labels that are not background, in order.
func (s *Spec) Foreground() []int {
	var v []int
	for _, l := range s.Labels {
		if l.Value != 0 {
			v = append(v, l.Value)
		}
	}
	return v
}

// restore returns what is taken back to the scan's grid, the default filled in.
func (d Decode) restore() Restore {
	if d.Restore == "" {
		return RestoreProbabilities
	}
	return d.Restore
}

// threshold returns the value above which a channel counts, the default filled in.
func (d Decode) threshold() float32 {
	if d.Threshold == 0 {
		return 0.5
	}
	return float32(d.Threshold)
}
