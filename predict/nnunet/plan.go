package nnunet

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// plan is what plans.json says about all configurations.
type plan struct {
	Dataset        string                                `json:"dataset_name"`
	Name           string                                `json:"plans_name"`
	Reader         string                                `json:"image_reader_writer"`
	Forward        []int                                 `json:"transpose_forward"`
	Backward       []int                                 `json:"transpose_backward"`
	Configurations map[string]map[string]json.RawMessage `json:"configurations"`
	LabelManager   string                                `json:"label_manager"`
	Intensities    map[string]intensities                `json:"foreground_intensity_properties_per_channel"`
	OldIntensities map[string]intensities                `json:"foreground_intensity_properties_by_modality"` // 2.0
}

// intensities are the statistics of a channel within the training data's foreground.
type intensities struct {
	Mean  *float64 `json:"mean"`
	Std   *float64 `json:"std"`
	Lower *float64 `json:"percentile_00_5"`
	Upper *float64 `json:"percentile_99_5"`
}

// configuration is what plans.json says about one, what it inherits included.
type configuration struct {
	Preprocessor string       `json:"preprocessor_name"`
	Patch        []int        `json:"patch_size"`
	Spacing      []float64    `json:"spacing"`
	Schemes      []string     `json:"normalization_schemes"`
	Masked       []bool       `json:"use_mask_for_norm"`
	Data         string       `json:"resampling_fn_data"`
	DataArgs     arguments    `json:"resampling_fn_data_kwargs"`
	Seg          string       `json:"resampling_fn_seg"`
	SegArgs      arguments    `json:"resampling_fn_seg_kwargs"`
	Scores       string       `json:"resampling_fn_probabilities"`
	ScoresArgs   arguments    `json:"resampling_fn_probabilities_kwargs"`
	Previous     string       `json:"previous_stage"`
	Architecture architecture `json:"architecture"`
	OldNetwork   string       `json:"UNet_class_name"` // 2.0 to 2.3
}

// arguments are the keyword arguments of a Python function.
type arguments map[string]json.RawMessage

type architecture struct {
	Class string `json:"network_class_name"`
}

func (c configuration) network() string {
	if c.Architecture.Class != "" {
		return c.Architecture.Class
	}
	return c.OldNetwork
}

// maxConfigurations bounds a plan's configurations and so the depth of their inheritance.
const maxConfigurations = 1000

func parsePlan(raw []byte) (plan, error) {
	var p plan
	bad := func(key, format string, args ...any) (plan, error) {
		return plan{}, &FormatError{"plans.json", key, fmt.Errorf(format, args...)}
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return bad("", "%w", err)
	}
	if n := len(p.Configurations); n == 0 || n > maxConfigurations {
		return bad("configurations", "want 1 to %d, got %d: is this a plan of nnU-Net v2?", maxConfigurations, n)
	}
	if p.Intensities == nil {
		p.Intensities = p.OldIntensities
	}
	if !permutation(p.Forward) {
		return bad("transpose_forward", "want an order of 0, 1 and 2, got %v", p.Forward)
	}
	if !permutation(p.Backward) {
		return bad("transpose_backward", "want an order of 0, 1 and 2, got %v", p.Backward)
	}
	for i, a := range p.Forward {
		if p.Backward[a] != i {
			return bad("transpose_backward", "%v does not undo transpose_forward %v", p.Backward, p.Forward)
		}
	}
	return p, nil
}

func permutation(axes []int) bool {
	return slices.Equal(slices.Sorted(slices.Values(axes)), []int{0, 1, 2})
}

// only returns the name of the plan's only configuration.
func (p plan) only() (string, error) {
	names := slices.Sorted(maps.Keys(p.Configurations))
	if len(names) != 1 {
		return "", &ChoiceError{What: "configuration", Have: names}
	}
	return names[0], nil
}

// configuration returns a configuration, checked, and notes about keys that are not understood.
func (p plan) configuration(name string) (configuration, []string, error) {
	merged, err := p.inherited(name)
	if err != nil {
		return configuration{}, nil, err
	}
	raw, err := json.Marshal(merged)
	if err != nil {
		return configuration{}, nil, err
	}
	key := "configurations." + name
	var c configuration
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, nil, &FormatError{"plans.json", key, err}
	}
	if err := c.check(); err != nil {
		return c, nil, &FormatError{"plans.json", key, err}
	}
	var notes []string
	for _, k := range slices.Sorted(maps.Keys(merged)) {
		if !slices.Contains(knownKeys(), k) {
			notes = append(notes, fmt.Sprintf("plans.json: %s.%s is not understood and left aside", key, k))
		}
	}
	return c, notes, nil
}

// inherited merges a configuration with those that it inherits from: its own keys win.
func (p plan) inherited(name string) (map[string]json.RawMessage, error) {
	merged := map[string]json.RawMessage{}
	var seen []string
	for {
		own, ok := p.Configurations[name]
		if !ok {
			return nil, &ChoiceError{What: "configuration", Got: name, Have: slices.Sorted(maps.Keys(p.Configurations))}
		}
		if slices.Contains(seen, name) {
			return nil, &FormatError{"plans.json", "configurations." + name, fmt.Errorf("inherits from itself by way of %v", seen)}
		}
		seen = append(seen, name)
		for k, v := range own {
			if _, ok := merged[k]; !ok {
				merged[k] = v
			}
		}
		parent, ok := own["inherits_from"]
		if !ok {
			return merged, nil
		}
		if err := json.Unmarshal(parent, &name); err != nil {
			return nil, &FormatError{"plans.json", "configurations." + name + ".inherits_from", err}
		}
	}
}

// maxPatch bounds a window along an axis.
const maxPatch = 1 << 20

func (c configuration) check() error {
	var errs []error
	if n := len(c.Patch); n != 2 && n != 3 {
		errs = append(errs, fmt.Errorf("patch_size: want 2 or 3 sizes, got %v", c.Patch))
	}
	for _, n := range c.Patch {
		if n < 1 || n > maxPatch {
			errs = append(errs, fmt.Errorf("patch_size: want sizes of 1 to %d, got %v", maxPatch, c.Patch))
			break
		}
	}
	if len(c.Spacing) != len(c.Patch) {
		errs = append(errs, fmt.Errorf("spacing: want %d numbers like patch_size, got %v", len(c.Patch), c.Spacing))
	}
	for _, mm := range c.Spacing {
		if !(mm >= 1e-3 && mm <= 1e4) {
			errs = append(errs, fmt.Errorf("spacing: want 0.001 to 10000 mm, got %v", c.Spacing))
			break
		}
	}
	return errors.Join(errs...)
}

// knownKeys are the keys of a configuration that say something about prediction, or surely nothing.
func knownKeys() []string {
	return []string{
		"inherits_from", "preprocessor_name", "patch_size", "spacing", "normalization_schemes", "use_mask_for_norm",
		"resampling_fn_data", "resampling_fn_data_kwargs", "resampling_fn_seg", "resampling_fn_seg_kwargs",
		"resampling_fn_probabilities", "resampling_fn_probabilities_kwargs", "previous_stage", "next_stage",
		"architecture", "UNet_class_name", "UNet_base_num_features", "n_conv_per_stage_encoder", "n_conv_per_stage_decoder",
		"num_pool_per_axis", "pool_op_kernel_sizes", "conv_kernel_sizes", "unet_max_num_features",
		"data_identifier", "batch_size", "batch_dice", "median_image_size_in_voxels",
	}
}
