package bundle_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/predict/bundle"
)

// The published bundles that are translated: what the Spec says of preparing, windows and decoding.
func zoo() map[string]string {
	return map[string]string{
		"brats_mri_segmentation": `"xyz" [{"op":"zscore","nonzero":true,"per_channel":true}]
			{"size":[240,240,160],"overlap":0.5,"blend":"constant","rule":"monai","pad":"constant","batch":1}
			{"activation":"sigmoid","pick":"threshold","restore":"probabilities"} 4`,
		"breast_density_classification": `"xy" [{"op":"scale","to":[0,1]},{"op":"resize","size":[299,299],"interpolation":"area"}] null
			{"activation":"sigmoid","pick":"argmax"} 4`,
		"classification_template": `"xy" [{"op":"scale","to":[0,1]}] null {"activation":"softmax","pick":"argmax"} 4`,
		"endoscopic_inbody_classification": `"xy" [{"op":"resize","size":[256,256],"interpolation":"linear"},{"op":"zscore","nonzero":true,"per_channel":true}] null
			{"activation":"none","pick":"argmax"} 2`,
		"endoscopic_tool_segmentation": `"xy" [{"op":"resize","size":[736,480],"interpolation":"linear"},{"op":"scale","to":[0,1]}] null
			{"activation":"none","pick":"argmax","restore":"probabilities"} 2`,
		"prostate_mri_anatomy": `"xyz" [{"op":"orient","axes":"RAS"},{"op":"spacing","mm":[0.5,0.5,0.5],"rule":"monai","interpolation":"linear","edge":"border"},{"op":"scale","to":[0,1]},{"op":"zscore"}]
			{"size":[96,96,96],"overlap":0.5,"blend":"constant","rule":"monai","pad":"constant","batch":4}
			{"activation":"none","pick":"argmax","restore":"labels","keep":[{"labels":[1,2],"largest":1,"each":true}]} 3`,
		"segmentation_template": `"xyz" [{"op":"scale","to":[0,1]}] null {"activation":"softmax","pick":"argmax"} 4`,
		"spleen_ct_segmentation": `"xyz" [{"op":"orient","axes":"RAS"},{"op":"spacing","mm":[1.5,1.5,2],"rule":"monai","interpolation":"linear","edge":"border"},{"op":"range","from":[-57,164],"to":[0,1],"clip":true}]
			{"size":[96,96,96],"overlap":0.5,"blend":"constant","rule":"monai","pad":"constant","batch":4}
			{"activation":"softmax","pick":"argmax","restore":"probabilities"} 2`,
		"ventricular_short_axis_3label": `"xy" [{"op":"scale","to":[0,1]}] {"size":[256,256,1],"overlap":0.25,"blend":"constant","rule":"monai","pad":"constant","batch":1}
			{"activation":"softmax","pick":"argmax","restore":"probabilities"} 4`,
		"wholeBody_ct_segmentation": `"xyz" [{"op":"orient","axes":"RAS"},{"op":"spacing","mm":[1.5,1.5,1.5],"rule":"monai","interpolation":"linear","edge":"border"},{"op":"zscore","nonzero":true},{"op":"scale","to":[-1,1]}]
			{"size":[96,96,96],"overlap":0.25,"blend":"gaussian","rule":"monai","pad":"replicate","batch":1}
			{"activation":"softmax","pick":"argmax","restore":"labels"} 105`,
	}
}

// compact takes the white space out.
func compact(s string) string {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		if s[i] != ' ' && s[i] != '\n' && s[i] != '\t' {
			out = append(out, s[i])
		}
	}
	return string(out)
}

func TestZoo(t *testing.T) {
	root := shared.Dir(t, "bundles")
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := bundle.Open(filepath.Join(root, e.Name()), bundle.Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		spec, _, err := b.Spec()
		want, translated := zoo()[e.Name()]
		if !translated {
			if _, ok := errors.AsType[*bundle.UntranslatableError](err); !ok {
				t.Errorf("%s: got %v, want a list of what has no translation", e.Name(), err)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		var parts []byte
		for _, v := range []any{spec.Input.Layout, spec.Prepare, spec.Tile, spec.Decode, len(spec.Labels)} {
			raw, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, raw...)
		}
		if string(parts) != compact(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", e.Name(), parts, compact(want))
		}
	}
}

// BraTS: the first where wins, so that its channel is the last label.
func TestBraTSLabels(t *testing.T) {
	b, err := bundle.Open(shared.Dir(t, "bundles", "brats_mri_segmentation"), bundle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	spec, _, err := b.Spec()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(spec.Labels)
	const want = `[{"value":0,"name":"background"},{"value":2,"name":"Whole tumor","channel":1},{"value":1,"name":"Tumor core","channel":0},{"value":4,"name":"Enhancing tumor","channel":2}]`
	if err != nil || string(raw) != want {
		t.Errorf("got %s, %v, want %s", raw, err, want)
	}
}

// A setting of the command line changes what depends on it.
func TestSetting(t *testing.T) {
	b, err := bundle.Open(shared.Dir(t, "bundles", "wholeBody_ct_segmentation"), bundle.Options{Set: []bundle.Setting{{ID: "displayable_configs#highres", Value: "false"}}})
	if err != nil {
		t.Fatal(err)
	}
	spec, _, err := b.Spec()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(spec.Prepare[1])
	if err != nil || string(raw) != `{"mm":[3,3,3],"rule":"monai","interpolation":"linear","edge":"border"}` {
		t.Errorf("got %s, %v, want 3 mm", raw, err)
	}
	if _, _, err := b.ModelFile(); err == nil || !strings.Contains(err.Error(), "--ckpt_file models/model_lowres.pt") {
		t.Errorf("got %v, want a command with the weights of low resolution", err)
	}
}
