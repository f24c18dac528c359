package predict

import (
	"github.com/nitrain/nitrain/imageio"
)

// Prediction is what a model says about one image.
type Prediction struct {
	// Labels has the Spec's label values; nil but for a segmentation.
	Labels *imageio.Image
	// Probabilities has a channel for each channel of the model's output, after the activation and on the
	// grid of Labels; nil unless asked for.
	Probabilities *imageio.Image
	// Classes are the probabilities of a classification in the order of the Spec's labels.
	Classes []ClassProbability
	// Values are the numbers of a regression in the order of the Spec's labels.
	Values []Value
	// Image is the result of an image-to-image model, with a channel for each channel of the output.
	Image *imageio.Image
	// Entropy has the entropy of the probabilities at each voxel in nats: of all classes, or of channels that are picked by a
	// threshold the mean of each against its opposite. nil unless asked for.
	Entropy *imageio.Image
	// Variance has the variance of the probabilities over mirrored copies and models, the mean over channels. nil unless
	// asked for.
	Variance *imageio.Image
	// Spec is the model's.
	Spec *Spec
}

// ClassProbability is what a classification says about one label.
type ClassProbability struct {
	Value       int     `json:"value"`
	Name        string  `json:"name"`
	Probability float64 `json:"probability"`
	Picked      bool    `json:"picked"` // by the Spec's decode.pick
}

// Volume is the size of one label in a prediction.
type Volume struct {
	Value  int     `json:"value"`
	Name   string  `json:"name"`
	Voxels int     `json:"voxels"`
	ML     float64 `json:"ml"`
}

// Volumes returns the size of every label but background, in the order of the Spec; nil for a
// classification.
func (p *Prediction) Volumes() []Volume {
	if p.Labels == nil {
		return nil
	}
	count := map[float32]int{}
	var last float32
	run := 0
	for _, v := range p.Labels.Data { // labels come in runs: one look-up each
		if v != last {
			count[last] += run
			last, run = v, 0
		}
		run++
	}
	count[last] += run
	ml := p.Labels.Grid.VoxelVolume() / 1000
	var volumes []Volume
	for _, l := range p.Spec.Labels {
		if n := count[float32(l.Value)]; l.Value != 0 {
			volumes = append(volumes, Volume{Value: l.Value, Name: l.Name, Voxels: n, ML: float64(n) * ml})
		}
	}
	return volumes
}
