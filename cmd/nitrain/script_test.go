package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/native"
	"github.com/nitrain/nitrain/internal/phantom"
	"github.com/nitrain/nitrain/onnx/ort"
)

func TestMain(m *testing.M) {
	ort.ProbeMain()
	testscript.Main(m, map[string]func(){
		"nitrain":  func() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) },
		"drawhead": drawHead,
	})
}

// drawHead is a command of the scripts: drawhead a|b SEED SCAN LABELS.
func drawHead() {
	contrast := phantom.A
	if os.Args[1] == "b" {
		contrast = phantom.B
	}
	var seed uint64
	for _, digit := range os.Args[2] {
		seed = 10*seed + uint64(digit-'0')
	}
	head := phantom.Head(seed, contrast)
	if imageio.Write(os.Args[3], head.Scan) != nil || imageio.Write(os.Args[4], head.Labels) != nil {
		os.Exit(1)
	}
}

// TestScripts runs the command line as users do; each script reads like a session. Scripts that run models
// are skipped where the onnxruntime library is absent.
func TestScripts(t *testing.T) {
	models, err := filepath.Abs("../../testdata/models")
	if err != nil {
		t.Fatal(err)
	}
	library, missing := native.Library(native.ONNXRuntime)
	_, _, unusable := ort.Library("")
	runs := missing == nil && unusable == nil
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("MODELS", models)
			env.Setenv("HOME", env.WorkDir)
			if missing == nil {
				env.Setenv(native.LibraryVariable, library)
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			return cond == "onnxruntime" && runs, nil
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("NITRAIN_UPDATE") != "",
	})
}
