package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/explain"
	"github.com/nitrain/nitrain/finetune"
	"github.com/nitrain/nitrain/hub"
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/edit"
	"github.com/nitrain/nitrain/predict"
	"github.com/nitrain/nitrain/predict/batch"
	"github.com/nitrain/nitrain/predict/nnunet"
	"github.com/nitrain/nitrain/predict/server"
)

// badDataError marks input data that a command cannot use.
type badDataError struct{ error }

func (e badDataError) Unwrap() error { return e.error }

// unsupported tells errors about a model that nitrain cannot use or that contradicts its Spec.
func unsupported(err error) bool {
	var op *convert.UnsupportedError
	var mismatch *predict.MismatchError
	var beyond *predict.UnsupportedError
	var spec *predict.SpecError
	var broken *structureError
	var edited *edit.Error
	var differs *parityError
	var recipe bundleError
	if plansRefused(err) {
		return true
	}
	return errors.As(err, &op) || errors.As(err, &mismatch) || errors.As(err, &beyond) || errors.As(err, &spec) || errors.As(err, &broken) || errors.As(err, &edited) || errors.As(err, &differs) || errors.As(err, &recipe) ||
		errors.Is(err, predict.ErrNoSpec) || errors.Is(err, onnx.ErrNotModel) || errors.Is(err, onnx.ErrExternalData) || errors.Is(err, hub.ErrNotModel)
}

// plansRefused tells errors about nnU-Net's plans that cannot be used.
func plansRefused(err error) bool {
	var items *nnunet.UntranslatableError
	var file *nnunet.FormatError
	var none *nnunet.NoModelError
	return errors.As(err, &items) || errors.As(err, &file) || errors.As(err, &none)
}

// badData tells errors about scans, labels and lists.
func badData(err error) bool {
	var format *imageio.FormatError
	var problems *dataset.Problems
	var list *dataset.ListError
	var image *predict.ImageError
	var marked badDataError
	var grid *transform.GridError
	var target *explain.TargetError
	var input *batch.InputError
	return errors.As(err, &format) || errors.As(err, &problems) || errors.As(err, &list) || errors.As(err, &image) || errors.As(err, &marked) || errors.As(err, &grid) || errors.As(err, &target) || errors.As(err, &input) ||
		errors.Is(err, fs.ErrNotExist) || errors.Is(err, convert.ErrNoTruth)
}

// misused tells errors about what the command line asks for.
func misused(err error) bool {
	var usage usageError
	var config *finetune.ConfigError
	var exposed *server.ExposedError
	var reference *hub.RefError
	var choice *nnunet.ChoiceError
	var precision *convert.PrecisionError
	var place *batch.PlaceError
	return errors.As(err, &usage) || errors.As(err, &precision) || errors.As(err, &config) || errors.As(err, &exposed) || errors.As(err, &reference) || errors.As(err, &place) || errors.As(err, &choice)
}

// outputs refuses files to write whose folder does not exist, that are folders or that are named twice,
// before any work is done for them.
func outputs(files ...string) error {
	if err := parents(files...); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, file := range files {
		if file == "" {
			continue
		}
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			return usageError{fmt.Errorf("%s: want a file to write, got a folder", file)}
		}
		if seen[filepath.Clean(file)] {
			return usageError{fmt.Errorf("%s: want a file for each output, got one for two", file)}
		}
		seen[filepath.Clean(file)] = true
	}
	return nil
}

// parents refuses files and folders to write whose own folder does not exist.
func parents(paths ...string) error {
	for _, path := range paths {
		if path == "" {
			continue
		}
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return usageError{fmt.Errorf("%s: the folder to write to: %w", path, errors.Unwrap(err))}
		}
	}
	return nil
}

// named refuses a file to write whose name does not say one of the formats that the command writes.
func named(file string, endings ...string) error {
	for _, end := range endings {
		if file == "" || strings.HasSuffix(strings.ToLower(file), end) {
			return nil
		}
	}
	return usageError{fmt.Errorf("%s: want a name that ends in %s", file, strings.Join(endings, " or "))}
}
