package nnunet

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/predict"
)

// edited returns the files of a reference case with one text replaced by another in either of them.
func edited(t *testing.T, name, old, new string) (plans, dataset []byte, configuration string) {
	t.Helper()
	for _, c := range smallCases(t) {
		if c.Name != name {
			continue
		}
		if old != "" && !bytes.Contains(c.Plans, []byte(old)) && !bytes.Contains(c.Dataset, []byte(old)) {
			t.Fatalf("%s: no %q", name, old)
		}
		swap := func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(old), []byte(new)) }
		return swap(c.Plans), swap(c.Dataset), c.Configuration
	}
	t.Fatalf("no case %s", name)
	return nil, nil, ""
}

// TestRefusals: what is unknown is refused by its name.
func TestRefusals(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"ct", `"preprocessor_name":"DefaultPreprocessor"`, `"preprocessor_name":"MyPreprocessor"`, `preprocessor_name "MyPreprocessor"`},
		{"ct", `"CTNormalization"`, `"CTNormalizationPlus"`, `"CTNormalizationPlus"`},
		{"ct", `"resampling_fn_data":"resample_data_or_seg_to_shape"`, `"resampling_fn_data":"resample_mine"`, `resampling_fn_data: "resample_mine"`},
		{"ct", `"resampling_fn_probabilities":"resample_data_or_seg_to_shape"`, `"resampling_fn_probabilities":"fast"`, `resampling_fn_probabilities: "fast"`},
		{"ct", `"is_seg":false,"order":1`, `"is_seg":false,"order":3`, `resampling_fn_probabilities: order: want 1, got 3`},
		{"ct", `"is_seg":false,"order":3`, `"is_seg":false,"order":2`, `resampling_fn_data: order: want 0, 1 or 3, got 2`},
		{"ct", `"order_z":0`, `"order_z":1`, `order_z: want 0, got 1`},
		{"ct", `"force_separate_z":null`, `"force_separate_z":null,"sigma":2`, `argument "sigma" is not known`},
		{"ct", `"force_separate_z":null`, `"force_separate_z":"yes"`, `force_separate_z: want null, true or false`},
		{"ct", `"image_reader_writer":"SimpleITKIO"`, `"image_reader_writer":"DicomIO"`, `image_reader_writer "DicomIO"`},
		{"ct", `"label_manager":"LabelManager"`, `"label_manager":"Mine"`, `label_manager "Mine"`},
		{"ct", `"std":113.7`, `"std":0`, `std above 0`},
		{"ct", `"std"`, `"deviation"`, `want mean, std`},
		{"ct", `"b":2`, `"b":3`, `consecutive`},
		{"ct", `"b":2`, `"b":1`, `same value`},
		{"ct", `"background":0`, `"background":[0,1]`, `background`},
		{"regions", `"regions_class_order":[2,1]`, `"regions_class_order":[2]`, `an entry for each region`},
		{"regions", `"regions_class_order":[2,1]`, `"regions_class_order":[2,2]`, `each once`},
		{"regions", `"ignore":3`, `"ignore":7`, `one more than the largest`},
		{"cascade", `"resampling_fn_seg":"resample_data_or_seg_to_shape"`, `"resampling_fn_seg":"other"`, `resampling_fn_seg: "other"`},
	} {
		plans, dataset, configuration := edited(t, c.name, c.old, c.new)
		r, err := Parse(plans, dataset, configuration)
		if err != nil {
			t.Errorf("%s -> %s: %v", c.old, c.new, err)
			continue
		}
		_, _, err = r.Spec()
		var refused *UntranslatableError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s -> %s: %v, want %s", c.old, c.new, err, c.want)
		}
	}
}

// TestFaults: files that are no plans say where.
func TestFaults(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"ct", `"transpose_forward":[0,1,2]`, `"transpose_forward":[0,0,2]`, `transpose_forward`},
		{"ct", `"transpose_backward":[0,1,2]`, `"transpose_backward":[1,0,2]`, `does not undo`},
		{"ct", `"patch_size":[8,8,10]`, `"patch_size":[8]`, `patch_size`},
		{"ct", `"patch_size":[8,8,10]`, `"patch_size":[8,8,-1]`, `patch_size`},
		{"ct", `"patch_size":[8,8,10]`, `"patch_size":"big"`, `3d_fullres`},
		{"ct", `"spacing":[1.1,1.2,0.8]`, `"spacing":[1.1,0,0.8]`, `spacing`},
		{"ct", `"channel_names":{"0":"CT"}`, `"channel_names":{"1":"CT"}`, `channel_names`},
		{"ct", `"b":2`, `"b":"two"`, `"b"`},
		{"ct", `"b":2`, `"b":70000`, `70000`},
		{"cascade", `"inherits_from":"3d_fullres"`, `"inherits_from":"3d_cascade"`, `inherits from itself`},
		{"cascade", `"inherits_from":"3d_fullres"`, `"inherits_from":"elsewhere"`, `elsewhere`},
		{"ct", `"configurations":{`, `"settings":{`, `configurations`},
	} {
		plans, dataset, configuration := edited(t, c.name, c.old, c.new)
		if _, err := Parse(plans, dataset, configuration); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s -> %s: %v, want %s", c.old, c.new, err, c.want)
		}
	}
}

