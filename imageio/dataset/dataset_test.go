package dataset

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTables(t *testing.T) {
	dir := t.TempDir()
	want := []Case{
		{ID: "a", Images: []string{filepath.Join(dir, "x/a.nii.gz"), filepath.Join(dir, "x/a_2.nii")}, Label: filepath.Join(dir, "y/a.nii.gz"), Target: "y/a.nii.gz", Group: "s1", Extra: map[string]string{"site": "North, 1"}},
		{ID: "b.v2", Images: []string{"/abs/b.v2.nii.gz", filepath.Join(dir, "x/b_2.nii")}, Group: "", Extra: map[string]string{"site": ""}},
	}
	for name, text := range map[string]string{
		"plain.csv": "image,image_2,label,group,site\nx/a.nii.gz,x/a_2.nii,y/a.nii.gz,s1,\"North, 1\"\n/abs/b.v2.nii.gz,x/b_2.nii,,,\n",
		"tabs.tsv":  "site\timage\tlabel\timage_2\tgroup\nNorth, 1\tx/a.nii.gz\ty/a.nii.gz\tx/a_2.nii\ts1\n\t/abs/b.v2.nii.gz\t\tx/b_2.nii\t\n",
		"excel.csv": "\ufeffImage_1;Image_2;Label;Group;site\r\nx/a.nii.gz;x/a_2.nii;y/a.nii.gz;s1;North, 1\r\n\r\n/abs/b.v2.nii.gz;x/b_2.nii;;;\r\n",
	} {
		got, err := Read(write(t, filepath.Join(dir, name), text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestTableFaults(t *testing.T) {
	dir := t.TempDir()
	for text, wants := range map[string][]string{
		"":                           {"empty"},
		"image\n":                    {"no cases"},
		"label\nx\n":                 {"want a column image"},
		"image,image_3\na,b\n":       {"without number 2"},
		"image,image\na,b\n":         {"appears twice"},
		"image,image_1\na,b\n":       {`"image" and "image_1" both name image 1`},
		"image,label\na\n,b\nc,d,e":  {"line 2: want 2 fields", "line 3: image 1: want a path", "line 4: want 2 fields"},
		"image,label\n\"a,b\nc,d\n":  {"line"},
		"id,image\n1,a.nii\n1,b.nii": {`"1" appears twice`},
		"image\na.nii\na.nii\n":      {"a.nii is in the list twice"},
	} {
		_, err := ReadTable(write(t, filepath.Join(dir, "t.csv"), text))
		if err == nil {
			t.Errorf("%q: want an error", text)
			continue
		}
		for _, w := range wants {
			if !strings.Contains(err.Error(), w) || !strings.Contains(err.Error(), "t.csv") {
				t.Errorf("%q: want %q in %q", text, w, err)
			}
		}
	}
}

func TestIDsTellCasesApart(t *testing.T) {
	cases, err := parseTable([]byte("image\ns1/T1.nii.gz\ns2/T1.nii.gz\n"), ',', "d")
	if err != nil {
		t.Fatal(err)
	}
	if cases[0].ID != "s1/T1" || cases[1].ID != "s2/T1" {
		t.Errorf("got %q and %q", cases[0].ID, cases[1].ID)
	}
	if i, err := Named(cases, "s2/T1"); err != nil || i != 1 {
		t.Errorf("got %d, %v", i, err)
	}
	if _, err := Named(cases, "T1.nii.gz"); err == nil || !strings.Contains(err.Error(), "ambiguous") {
		t.Errorf("want ambiguous, got %v", err)
	}
	if _, err := Named(cases, "T2"); err == nil {
		t.Error("want an error")
	}
}

// Matches are those of bash 5.2 with globstar and nullglob, hidden names and, beside files, folders left out.
func TestGlobDeep(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.nii.gz", "s1/a.nii.gz", "s1/t/b.nii.gz", "s2/t/b.nii.gz", "s2/t/c.txt", ".h/a.nii.gz", "s1/.a.nii.gz"} {
		write(t, filepath.Join(dir, name), "")
	}
	for pattern, want := range map[string]string{
		"**/*.nii.gz":    "a.nii.gz s1/a.nii.gz s1/t/b.nii.gz s2/t/b.nii.gz",
		"*/**/b.nii.gz":  "s1/t/b.nii.gz s2/t/b.nii.gz",
		"s1/**":          "s1/a.nii.gz s1/t/b.nii.gz",
		"**/t/**/*.txt":  "s2/t/c.txt",
		"s?/t/[bc].*":    "s1/t/b.nii.gz s2/t/b.nii.gz s2/t/c.txt",
		"**/t":           "s1/t s2/t",
		"s1/**/s2/*.nii": "",
	} {
		got, err := Glob(filepath.Join(dir, pattern))
		var names []string
		for _, f := range got {
			name, _ := filepath.Rel(dir, f)
			names = append(names, filepath.ToSlash(name))
		}
		if strings.Join(names, " ") != want || (err != nil) != (want == "") {
			t.Errorf("%s: %v, %v; want %s", pattern, names, err, want)
		}
	}
	cases, err := ReadGlobs([]string{filepath.Join(dir, "**/a.nii.gz")}, "")
	if err != nil || len(cases) != 2 {
		t.Errorf("a glob of cases: %v, %v; want 2", cases, err)
	}
}

func TestGlobs(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []string{
		"img/s1_T1.nii.gz", "img/s2_T1.nii.gz", "img/s1_T2.nii", "img/s2_T2.nii", "seg/s1_seg.nii.gz", "seg/s2_seg.nii.gz", "seg/.hidden_seg.nii.gz",
		"eq/images/a.nii.gz", "eq/images/b.nii.gz", "eq/labels/a.nii", "eq/labels/b.nii", "odd/c_seg.nii",
	} {
		write(t, filepath.Join(dir, f), "")
	}
	at := func(p string) string { return filepath.Join(dir, p) }
	got, err := ReadGlobs([]string{at("img/*_T1.nii.gz"), at("img/*_T2.nii")}, at("seg/*_seg.nii.gz"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Case{
		{ID: "s1_T1", Images: []string{at("img/s1_T1.nii.gz"), at("img/s1_T2.nii")}, Label: at("seg/s1_seg.nii.gz")},
		{ID: "s2_T1", Images: []string{at("img/s2_T1.nii.gz"), at("img/s2_T2.nii")}, Label: at("seg/s2_seg.nii.gz")},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	folder, err := Read(at("eq"))
	if err != nil || len(folder) != 2 || folder[1].Label != at("eq/labels/b.nii") {
		t.Errorf("folder: %v, %v", folder, err)
	}
	for _, pattern := range []string{"img/*_T1.nii.gz", "img/*"} {
		if _, err := ReadGlobs([]string{at(pattern)}, at("odd/*_seg.nii")); err == nil || !strings.Contains(err.Error(), "c_seg.nii") || !strings.Contains(err.Error(), "s2_T1.nii.gz") {
			t.Errorf("%s: want both lonely files named, got %v", pattern, err)
		}
	}
	if _, err := ReadGlobs([]string{at("none/*")}, ""); err == nil || !strings.Contains(err.Error(), "no file matches") {
		t.Errorf("got %v", err)
	}
	if _, err := ReadGlobs([]string{at("[")}, ""); err == nil {
		t.Error("a bad pattern: want an error")
	}
}

func TestDecathlon(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "dataset.json"), `{"name":"x","labels":{"0":"background"},"numTraining":1,
		"training":[{"image":"./imagesTr/a.nii.gz","label":"./labelsTr/a.nii.gz"},{"image":["b1.nii","b2.nii"],"label":"b.nii"}],
		"test":["./imagesTs/c.nii.gz",{"image":"d.nii"}]}`)
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	at := func(p string) string { return filepath.Join(dir, p) }
	want := []Case{
		{ID: "a", Images: []string{at("imagesTr/a.nii.gz")}, Label: at("labelsTr/a.nii.gz"), Extra: map[string]string{"split": "train"}},
		{ID: "b1", Images: []string{at("b1.nii"), at("b2.nii")}, Label: at("b.nii"), Extra: map[string]string{"split": "train"}},
		{ID: "c", Images: []string{at("imagesTs/c.nii.gz")}, Extra: map[string]string{"split": "test"}},
		{ID: "d", Images: []string{at("d.nii")}, Extra: map[string]string{"split": "test"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	parts, err := Assigned(got)
	if err != nil || len(parts.Train) != 2 || len(parts.Test) != 2 {
		t.Errorf("got %v, %v", parts, err)
	}
	for text, want := range map[string]string{
		`{`: "not a dataset.json", `{}`: "want a list", `{"training":[{"label":"x"},{"image":["a",1]},{"image":"a","label":["b","c"]}]}`: `training[2]: "label"`,
		`{"training":[{"image":""}]}`: "want a path", `{"training":[7]}`: "training[0]",
	} {
		if _, err := parseDecathlon([]byte(text), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q, got %v", text, want, err)
		}
	}
}

func TestSplit(t *testing.T) {
	var cases []Case
	for i := range 50 {
		c := Case{ID: string(rune('A' + i))}
		if i < 20 {
			c.Group = string(rune('a' + i/4))
		}
		cases = append(cases, c)
	}
	train, valid, err := Split(cases, 0.8, 7)
	if err != nil {
		t.Fatal(err)
	}
	if len(train) != 40 || len(valid) != 10 {
		t.Errorf("got %d and %d", len(train), len(valid))
	}
	side := map[string]string{}
	for name, part := range map[string][]Case{"train": train, "valid": valid} {
		for _, c := range part {
			if other := side[c.Group]; c.Group != "" && other != "" && other != name {
				t.Errorf("group %s is on both sides", c.Group)
			}
			side[c.Group] = name
		}
		if !slices.IsSortedFunc(part, func(a, b Case) int { return strings.Compare(a.ID, b.ID) }) {
			t.Errorf("%s lost the order of the list", name)
		}
	}
	again, _, _ := Split(cases, 0.8, 7)
	if d := cmp.Diff(train, again); d != "" {
		t.Error("the same seed gives another split")
	}
	other, _, _ := Split(cases, 0.8, 8)
	if cmp.Equal(train, other) {
		t.Error("another seed gives the same split")
	}
	for n := range 4 {
		train, valid, _ := Split(cases[20:20+n], 0.99, 1)
		if n >= 2 && (len(valid) != 1 || len(train) != n-1) || n == 1 && len(train) != 1 {
			t.Errorf("%d cases: %d and %d", n, len(train), len(valid))
		}
	}
	if train, valid, _ := Split(cases, 1, 1); len(train) != 50 || valid != nil {
		t.Errorf("fraction 1: %d and %d", len(train), len(valid))
	}
	for _, f := range []float64{0, -1, 1.1, math.NaN()} {
		if _, _, err := Split(cases, f, 1); err == nil {
			t.Errorf("fraction %g: want an error", f)
		}
	}
}

// nifti writes a small float32 volume with a scanner affine shifted along x.
func nifti(t *testing.T, path string, shift float32, size [3]int, values func(i int) float32) string {
	t.Helper()
	n := size[0] * size[1] * size[2]
	raw := make([]byte, 352+4*n)
	le := binary.LittleEndian
	le.PutUint32(raw, 348)
	for i, d := range []int{3, size[0], size[1], size[2], 1, 1, 1, 1} {
		le.PutUint16(raw[40+2*i:], uint16(d))
	}
	le.PutUint16(raw[70:], 16)
	le.PutUint16(raw[72:], 32)
	for i := range 4 {
		le.PutUint32(raw[76+4*i:], math.Float32bits(1))
	}
	le.PutUint32(raw[108:], math.Float32bits(352))
	le.PutUint16(raw[254:], 1)
	for i, v := range []float32{1, 0, 0, shift, 0, 1, 0, 0, 0, 0, 1, 0} {
		le.PutUint32(raw[280+4*i:], math.Float32bits(v))
	}
	copy(raw[344:], "n+1\x00")
	for i := range n {
		le.PutUint32(raw[352+4*i:], math.Float32bits(values(i)))
	}
	return write(t, path, string(raw))
}

func TestCheckReportsEverythingAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := [3]int{4, 3, 2}
	image := nifti(t, filepath.Join(dir, "im.nii"), 0, s, func(i int) float32 { return float32(i) })
	label := nifti(t, filepath.Join(dir, "la.nii"), 0.01, s, func(i int) float32 { return float32(i % 3) })
	good := Case{ID: "good", Images: []string{image}, Label: label}
	want := Want{Channels: 1, Labelled: true, Labels: []int{0, 1, 2}}
	if err := Check(t.Context(), []Case{good}, want); err != nil {
		t.Fatal(err)
	}
	at := func(p string) string { return filepath.Join(dir, p) }
	cases := []Case{
		good,
		{ID: "missing", Images: []string{at("gone.nii")}, Label: at("gone_too.nii")},
		{ID: "unreadable", Images: []string{write(t, at("bad.nii"), "not an image")}, Label: label},
		{ID: "moved", Images: []string{image}, Label: nifti(t, at("moved.nii"), 2, s, func(int) float32 { return 1 })},
		{ID: "smaller", Images: []string{image}, Label: nifti(t, at("small.nii"), 0, [3]int{4, 3, 1}, func(int) float32 { return 1 })},
		{ID: "values", Images: []string{image}, Label: nifti(t, at("values.nii"), 0, s, func(i int) float32 { return float32(i % 5) })},
		{ID: "broken", Images: []string{image}, Label: nifti(t, at("half.nii"), 0, s, func(int) float32 { return 0.5 })},
		{ID: "channels", Images: []string{image, image}, Label: label},
		{ID: "nan", Images: []string{nifti(t, at("nan.nii"), 0, s, func(int) float32 { return float32(math.NaN()) })}, Label: label},
		{ID: "unlabelled", Images: []string{image}},
		{ID: "empty"},
	}
	err := Check(t.Context(), cases, want)
	var p *Problems
	if !errors.As(err, &p) {
		t.Fatalf("want Problems, got %v", err)
	}
	t.Log(err)
	for _, w := range []string{
		"11 problems in 10 of 11 cases", "missing: " + at("gone.nii") + ": no such file\n", "missing: " + at("gone_too.nii"), "unreadable: ", "moved: " + at("moved.nii") + ": label does not lie on its image: the same voxel is up to 2 mm away",
		"want [4 3 2] voxels, got [4 3 1]", "want values 0 1 2, got 3 (5 voxels), 4 (4 voxels)", "broken: ", "channels: channels: want 1, the images have 2", "24 of 24 samples are not finite", "unlabelled: no label", "empty: no image",
	} {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("want %q", w)
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("want errors.Is ErrNotExist")
	}
	if p.Hint() == "" {
		t.Error("want a hint")
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Check(done, cases, want); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestDigestKnowsContentsNotPlaces(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	write(t, filepath.Join(a, "x.nii"), "12")
	write(t, filepath.Join(b, "x.nii"), "12")
	digest := func(c ...Case) string {
		d, err := Digest(c)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := digest(Case{ID: "1", Images: []string{filepath.Join(a, "x.nii")}})
	if digest(Case{ID: "1", Images: []string{filepath.Join(b, "x.nii")}}) != first {
		t.Error("another folder gives another digest")
	}
	write(t, filepath.Join(b, "x.nii"), "123")
	if digest(Case{ID: "1", Images: []string{filepath.Join(b, "x.nii")}}) == first {
		t.Error("another file gives the same digest")
	}
	if _, err := Digest([]Case{{ID: "1", Images: []string{filepath.Join(a, "y.nii")}}}); err == nil {
		t.Error("a missing file: want an error")
	}
}

func FuzzTable(f *testing.F) {
	f.Add([]byte("image,label\na,b\n"), ",")
	f.Add([]byte("\ufeffimage\timage_2\n\"a\tb\"\tc\n"), "\t")
	f.Fuzz(func(t *testing.T, raw []byte, comma string) {
		sep := ','
		if comma == "\t" || comma == ";" {
			sep = rune(comma[0])
		}
		cases, err := parseTable(raw, sep, "")
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, c := range cases {
			if len(c.Images) == 0 || seen[c.ID] {
				t.Fatalf("case %+v", c)
			}
			seen[c.ID] = true
		}
	})
}

func FuzzDecathlon(f *testing.F) {
	f.Add([]byte(`{"training":[{"image":"a","label":"b"}],"test":["c"]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		cases, err := parseDecathlon(raw, "")
		for _, c := range cases {
			if err == nil && len(c.Images) == 0 {
				t.Fatalf("case %+v", c)
			}
		}
	})
}
