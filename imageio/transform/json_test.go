package transform

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// everyStep holds every step with every key, in the order in which they are written.
func everyStep() []string {
	return []string{
		`{"op":"orient","axes":"RAS"}`,
		`{"op":"conform","rule":"niivue"}`,
		`{"op":"spacing","mm":[1.5,1.5,2],"rule":"monai","interpolation":"linear","edge":"border","diagonal":true,"align_corners":"monai-1.5"}`,
		`{"op":"spacing","mm":[1,1,-1],"rule":"nnunet","interpolation":"cubic"}`,
		`{"op":"resize","size":[10,30,14],"interpolation":"linear","align_corners":true,"anti_aliasing":true,"sigma":0.5}`,
		`{"op":"resize","size":[512,512],"interpolation":"area"}`,
		`{"op":"zoom","factor":0.5,"interpolation":"nearest-exact","keep_size":true}`,
		`{"op":"zoom","factor":[0.5,1,2],"interpolation":"linear","align_corners":true}`,
		`{"op":"crop_foreground","above":12.5,"margin":[1,2,3],"allow_smaller":true}`,
		`{"op":"crop_foreground","fraction_of_max":0.2,"margin":18,"per_channel":true}`,
		`{"op":"crop_nonzero"}`,
		`{"op":"center_crop","size":[8,9,20]}`,
		`{"op":"pad","size":[24,24,24],"value":-1000,"mode":"constant","method":"end"}`,
		`{"op":"pad_multiple","k":16,"value":1,"mode":"reflect","method":"symmetric"}`,
		`{"op":"range","from":[-57,164],"to":[0,1],"clip":true}`,
		`{"op":"percentiles","lower":5,"upper":95,"to":[-1,1],"clip":true,"method":"index","per_channel":true}`,
		`{"op":"scale","to":[0,255],"per_channel":true}`,
		`{"op":"zscore","nonzero":true,"per_channel":true}`,
		`{"op":"clip","lower":-1,"upper":1}`,
		`{"op":"ct_normalize","mean":99.4,"std":39.4,"lower":-41,"upper":176}`,
		`{"op":"channels","of":[1,0],"steps":[{"op":"clip","lower":-1,"upper":1},{"op":"zscore"}]}`,
		`{"op":"select_channels","list":[3,0]}`,
		`{"op":"concat_channels"}`,
	}
}

func extraSteps() []string {
	return []string{
		`{"op":"smooth","mm":2}`,
		`{"op":"smooth","voxels":[1,1,0]}`,
		`{"op":"threshold","above":0,"below":1.5}`,
		`{"op":"erode","radius":1}`,
		`{"op":"dilate","radius":2.5}`,
		`{"op":"open","radius":2}`,
		`{"op":"close","radius":2}`,
		`{"op":"fill_holes"}`,
		`{"op":"components","labels":[1,2],"largest":1,"min_size":10,"connectivity":6,"each":true}`,
		`{"op":"remap","map":{"1":2,"2":0}}`,
		`{"op":"one_hot","classes":3}`,
		`{"op":"affine","matrix":[[1,0,0,5],[0,0,1,0],[0,-1,0,2.5],[0,0,0,1]],"interpolation":"cubic","edge":"border"}`,
		`{"op":"affine","matrix":[[1,0,0,5],[0,1,0,0],[0,0,1,0],[0,0,0,1]],"regrid":true}`,
		`{"op":"lazy","steps":[{"op":"orient","axes":"RAS"},{"op":"spacing","mm":[1,1,1]},{"op":"pad","size":[96,96,96]}],"interpolation":"cubic","edge":"zeros"}`,
		`{"op":"distance","labels":[1,2],"of":"signed"}`,
		`{"op":"match_histogram","reference":"ref.nii.gz","nonzero":true}`,
		`{"op":"match_histogram","reference":"ref.nii.gz","rule":"itk","levels":128,"points":7}`,
		`{"op":"n4","mask":"brain.nii.gz","shrink":2,"levels":3,"iterations":20,"mesh":[2,2,1],"convergence":0.01,"bins":100,"fwhm":0.1,"noise":0.02,"field":true}`,
		`{"op":"add","image":"b.nii.gz"}`,
		`{"op":"subtract","value":-1.5}`,
		`{"op":"multiply","image":"b.nii.gz"}`,
		`{"op":"divide","value":2}`,
		`{"op":"mask","image":"b.nii.gz","outside":-1000}`,
	}
}