// TestForms: what older and other plans write is the same as the newer form.
func TestForms(t *testing.T) {
	for _, c := range []struct{ name, old, new string }{
		{"ct", `"foreground_intensity_properties_per_channel"`, `"foreground_intensity_properties_by_modality"`},
		{"ct", `"channel_names"`, `"modality"`},
		{"ct", `"architecture":{"network_class_name":"none","arch_kwargs":{},"_kw_requires_import":[]}`, `"UNet_class_name":"PlainConvUNet"`},
		{"ct", `"label_manager":"LabelManager",`, ``},
		{"ct", `"a":1`, `"a":[1]`},
		{"ct", `"force_separate_z":null`, `"force_separate_z":null,"separate_z_anisotropy_threshold":3`},
		{"regions", `"core":2`, `"core":[2]`},
	} {
		plans, dataset, configuration := edited(t, c.name, "", "")
		want := specJSON(t, plans, dataset, configuration)
		plans, dataset, _ = edited(t, c.name, c.old, c.new)
		if got := specJSON(t, plans, dataset, configuration); got != want {
			t.Errorf("%s -> %s: %s, want %s", c.old, c.new, got, want)
		}
	}
}

func specJSON(t *testing.T, plans, dataset []byte, configuration string) string {
	t.Helper()
	r, err := Parse(plans, dataset, configuration)
	if err != nil {
		t.Fatal(err)
	}
	spec, _, err := r.Spec()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := predict.ParseSpec(raw); err != nil { // what is written can be read
		t.Fatal(err)
	}
	return string(raw)
}

func TestAxes(t *testing.T) {
	plans, dataset, configuration := edited(t, "2d", "", "")
	r, err := Parse(plans, dataset, configuration) // transpose_forward 1, 0, 2: slices along y
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetMirror([]int{0}); err != nil {
		t.Fatal(err)
	}
	spec, _, err := r.Spec()
	if err != nil {
		t.Fatal(err)
	}
	if spec.Input.Layout != "zx" || spec.Tile.Size != [3]int{12, 1, 4} || !slices.Equal(spec.Tile.Mirror, []int{2}) {
		t.Errorf("layout %s, tile %v, mirror %v", spec.Input.Layout, spec.Tile.Size, spec.Tile.Mirror)
	}
	if spec.Tile.Rule != patch.NNUNet || [3]float64(spec.Tile.Overlap) != [3]float64{0.5, 0, 0.5} {
		t.Errorf("tile %+v", spec.Tile)
	}
}

func TestOpen(t *testing.T) {
	root := t.TempDir()
	plans, dataset, _ := edited(t, "cascade", "", "")
	put := func(name string, raw []byte) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []string{"3d_fullres", "3d_cascade"} {
		dir := "Dataset007_X/nnUNetTrainer__nnUNetPlans__" + c
		put(dir+"/plans.json", plans)
		put(dir+"/dataset.json", dataset)
	}
	put("Dataset007_X/nnUNetTrainer__nnUNetPlans__3d_fullres/fold_1/a.onnx", nil)
	put("Dataset007_X/nnUNetTrainer__nnUNetPlans__3d_fullres/fold_0/b.onnx", nil)
	put("Dataset007_X/nnUNetTrainer__nnUNetPlans__3d_fullres/nitrain.json", []byte(`{"inference_allowed_mirroring_axes":[2]}`))
	put("Dataset007_X/nnUNetTrainer__nnUNetPlans__3d_fullres/postprocessing.pkl", nil)
	var choice *ChoiceError
	if _, err := Open(filepath.Join(root, "Dataset007_X"), ""); !errors.As(err, &choice) {
		t.Errorf("two results: %v", err)
	}
	r, err := Open(filepath.Join(root, "Dataset007_X"), "3d_fullres")
	if err != nil {
		t.Fatal(err)
	}
	if r.Trainer != "nnUNetTrainer" || len(r.Folds) != 2 || r.Folds[0].Name != "0" || !slices.Equal(r.Mirror, []int{2}) || len(r.notes) != 1 {
		t.Errorf("%+v", r)
	}
	if r, err = Open(filepath.Join(root, "Dataset007_X/nnUNetTrainer__nnUNetPlans__3d_cascade/plans.json"), ""); err != nil {
		t.Fatal(err)
	}
	if r.Configuration != "3d_cascade" || r.Previous != "3d_lowres" || !slices.Equal(r.Mirror, []int{0, 1, 2}) {
		t.Errorf("%+v", r)
	}
	// a link that leads out of the folder is not followed
	out := filepath.Join(root, "outside.json")
	if err := os.WriteFile(out, dataset, 0o644); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "linked")
	put("linked/plans.json", plans)
	if err := os.Symlink(out, filepath.Join(dir, "dataset.json")); err != nil {
		t.Skip(err)
	}
	if _, err := Open(dir, "3d_fullres"); err == nil {
		t.Error("a link out of the folder was followed")
	}
}

// FuzzParse: whatever the files hold, they make a Spec that can be written and read, or an error.
func FuzzParse(f *testing.F) {
	for _, c := range smallCases(f) {
		f.Add([]byte(c.Plans), []byte(c.Dataset), c.Configuration)
	}
	f.Fuzz(func(t *testing.T, plans, dataset []byte, configuration string) {
		r, err := Parse(plans, dataset, configuration)
		if err != nil {
			return
		}
		spec, _, err := r.Spec()
		if err != nil {
			return
		}
		raw, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := predict.ParseSpec(raw); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
	})
}
