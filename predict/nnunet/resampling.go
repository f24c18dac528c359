package nnunet

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/predict"
)

// resampler is one of nnU-Net's functions with its arguments.
type resampler struct {
	order    int // of the spline; none: -1
	separate transform.Separate
}

const noResampling = -1

// resampler reads a function's name and arguments. order is that of the function where the arguments name none.
func (c configuration) resampler(function string, args arguments, seg bool) (resampler, error) {
	switch function {
	case "resample_data_or_seg_to_shape":
		return spline(args, seg)
	case "resample_torch_fornnunet":
		return torch(args, seg)
	case "no_resampling_hack":
		return resampler{order: noResampling}, args.only()
	}
	return resampler{}, fmt.Errorf("%q: want resample_data_or_seg_to_shape, resample_torch_fornnunet or no_resampling_hack", function)
}

// spline reads the arguments of the function on scikit-image.
func spline(args arguments, seg bool) (resampler, error) {
	r := resampler{order: 3, separate: transform.SeparateNever}
	if err := args.only("is_seg", "order", "order_z", "force_separate_z", "separate_z_anisotropy_threshold"); err != nil {
		return r, err
	}
	if err := args.number("order", &r.order); err != nil {
		return r, err
	}
	orderZ := 0
	if err := args.number("order_z", &orderZ); err != nil {
		return r, err
	}
	if orderZ != 0 {
		return r, fmt.Errorf("order_z: want 0, got %d", orderZ)
	}
	return r, args.common(&r, seg)
}

// torch reads the arguments of the function on PyTorch's interpolate, which is linear.
func torch(args arguments, seg bool) (resampler, error) {
	r := resampler{order: 1, separate: transform.SeparateAuto}
	if err := args.only("is_seg", "force_separate_z", "separate_z_anisotropy_threshold", "memefficient_seg_resampling",
		"num_threads", "device", "mode", "aniso_axis_mode"); err != nil {
		return r, err
	}
	for key, want := range map[string]string{"mode": `"linear"`, "aniso_axis_mode": `"nearest-exact"`, "memefficient_seg_resampling": "false"} {
		if got, ok := args[key]; ok && string(got) != want {
			return r, fmt.Errorf("%s: want %s, got %s", key, want, shorten(got))
		}
	}
	return r, args.common(&r, seg)
}

// common reads what both functions take.
func (a arguments) common(r *resampler, seg bool) error {
	if got, ok := a["is_seg"]; ok && string(got) != strconv.FormatBool(seg) {
		return fmt.Errorf("is_seg: want %v, got %s", seg, shorten(got))
	}
	if got, ok := a["separate_z_anisotropy_threshold"]; ok {
		var v float64
		if json.Unmarshal(got, &v) != nil || v != 3 {
			return fmt.Errorf("separate_z_anisotropy_threshold: want 3, got %s", shorten(got))
		}
	}
	if got, ok := a["force_separate_z"]; ok {
		ways := map[string]transform.Separate{"null": transform.SeparateAuto, "true": transform.SeparateAlways, "false": transform.SeparateNever}
		if r.separate, ok = ways[string(got)]; !ok {
			return fmt.Errorf("force_separate_z: want null, true or false, got %s", shorten(got))
		}
	}
	return nil
}

// only refuses arguments of other names.
func (a arguments) only(names ...string) error {
	for _, k := range slices.Sorted(maps.Keys(a)) {
		if !slices.Contains(names, k) {
			return fmt.Errorf("argument %q is not known", k)
		}
	}
	return nil
}

func (a arguments) number(key string, v *int) error {
	if raw, ok := a[key]; ok && json.Unmarshal(raw, v) != nil {
		return fmt.Errorf("%s: want a whole number, got %s", key, shorten(raw))
	}
	return nil
}

func shorten(raw []byte) string {
	if len(raw) > 40 {
		return string(raw[:40]) + "..."
	}
	return string(raw)
}

// spacing returns the step that resamples the scan, nil for none.
func (b *builder) spacing() (*transform.Spacing, error) {
	r, err := b.conf.resampler(b.conf.Data, b.conf.DataArgs, false)
	if err != nil || r.order == noResampling {
		return nil, err
	}
	s := &transform.Spacing{Rule: transform.NNUNet}
	for i, a := range b.spatial() {
		s.MM[a] = b.conf.Spacing[i]
	}
	how := map[int]transform.Interpolation{0: transform.Nearest, 1: transform.Linear, 3: transform.Cubic}
	var ok bool
	if s.Interpolation, ok = how[r.order]; !ok {
		return nil, fmt.Errorf("order: want 0, 1 or 3, got %d", r.order)
	}
	if r.separate != transform.SeparateAuto {
		s.Separate = r.separate
	}
	return s, nil
}

// restoreRule says how the network's output goes back.
func (b *builder) restoreRule() predict.RestoreRule {
	r, err := b.conf.resampler(b.conf.Scores, b.conf.ScoresArgs, false)
	data, dataErr := b.conf.resampler(b.conf.Data, b.conf.DataArgs, false)
	switch {
	case err != nil:
	case r.order == noResampling && dataErr == nil && data.order != noResampling:
		err = fmt.Errorf("no_resampling_hack: the data are resampled by %s", b.conf.Data)
	case r.order == noResampling:
		return predict.RestoreCentres
	case r.order != 1:
		err = fmt.Errorf("order: want 1, got %d", r.order)
	case r.separate == transform.SeparateAlways:
		err = errors.New("force_separate_z: want null or false, got true")
	case r.separate == transform.SeparateNever:
		return predict.RestoreCentres // linear, which is face to face: the prepared grid keeps the crop's faces
	}
	if err != nil {
		b.refuse("resampling_fn_probabilities: %v", err)
	}
	return predict.RestoreNNUNet
}

// segmentation checks how the previous stage's labels are resampled.
func (b *builder) segmentation() error {
	r, err := b.conf.resampler(b.conf.Seg, b.conf.SegArgs, true)
	switch {
	case err != nil:
		return err
	case r.order != 1 && r.order != noResampling:
		return fmt.Errorf("order: want 1, got %d", r.order)
	case r.separate == transform.SeparateAlways:
		return errors.New("force_separate_z: want null or false, got true")
	}
	return nil
}
