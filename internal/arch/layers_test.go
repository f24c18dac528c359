package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/nitrain/nitrain/"

// allowed lists, for each package, the packages of ours that it may import. It is ARCHITECTURE.md in
// code, in order of data flow: a package may import only what stands above it.
func allowed() map[string]string {
	return map[string]string{
		"internal/digest":                 "",
		"internal/atomicfile":             "",
		"internal/arch":                   "",
		"internal/tasks":                  "",
		"internal/proc":                   "",
		"internal/shared":                 "",
		"internal/native":                 "internal/digest internal/proc",
		"internal/child":                  "",
		"internal/record":                 "internal/atomicfile",
		"internal/testreport":             "",
		"imageio/internal/gunzip":         "",
		"imageio/internal/volume":         "imageio/internal/gunzip",
		"imageio/internal/nifti":          "imageio/internal/volume",
		"imageio/internal/mgh":            "imageio/internal/volume",
		"imageio/internal/jpeg":           "",
		"imageio/internal/jpegls":         "",
		"imageio/internal/openjpeg":       "",
		"imageio/internal/dicom":          "imageio/internal/volume imageio/internal/jpeg imageio/internal/jpegls imageio/internal/openjpeg internal/tasks",
		"imageio/internal/metaimage":      "imageio/internal/volume",
		"imageio/internal/picture":        "imageio/internal/volume",
		"imageio/internal/tiff":           "imageio/internal/volume",
		"imageio/internal/nrrd":           "imageio/internal/volume",
		"imageio":                         "imageio/internal/volume imageio/internal/nifti imageio/internal/mgh imageio/internal/nrrd imageio/internal/metaimage imageio/internal/picture imageio/internal/tiff imageio/internal/dicom imageio/internal/openjpeg internal/atomicfile",
		"internal/phantom":                "imageio internal/atomicfile",
		"internal/phantom/draw":           "imageio internal/phantom",
		"imageio/internal/bias":           "internal/tasks",
		"imageio/transform":               "imageio imageio/internal/bias internal/tasks",
		"imageio/internal/bench":          "imageio imageio/transform internal/proc",
		"imageio/patch":                   "imageio internal/tasks",
		"imageio/metric":                  "imageio internal/tasks",
		"imageio/register":                "imageio internal/tasks imageio/transform internal/atomicfile",
		"imageio/view":                    "imageio",
		"imageio/dataset":                 "imageio",
		"onnx/internal/pb":                "",
		"onnx":                            "onnx/internal/pb internal/atomicfile",
		"onnx/ort":                        "onnx internal/native internal/child",
		"convert/internal/engine/kernel":  "",
		"convert/internal/engine/ir":      "convert/internal/engine/kernel",
		"convert/internal/engine/rewrite": "convert/internal/engine/kernel convert/internal/engine/ir",
		"convert/internal/engine/plan":    "convert/internal/engine/kernel convert/internal/engine/ir",
		"convert/internal/engine/cpu":     "convert/internal/engine/kernel convert/internal/engine/ir convert/internal/engine/rewrite convert/internal/engine/plan",
		"convert/internal/engine":         "internal/native convert/internal/engine/cpu",
		"onnx/edit":                       "onnx",
		"convert":                         "onnx onnx/ort convert/internal/engine internal/native",
		"predict":                         "imageio imageio/transform imageio/patch imageio/metric imageio/dataset onnx onnx/ort internal/tasks convert internal/native internal/child internal/digest internal/atomicfile internal/proc",
		"predict/bundle":                  "imageio imageio/patch imageio/transform onnx predict",
		"predict/batch":                   "imageio imageio/transform imageio/dataset imageio/view onnx predict internal/atomicfile internal/digest",
		"predict/evaluation":              "imageio imageio/metric imageio/dataset imageio/view predict",
		"explain":                         "imageio imageio/transform imageio/patch imageio/view onnx onnx/ort convert predict internal/native",
		"predict/server/internal/pb":      "",
		"predict/server/internal/oip":     "onnx predict/server/internal/pb",
		"predict/server/internal/ask":     "imageio predict/server/internal/pb",
		"predict/server/internal/metrics": "",
		"predict/nnunet":                  "imageio imageio/transform imageio/patch onnx/ort predict",
		"predict/server": "imageio imageio/transform imageio/view onnx onnx/ort predict " +
			"predict/server/internal/pb predict/server/internal/oip predict/server/internal/metrics internal/filelock internal/digest internal/proc",
		"finetune/augment": "imageio imageio/transform",
		"finetune": "imageio imageio/transform imageio/patch imageio/metric imageio/dataset imageio/view " +
			"onnx convert predict predict/evaluation finetune/augment internal/record internal/native internal/proc",
		"cmd/nitrain": "imageio imageio/transform imageio/register imageio/patch imageio/metric imageio/dataset imageio/view " +
			"onnx onnx/edit onnx/ort convert predict predict/batch predict/bundle predict/evaluation predict/nnunet predict/server explain finetune finetune/augment hub internal/native internal/record internal/atomicfile internal/digest",
		"internal/demo":         "",
		"internal/measure":      "",
		"internal/benchtrain":   "onnx convert internal/measure internal/proc",
		"internal/benchpredict": "imageio imageio/transform imageio/patch onnx predict internal/phantom internal/measure",
		"internal/filelock":     "",
		"hub":                   "onnx internal/native internal/filelock",
	}
}

