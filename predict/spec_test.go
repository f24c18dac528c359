package predict_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// fullSpec uses every key of version 1.
const fullSpec = `{"version":1,"task":"segmentation",
 "input":{"name":"image","layout":"xyz","channels":[{"name":"T1w","modality":"MR"}]},
 "prepare":[{"op":"orient","axes":"RAS"},
            {"op":"spacing","mm":[1.5,1.5,2.0],"rule":"monai","interpolation":"linear","edge":"border"},
            {"op":"range","from":[-57,164],"to":[0,1],"clip":true}],
 "tile":{"size":[96,96,96],"overlap":0.5,"blend":"gaussian","sigma":0.125,"rule":"monai","pad":"constant","batch":4,"mirror":[]},
 "decode":{"activation":"softmax","pick":"argmax","restore":"probabilities","ensemble":"probabilities",
           "keep":[{"labels":[1],"largest":1,"connectivity":26,"each":true}]},
 "labels":[{"value":0,"name":"background"},
           {"value":1,"name":"spleen","color":"#c03040","code":{"scheme":"SCT","value":"78961009","meaning":"Spleen"}}],
 "provenance":{"source":"a","sha256":"b","tool":"nitrain v0.1","licence":"MIT","trained":{"cases":41,"epochs":20,"steps":3,"score":0.93}}}`

func TestSpecRoundTrip(t *testing.T) {
	first, err := predict.ParseSpec([]byte(fullSpec))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	second, err := predict.ParseSpec(raw)
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	again, err := json.Marshal(second)
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != string(raw) {
		t.Errorf("a second round differs:\n%s\n%s", raw, again)
	}
	if second.Tile.Overlap != (predict.Overlap{0.5, 0.5, 0.5}) || second.Labels[1].Code.Value != "78961009" || len(second.Prepare) != 3 {
		t.Errorf("lost: %+v", second)
	}
}

