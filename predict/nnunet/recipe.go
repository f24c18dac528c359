// Package nnunet reads what nnU-Net v2 writes beside its networks, and turns it into a [predict.Spec].
//
// plans.json and dataset.json say everything that happens between a scan and a network: the order of axes, the crop,
// the normalization of each channel, the spacing, the windows, the labels. One pipeline of seven functions runs every
// model; what a plan names outside of them (a preprocessor, a resampling or a normalization of somebody's own) is
// refused by name. Nothing here runs a network, imports Python, opens a checkpoint or reads outside of the folder.
//
// The rules are those of nnU-Net 2.8.1; plans of 2.0 and later are read.
package nnunet

import (
	"fmt"
	"slices"
)

// Recipe is one configuration of one plan.
type Recipe struct {
	Dataset       string // Dataset027_ACDC
	Plans         string // nnUNetPlans
	Trainer       string // nnUNetTrainer; empty where no folder's name tells
	Configuration string // 3d_fullres
	// Previous is the configuration whose label image is the last input of this one, a cascade's second stage;
	// empty for all others.
	Previous string
	// Network is the class of the network as the plan names it. The ONNX model holds the network itself.
	Network string
	// Mirror are the axes of the network's input over which predictions may be averaged, counted from its first
	// spatial axis, as a checkpoint's inference_allowed_mirroring_axes; nil where nothing tells.
	Mirror []int
	// Folds are the models that lie beside the plan, in order of their names.
	Folds []Fold

	plan  plan
	conf  configuration
	data  dataset
	notes []string
}

// Fold is a network of a recipe.
type Fold struct {
	Name string // 0 to 4, or all
	Path string // of the .onnx file
}

// Parse reads a configuration out of the contents of plans.json and dataset.json. An empty name stands for the only
// configuration; where there are several, the error names them.
func Parse(plans, dataset []byte, name string) (*Recipe, error) {
	p, err := parsePlan(plans)
	if err != nil {
		return nil, err
	}
	data, err := parseDataset(dataset)
	if err != nil {
		return nil, err
	}
	if name == "" {
		if name, err = p.only(); err != nil {
			return nil, err
		}
	}
	conf, notes, err := p.configuration(name)
	if err != nil {
		return nil, err
	}
	return &Recipe{
		Dataset: p.Dataset, Plans: p.Name, Configuration: name, Previous: conf.Previous, Network: conf.network(),
		plan: p, conf: conf, data: data, notes: notes,
	}, nil
}

// SetMirror sets the axes of the network's input over which predictions may be averaged; an empty list says that
// there are none.
func (r *Recipe) SetMirror(axes []int) error {
	for i, a := range axes {
		if a < 0 || a >= len(r.conf.Patch) || slices.Contains(axes[:i], a) {
			return fmt.Errorf("nnunet: mirroring axes: want 0 to %d, each once, got %v", len(r.conf.Patch)-1, axes)
		}
	}
	r.Mirror = append([]int{}, axes...)
	return nil
}

// ChannelNames returns the names of the scan's channels, in the order of nnU-Net's file names _0000, _0001, ...
func (r *Recipe) ChannelNames() []string { return slices.Clone(r.data.channels) }