// TestStepsAreWrittenAsRead also proves that the tables and the list above hold the same ops.
func TestStepsAreWrittenAsRead(t *testing.T) {
	all := append(everyStep(), extraSteps()...)
	text := "[" + strings.Join(all, ",") + "]"
	p, err := ParseSteps([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(p)
	if err != nil || string(got) != text {
		t.Errorf("%v\n got %s\nwant %s", err, got, text)
	}
	seen := map[string]bool{}
	for _, s := range p {
		seen[s.(step).op()] = true
	}
	for _, e := range append(prepareOps(), extraOps()...) {
		if !seen[e.op] {
			t.Errorf("op %s is not in the list of this test", e.op)
		}
	}
}

func TestPrepareIsClosed(t *testing.T) {
	var p Pipeline
	if err := json.Unmarshal([]byte("["+strings.Join(everyStep(), ",")+"]"), &p); err != nil {
		t.Error(err)
	}
	for _, s := range extraSteps() {
		err := json.Unmarshal([]byte("["+s+"]"), &p)
		var format *FormatError
		if !errors.As(err, &format) || format.Op == "" || format.Hint() == "" {
			t.Errorf("%s: %v", s, err)
		}
	}
	if len(p) != len(everyStep()) {
		t.Error("a failed reading changed the pipeline")
	}
}

func TestBadSteps(t *testing.T) {
	for _, c := range []struct{ steps, want string }{
		{`[{"op":"sharpen"}]`, `transform: step 1: unknown op "sharpen"`},
		{`[{"op":"Orient","axes":"RAS"}]`, `unknown op "Orient"`},
		{`[{"op":"orient","axes":"RAS","axis":1}]`, `step 1: orient: unknown key "axis"`},
		{`[{"op":"orient","Axes":"RAS"}]`, `unknown key "Axes"`},
		{`[{"op":"orient","axes":"RAS","axes":"RAS"}]`, `key "axes" comes twice`},
		{`[{"op":"orient","op":"orient","axes":"RAS"}]`, `key "op" comes twice`},
		{`[{"op":"remap","map":{"1":2,"1":3}}]`, `key "1" comes twice`},
		{`[{"op":"orient"}]`, `orient: axes: missing`},
		{`[{"op":"orient","axes":"RAX"}]`, `axes: want three letters, one each of RL, AP and SI, like RAS, got "RAX"`},
		{`[{"op":"orient","axes":"RRS"}]`, `got "RRS"`},
		{`[{"op":"orient","axes":7}]`, `orient: axes: want a text, got 7`},
		{`[{"op":"orient","axes":null}]`, `null is not a value`},
		{`[{"op":"spacing","mm":[1,1]}]`, `spacing: mm: want a number or a list of 3, got [1,1]`},
		{`[{"op":"spacing","mm":[1,1,1,1]}]`, `mm: want`},
		{`[{"op":"spacing","mm":[1,1,"1"]}]`, `mm: want`},
		{`[{"op":"spacing","mm":[1,1,1e9]}]`, `mm: want 0.001 to 10000`},
		{`[{"op":"spacing","mm":1,"rule":"spm"}]`, `rule: want monai, nnunet, itk, got "spm"`},
		{`[{"op":"spacing","mm":1,"interpolation":"area"}]`, `interpolation: want linear, nearest, cubic, got "area"`},
		{`[{"op":"spacing","mm":1,"rule":"itk","edge":"border"}]`, `edge: rule itk`},
		{`[{"op":"resize","size":[1.5,2,2]}]`, `size: want a whole number`},
		{`[{"op":"resize","size":[8,8,8],"interpolation":"area","align_corners":true}]`, `align_corners belongs to linear`},
		{`[{"op":"range","from":[0]}]`, `from: want a list of 2 numbers, got [0]`},
		{`[{"op":"range","from":[0,1],"to":[1,0]}]`, `to: want the lower number first`},
		{`[{"op":"percentiles","lower":99,"upper":1}]`, `want 0 <= lower < upper <= 100`},
		{`[{"op":"crop_foreground","above":1,"fraction_of_max":0.2}]`, `exclude each other`},
		{`[{"op":"crop_foreground","margin":-1}]`, `margin: want 0 to`},
		{`[{"op":"zscore","nonzero":1}]`, `nonzero: want true or false, got 1`},
		{`[{"op":"channels","of":[],"steps":[{"op":"zscore"}]}]`, `of: want at least one`},
		{`[{"op":"channels","of":[0,0],"steps":[{"op":"zscore"}]}]`, `each once`},
		{`[{"op":"channels","of":[0],"steps":[]}]`, `steps: want at least one`},
		{`[{"op":"channels","of":[0],"steps":[{"op":"orient","axes":"RAS"}]}]`, `unknown op "orient"`},
		{`[{"op":"channels","of":[0],"steps":[{"op":"channels","of":[0],"steps":[{"op":"zscore"}]}]}]`, `unknown op "channels"`},
		{`[{"op":"select_channels","list":[]}]`, `list: want at least one`},
		{`[{"op":"select_channels","list":[0.5]}]`, `list: want a list of whole numbers`},
		{`[{"op":"ct_normalize","mean":0,"std":0,"lower":0,"upper":1}]`, `std: want above 0`},
		{`[{"op":"components"}]`, `want largest or min_size above 0`},
		{`[{"op":"components","largest":1,"connectivity":8}]`, `connectivity: want 6, 18 or 26, got 8`},
		{`[{"op":"crop_nonzero","margin":1}]`, `unknown key "margin"`},
		{`[{"op":"affine","matrix":[[1,0,0],[0,1,0],[0,0,1]]}]`, `matrix: want three or four rows of four numbers`},
		{`[{"op":"affine","matrix":[[1,0,0,0],[0,1,0,0],[0,0,0,0]]}]`, `matrix: want one that can be inverted`},
		{`[{"op":"affine","matrix":[[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,2]]}]`, `matrix: want three or four rows`},
		{`[{"op":"n4","shrink":-1}]`, `shrink: want 1 to 64, got -1`},
		{`[{"op":"n4","fwhm":-0.1}]`, `fwhm: want 0 to 10`},
		{`[{"op":"lazy","steps":[]}]`, `lazy: steps: want at least one`},
		{`[{"op":"lazy","steps":[{"op":"zscore"}]}]`, `steps: step 1: zscore cannot be lazy`},
		{`[{"op":"lazy","steps":[{"op":"orient"}]}]`, `orient: axes: missing`},
		{`[{"op":"lazy","steps":[{"op":"pad","size":8,"value":1}]}]`, `pad: lazy padding is with zeros`},
		{`[{"op":"lazy","steps":[{"op":"lazy","steps":[{"op":"orient","axes":"RAS"}]}]}]`, `lazy cannot be lazy`},
		{`[{"op":"add"}]`, `add: want either image or value`},
		{`[{"op":"add","image":"a.nii","value":1}]`, `want either image or value`},
		{`[{"op":"divide","value":0}]`, `value: want anything but 0`},
		{`[{"op":"mask"}]`, `mask: image: missing`},
		{`[{"op":"mask","image":7}]`, `image: want the path of an image, got 7`},
		{`[{"op":"distance","of":"edge"}]`, `of: want outside, inside, signed, got "edge"`},
		{`[{"op":"match_histogram","reference":"a.nii","levels":3}]`, `levels and points belong to rule itk`},
		{`[{"axes":"RAS"}]`, `op: want the name of a step`},
		{`[7]`, `want an object like`},
		{`{"op":"orient"}`, `want a list of steps`},
		{`[] []`, `text after the list`},
		{`[{"op":"orient","axes":"RAS"}`, `JSON ends too early`},
		{``, `JSON ends too early`},
		{`null`, `null is not a value`},
		{`[{"op":"x"},{"op":"orient"}]`, `step 2: orient: axes: missing`}, // all faults at once
	} {
		p, err := ParseSteps([]byte(c.steps))
		if err == nil || !strings.Contains(err.Error(), c.want) || p != nil {
			t.Errorf("%s:\n got %v\nwant %s", c.steps, err, c.want)
		}
	}
}

func TestKeepIsStrict(t *testing.T) {
	var k Keep
	if err := json.Unmarshal([]byte(`{"labels":[1],"largest":1,"connectivity":26}`), &k); err != nil || !reflect.DeepEqual(k, Keep{Labels: []int{1}, Largest: 1, Connectivity: 26}) {
		t.Error(k, err)
	}
	if out, err := json.Marshal(k); err != nil || string(out) != `{"labels":[1],"largest":1,"connectivity":26}` {
		t.Errorf("%s %v", out, err)
	}
	for _, bad := range []string{`{"labels":[1]}`, `{"largest":1,"label":[1]}`, `{"largest":1,"largest":2}`, `[]`, `{"largest":1,"labels":[0]}`} {
		if err := json.Unmarshal([]byte(bad), &k); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

// TestStepsAreDocumented reads every example of docs/steps.md and wants every op and key there.
func TestStepsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/steps.md")
	if err != nil {
		t.Fatal(err)
	}
	ops := map[string]bool{}
	for _, example := range regexp.MustCompile("(?m)^    (\\{\"op\".*\\})$").FindAllSubmatch(doc, -1) {
		p, err := ParseSteps([]byte("[" + string(example[1]) + "]"))
		if err != nil {
			t.Errorf("%s: %v", example[1], err)
			continue
		}
		ops[p[0].(step).op()] = true
	}
	for _, e := range append(prepareOps(), extraOps()...) {
		if !ops[e.op] {
			t.Errorf("docs/steps.md has no example of %s", e.op)
		}
	}
	p, err := ParseSteps([]byte("[" + strings.Join(append(everyStep(), extraSteps()...), ",") + "]"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p {
		for field := range reflect.TypeOf(s).Fields() {
			key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if !strings.Contains(string(doc), "`"+key+"`") {
				t.Errorf("docs/steps.md does not mention the key %s of %s", key, s.(step).op())
			}
		}
	}
}

// FuzzPipeline wants that whatever is read is written and read again to the same.
func FuzzPipeline(f *testing.F) {
	for _, s := range append(everyStep(), extraSteps()...) {
		f.Add([]byte("[" + s + "]"))
	}
	f.Add([]byte(`[{"op":"resize","size":7},{"op":"smooth","mm":1e-300}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParseSteps(data)
		if err != nil {
			if err.Error() == "" || p != nil {
				t.Fatal("an error without words, or with a result")
			}
			return
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatalf("%s was read and cannot be written: %v", data, err)
		}
		again, err := ParseSteps(text)
		if err != nil {
			t.Fatalf("%s was written as %s, which cannot be read: %v", data, text, err)
		}
		if !reflect.DeepEqual(p, again) {
			t.Fatalf("%s was written as %s, which is read differently", data, text)
		}
	})
}