func TestSpecFaultsAreNamed(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`"version":1,`, ``, "version: missing"},
		{`"version":1`, `"version":2`, "version: want 1, got 2"},
		{`"version":1`, `"Version":1`, "Version: unknown key"},
		{`"task":"segmentation"`, `"task":"segmentation","task":"classification"`, "task: stands twice"},
		{`"task":"segmentation"`, `"task":"segment"`, `task: want segmentation or classification or regression or image, got "segment"`},
		{`"layout":"xyz",`, ``, "input.layout: missing"},
		{`"layout":"xyz"`, `"layout":"xzx"`, "input.layout: want"},
		{`[{"name":"T1w","modality":"MR"}]`, `[]`, "input.channels: want at least one"},
		{`[{"name":"T1w","modality":"MR"}]`, `[{"modality":"MR"}]`, "input.channels[0].name: missing"},
		{`"modality":"MR"`, `"modality":7`, "modality"},
		{`"op":"orient"`, `"op":"turn"`, "turn"},
		{`"axes":"RAS"`, `"axis":"RAS"`, "axis"},
		{`"rule":"monai","pad"`, `"rule":"sitk","pad"`, "tile rule"},
		{`[96,96,96]`, `[96,96]`, "tile.size: want 3 values, got 2"},
		{`"overlap":0.5`, `"overlap":1`, "overlap"},
		{`"overlap":0.5,`, ``, "tile.overlap: missing"},
		{`"overlap":0.5`, `"overlap":[0.5]`, "want a number or three"},
		{`"mirror":[]`, `"mirror":[3]`, "tile.mirror"},
		{`"batch":4`, `"batch":-4`, "tile.batch"},
		{`"pad":"constant"`, `"pad":"edge"`, "tile.pad"},
		{`"largest":1`, `"largest":0`, "want largest or min_size above 0"},
		{`"connectivity":26`, `"connectivity":8`, "connectivity"},
		{`"connectivity":26`, `"connectvity":26`, `keep: unknown key "connectvity"`},
		{`"labels":[1]`, `"labels":[2]`, "decode.keep[0].labels: 2"},
		{`"activation":"softmax",`, ``, "decode.activation: missing"},
		{`"pick":"argmax"`, `"pick":"argmax","threshold":0.4`, "only with pick threshold"},
		{`"restore":"probabilities"`, `"restore":"image"`, "decode.restore: want probabilities or logits or labels"},
		{`"ensemble":"probabilities"`, `"ensemble":"votes"`, "decode.ensemble"},
		{`"value":1,"name":"spleen"`, `"value":0,"name":"spleen"`, "labels[1].value: 0 stands twice"},
		{`"value":1,"name":"spleen"`, `"value":1.5,"name":"spleen"`, "value"},
		{`"value":1,"name":"spleen"`, `"value":-1,"name":"spleen"`, "labels[1].value: want 0"},
		{`"name":"spleen"`, `"name":""`, "labels[1].name: empty"},
		{`"#c03040"`, `"red"`, "labels[1].color"},
		{`"scheme":"SCT",`, ``, "labels[1].code.scheme: missing"},
		{`"cases":41`, `"case":41`, "provenance.trained.case: unknown key"},
		{`"provenance":{`, `"provenance":[],"x":{`, "provenance: want an object"},
		{`"labels":[{`, `"labels":{},"y":[{`, "labels: want a list"},
	} {
		if !strings.Contains(fullSpec, c.old) {
			t.Fatalf("%q is not in the Spec", c.old)
		}
		_, err := predict.ParseSpec([]byte(strings.Replace(fullSpec, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want %q, got %v", c.new, c.want, err)
		}
	}
	for _, text := range []string{``, `null`, `[]`, `{}`, `7`, `{"version":1}x`, fullSpec + `{}`, `{"version":null}`} {
		if _, err := predict.ParseSpec([]byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

// wideSpec has the keys that fullSpec has not: a cascade of 2.5-D, regions in an order of their own.
const wideSpec = `{"version":1,"task":"segmentation",
 "input":{"layout":"zy","stack":3,"channels":[{"name":"CT"},{"name":"liver before","value":2}]},
 "prepare":[{"op":"channels","of":[0],"steps":[{"op":"zscore"}]}],
 "tile":{"size":[1,64,64],"overlap":[0,0.5,0.5],"skip_below":-900},
 "decode":{"activation":"sigmoid","pick":"threshold","threshold":0.4,"restore_rule":"nnunet"},
 "labels":[{"value":0,"name":"background"},{"value":2,"name":"whole tumour","channel":1,"region":[1,2,4]},{"value":1,"name":"core","channel":0}]}`

// numberSpec is a regression's.
const numberSpec = `{"version":1,"task":"regression","input":{"layout":"zyx","channels":[{"name":"T1w"}]},"prepare":[],
 "decode":{"activation":"none","scale":[10],"offset":[40]},"labels":[{"value":0,"name":"age","unit":"years"}]}`

// pictureSpec is that of an image-to-image model.
const pictureSpec = `{"version":1,"task":"image","input":{"layout":"zyx","channels":[{"name":"MR"}]},"prepare":[],
 "decode":{"activation":"none","scale":[1000],"nan":-1024},"labels":[]}`

func TestSpecFaultsOfTasks(t *testing.T) {
	for _, c := range []struct{ text, old, new, want string }{
		{wideSpec, `"stack":3`, `"stack":2`, "input.stack: want an odd number"},
		{wideSpec, `"layout":"zy"`, `"layout":"zyx"`, "input.stack: only with a layout of two axes"},
		{wideSpec, `[1,64,64]`, `[64,1,64]`, "input.stack: wants a tile whose size is 1 along x"},
		{wideSpec, `[1,64,64]`, `[2,64,64]`, "tile.size: want 1 or 0 along x"},
		{wideSpec, `{"name":"CT"},`, ``, "want at least one without a value"},
		{wideSpec, `{"name":"CT"},{"name":"liver before","value":2}`, `{"name":"liver before","value":2},{"name":"CT"}`, "want the channels that are made from a label image last"},
		{wideSpec, `before","value":2`, `before","value":0`, "input.channels[1].value: want 1"},
		{wideSpec, `"restore_rule":"nnunet"`, `"restore_rule":"monai"`, "decode.restore_rule: want nnunet"},
		{wideSpec, `"restore_rule"`, `"restore":"labels","restore_rule"`, "decode.restore_rule: not with restore labels"},
		{wideSpec, `"channel":0`, `"channel":1`, "labels[2].channel: 1 stands twice"},
		{wideSpec, `,"channel":0`, ``, "want a channel for each of them or for none, got 1 of 2"},
		{wideSpec, `"channel":0`, `"channel":-1`, "labels[2].channel: want 0 to"},
		{wideSpec, `"name":"background"`, `"name":"background","channel":2`, "background has none with pick threshold"},
		{wideSpec, `[1,2,4]`, `[-1]`, "labels[1].region"},
		{wideSpec, `"skip_below":-900`, `"skip_below":"a"`, "skip_below"},
		{wideSpec, `"threshold":0.4`, `"threshold":0.4,"nan":0`, "only with the tasks regression and image"},
		{wideSpec, `"channel":0`, `"channel":0,"unit":"mm"`, "labels[2].unit: only"},
		{wideSpec, `"pick":"threshold","threshold":0.4`, `"pick":"argmax"`, "want a channel for each"},
		{wideSpec, `"pick":"threshold",`, ``, "decode.pick: want argmax or threshold"},
		{wideSpec, `"task":"segmentation"`, `"task":"classification"`, "tile: a classification sees the whole image"},
		{numberSpec, `"labels":[{"value":0,"name":"age","unit":"years"}]`, `"labels":[]`, "labels: a regression wants one"},
		{numberSpec, `"value":0`, `"value":1`, "labels[0].value: want the channel of the output"},
		{numberSpec, `"scale":[10]`, `"scale":[10,1]`, "decode.scale: want one number or one for each of the 1 labels"},
		{numberSpec, `"scale":[10]`, `"pick":"argmax"`, "decode.pick and threshold: not with the task regression"},
		{numberSpec, `"scale":[10]`, `"nan":1`, "decode.nan"},
		{numberSpec, `"none"`, `"softmax"`, "decode.activation: want none or sigmoid"},
		{numberSpec, `"scale":[10]`, `"restore":"logits"`, "decode.restore: not with"},
		{numberSpec, `"unit":"years"`, `"channel":0`, "value says the channel"},
		{numberSpec, `"unit":"years"`, `"region":[1]`, "labels[0].region: only with the task segmentation"},
		{pictureSpec, `"nan":-1024`, `"restore_rule":"nnunet"`, "decode.restore_rule: only with the task segmentation"},
		{pictureSpec, `"nan":-1024`, `"keep":[{"largest":1}]`, "decode.keep: only with the task segmentation"},
		{pictureSpec, `"prepare":[]`, `"prepare":[],"tile":{"size":[0,0,0],"overlap":0,"skip_below":0}`, "tile.skip_below: only with"},
	} {
		if _, err := predict.ParseSpec([]byte(c.text)); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(c.text, c.old) {
			t.Fatalf("%q is not in the Spec", c.old)
		}
		_, err := predict.ParseSpec([]byte(strings.Replace(c.text, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want %q, got %v", c.new, c.want, err)
		}
		if fault, ok := errors.AsType[*predict.SpecError](err); !ok || fault.Hint() == "" {
			t.Errorf("%s: %T without a hint", c.new, err)
		}
	}
}

// A Spec from the future names what is not known, and the hint says where it may come from.
func TestSpecFromTheFuture(t *testing.T) {
	for old, change := range map[string][2]string{
		`"version":1`:      {`"version":2`, "version: want 1, got 2"},
		`"stack":3`:        {`"stack":3,"dose":1`, "input.dose: unknown key"},
		`{"op":"channels"`: {`{"op":"denoise"},{"op":"channels"`, `unknown op "denoise"`},
		`{"op":"zscore"}`:  {`{"op":"zscore","robust":true}`, `unknown key "robust"`},
	} {
		_, err := predict.ParseSpec([]byte(strings.Replace(wideSpec, old, change[0], 1)))
		fault, ok := errors.AsType[*predict.SpecError](err)
		if !ok || !fault.Newer || !strings.Contains(err.Error(), change[1]) || !strings.Contains(fault.Hint(), "newer nitrain") {
			t.Errorf("%s: %v", change[0], err)
		}
	}
	_, err := predict.ParseSpec([]byte(strings.Replace(wideSpec, `"zy"`, `"zz"`, 1)))
	if fault, ok := errors.AsType[*predict.SpecError](err); !ok || fault.Newer {
		t.Errorf("a fault of this version: %v", err)
	}
}

func TestSpecReportsAllFaultsAtOnce(t *testing.T) {
	_, err := predict.ParseSpec([]byte(`{"version":1,"task":"segmentation","input":{"layout":"xyz"},"tiles":{},"decode":{"pick":"argmax"}}`))
	want := []string{"input.channels: missing", "tiles: unknown key", "decode.activation: missing", "prepare: missing", "labels: missing"}
	for _, w := range want {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("want %q in %v", w, err)
		}
	}
	spec := binary(patch.XYZ)
	spec.Version, spec.Input.Layout, spec.Labels = 3, "x", nil
	if got := strings.Count(fmt.Sprint(spec.Validate()), "\n"); got != 2 {
		t.Errorf("three faults on %d lines: %v", got+1, spec.Validate())
	}
}

func TestExampleSpecs(t *testing.T) {
	files, err := filepath.Glob("../docs/examples/specs/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no example Specs: ", err)
	}
	for _, f := range files {
		exampleSpec(t, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
}

func TestSpecInModel(t *testing.T) {
	m := onnx.New(8, "g", onnx.Opset{Version: 17})
	if _, err := predict.ReadSpec(m); !errors.Is(err, predict.ErrNoSpec) {
		t.Fatalf("a model without: %v", err)
	}
	want, err := predict.ParseSpec([]byte(fullSpec))
	if err != nil {
		t.Fatal(err)
	}
	if err := predict.WriteSpec(m, want); err != nil {
		t.Fatal(err)
	}
	got, err := predict.ReadSpec(m)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := predict.WriteSpec(m, predict.Spec{}); err == nil {
		t.Error("an empty Spec was written")
	}
	m.SetMetadata(predict.MetadataKey, "{}")
	if _, err := predict.ReadSpec(m); err == nil || errors.Is(err, predict.ErrNoSpec) {
		t.Errorf("a broken Spec: %v", err)
	}
}

func TestGuess(t *testing.T) {
	in := func(shape ...int) []onnx.ValueInfo {
		return []onnx.ValueInfo{{Name: "x", DType: onnx.Float32, Shape: shape}}
	}
	seg, err := predict.Guess(in(-1, 1, 64, 64, 64), in(-1, 3, 64, 64, 64))
	if err != nil || len(seg.Labels) != 3 || seg.Tile.Size != [3]int{64, 64, 64} || seg.Input.Layout != patch.XYZ {
		t.Errorf("segmentation: %+v %v", seg, err)
	}
	photo, err := predict.Guess(in(-1, 3, -1, -1), in(-1, 1, -1, -1))
	if err != nil || photo.Decode.Pick != predict.Threshold || photo.Tile != nil || len(photo.Input.Channels) != 3 {
		t.Errorf("photograph: %+v %v", photo, err)
	}
	class, err := predict.Guess(in(1, 1, 8, 8, 8), in(1, 10))
	if err != nil || class.Task != predict.Classification || class.Tile != nil {
		t.Errorf("classification: %+v %v", class, err)
	}
	for _, bad := range [][2][]onnx.ValueInfo{
		{nil, nil}, {in(1, 2, 3), in(1, 2, 3)}, {in(-1, -1, 4, 4), in(-1, 2, 4, 4)}, {in(1, 1, 4, 4), in(1, 2, 4)}, {in(1, 1, 4, 4), {{Name: "y"}}},
	} {
		if s, err := predict.Guess(bad[0], bad[1]); err == nil {
			t.Errorf("%v: %+v", bad, s)
		}
	}
}

// What is read is valid, and reads the same after it was written.
func FuzzSpec(f *testing.F) {
	f.Add([]byte(fullSpec))
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(wideSpec))
	f.Add([]byte(numberSpec))
	f.Add([]byte(pictureSpec))
	files, _ := filepath.Glob("../docs/examples/specs/*.json")
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := predict.ParseSpec(data)
		if err != nil {
			return
		}
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := predict.ParseSpec(raw)
		if err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
		twice, err := json.Marshal(again)
		if err != nil || string(twice) != string(raw) {
			t.Fatalf("%v\n%s\n%s", err, raw, twice)
		}
	})
}

func ExampleParseSpec() {
	_, err := predict.ParseSpec([]byte(`{"version":1,"task":"segmentation","input":{"layout":"xyz","channels":[{"name":"T1w"}]},
		"prepare":[],"decode":{"activation":"softmax","pick":"argmax","treshold":1},
		"labels":[{"value":0,"name":"background"},{"value":1,"name":"lesion"}]}`))
	fmt.Println(err)
	// Output: predict: spec: decode.treshold: unknown key
}
