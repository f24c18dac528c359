package convert

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nitrain/nitrain/onnx"
)

// Names of the inputs and outputs of a gradient model.
const (
	// GradientImage is the model's input.
	GradientImage = "image"
	// GradientWeight has the shape of the model's output. What is explained is sum(output * weight): a one-hot
	// row for a class, a mask or a single voxel of one channel for a segmentation.
	GradientWeight = "weight"
	// GradientOutput is the model's output.
	GradientOutput = "output"
	// GradientAttribution has the shape of the image; that of Grad-CAM has one channel.
	GradientAttribution = "attribution"
	// GradientMap is Grad-CAM's map on the layer's own grid, before upsampling: [batch, 1, spatial...].
	GradientMap = "map"
)

// GradientMetadata is where a gradient model's metadata_props say how it was made, as JSON.
const GradientMetadata = "nitrain.gradient"

// GradientMethod is a way to attribute an output to the input.
type GradientMethod string

// The methods of gradient models.
const (
	// Saliency is the signed gradient of the score with respect to the image (Simonyan et al. 2013).
	Saliency GradientMethod = "saliency"
	// IntegratedGradients is (image - baseline) times the mean of the gradient at the middles of equal steps
	// from the baseline to the image (Sundararajan et al. 2017; captum's riemann_middle).
	IntegratedGradients GradientMethod = "ig"
	// GradCAM weights the channels of a layer by their mean gradient (Selvaraju et al. 2017), cuts what is
	// negative off and upsamples linearly, corners not aligned.
	GradCAM GradientMethod = "gradcam"
)

// GradientOptions says what a gradient model is made for. The zero value serves a model that fixes its sizes.
type GradientOptions struct {
	// Shape is that of one image: channels, then spatial sizes. Sizes that the model fixes may be 0 or left out.
	Shape []int
	// Output is the output that is explained, "" for the first.
	Output string
	// Steps of integrated gradients, 0 for 32.
	Steps int
	// Baseline of integrated gradients: nothing (zero), one value, or one for each element of an image.
	Baseline []float32
	// Layer of Grad-CAM: the name of a value, of a node, or of the module that holds the layer's weights. "" is
	// the last feature map with spatial extent before the output's head.
	Layer string
	// Signed keeps negative values of Grad-CAM.
	Signed bool
	// Library is the path of the onnxruntime library, "" to look for it where "nitrain setup" puts it.
	Library string
	// Threads for the check of the result, 0 for one a processor.
	Threads int
}

// GradientInfo describes a gradient model; it is stored in the model under GradientMetadata.
type GradientInfo struct {
	Method   GradientMethod `json:"method"`
	Shape    []int          `json:"shape"`  // of one image
	Output   string         `json:"output"` // of the source model
	Steps    int            `json:"steps,omitempty"`
	Baseline string         `json:"baseline,omitempty"`
	Layer    string         `json:"layer,omitempty"`
	Signed   bool           `json:"signed,omitempty"`
}

// GradientModel returns a standalone model that computes the output and an attribution of the score
// sum(output * weight) to the image: inputs GradientImage and GradientWeight, outputs GradientOutput and
// GradientAttribution, for GradCAM also GradientMap. The batch is free, spatial sizes are fixed. Current values
// of the parameters are built in as constants; the derivative is that of training, from the same operators.
//
// The score has no cross terms between the images of a batch, so one run explains each image by itself. Steps of
// integrated gradients run one after the other in an ONNX Loop, so that memory does not grow with them.
func (g *Graph) GradientModel(method GradientMethod, o GradientOptions) (m *onnx.Model, err error) {
	defer recoverTo(&err)
	s, err := g.newGradientSource(method, o)
	if err != nil {
		return nil, err
	}
	defer s.backend.Finalize()
	if m, err = s.freeBatch(); err != nil {
		return nil, fmt.Errorf("convert: gradient model: %w", err)
	}
	text, err := json.Marshal(s.info)
	if err != nil {
		return nil, err
	}
	m.SetMetadata(GradientMetadata, string(text))
	m.ProducerName, m.ProducerVersion, m.IRVersion = "nitrain", "", max(m.IRVersion, 10)
	return m, nil
}

// ReadGradientInfo returns how a gradient model was made.
func ReadGradientInfo(m *onnx.Model) (GradientInfo, error) {
	text, ok := m.Metadata()[GradientMetadata]
	if !ok {
		return GradientInfo{}, errors.New("convert: gradient model: want one made by GradientModel, got another model")
	}
	var i GradientInfo
	if err := json.Unmarshal([]byte(text), &i); err != nil {
		return i, fmt.Errorf("convert: gradient model: metadata %s: %w", GradientMetadata, err)
	}
	return i, nil
}