// only lists third-party modules that few places may import, so that a change of theirs stays there.
func only() map[string]string {
	return map[string]string{
		"github.com/gomlx/":             "convert convert/internal/engine convert/internal/engine/ir convert/internal/engine/rewrite convert/internal/engine/plan convert/internal/engine/cpu finetune internal/benchtrain",
		"github.com/yalue/onnxruntime_": "onnx/ort",
		"google.golang.org/protobuf":    "onnx onnx/internal/pb predict/server/internal/pb",
		"google.golang.org/grpc":        "predict/server predict/server/internal/pb predict/server/internal/ask",
		"github.com/klauspost/compress": "imageio/internal/volume",
		"github.com/ebitengine/purego":  "imageio/internal/openjpeg",
		"golang.org/x/image":            "imageio imageio/view imageio/internal/tiff",
		"github.com/spf13/cobra":        "cmd/nitrain",
		"gopkg.in/yaml":                 "cmd/nitrain predict/bundle",
		"oras.land/":                    "hub",
		"github.com/opencontainers/":    "hub",
		"testing":                       "internal/shared",
	}
}

func TestLayers(t *testing.T) {
	// Reading the files here, rather than asking go list, lets go test see them and run again when one
	// changes; it also covers every build tag. internal/peers is a module of its own.
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && (d.Name() == "testdata" || d.Name() == "peers" || len(d.Name()) > 2 && d.Name()[0] == '.') {
			return filepath.SkipDir
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel("../..", filepath.Dir(path))
		if err != nil {
			return err
		}
		check(t, filepath.ToSlash(dir), file.Imports)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, pkg string, imports []*ast.ImportSpec) {
	t.Helper()
	may, known := allowed()[pkg]
	if !known {
		t.Errorf("%s: new package: give it a layer in internal/arch", pkg)
	}
	for _, spec := range imports {
		path := strings.Trim(spec.Path.Value, `"`)
		if local, ok := strings.CutPrefix(path, module); ok && !has(may, local) {
			t.Errorf("%s may not import %s", pkg, local)
		}
		for prefix, where := range only() {
			if strings.HasPrefix(path, prefix) && !has(where, pkg) {
				t.Errorf("%s may not import %s: only %s may", pkg, path, where)
			}
		}
	}
}

func has(list, name string) bool {
	for f := range strings.FieldsSeq(list) {
		if f == name {
			return true
		}
	}
	return false
}
