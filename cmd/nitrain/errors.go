package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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
	"github.com/nitrain/nitrain/predict/server"
)

// badDataError marks input data that a command cannot use.
type badDataError struct{ error }

func (e badDataError) Unwrap() error { return e.error }

// unsupported tells errors about a model that nitrain cannot use or that contradicts its Spec.
func unsupported(err error) bool {
	var op *convert.UnsupportedError
	var mismatch *predict.MismatchError
	var broken *structureError
	var edited *edit.Error
	return errors.As(err, &op) || errors.As(err, &mismatch) || errors.As(err, &broken) || errors.As(err, &edited) ||
		errors.Is(err, predict.ErrNoSpec) || errors.Is(err, onnx.ErrNotModel) || errors.Is(err, onnx.ErrExternalData) || errors.Is(err, hub.ErrNotModel)
}

// badData tells errors about scans, labels and lists.
func badData(err error) bool {
	var format *imageio.FormatError
	var problems *dataset.Problems
	var image *predict.ImageError
	var marked badDataError
	var grid *transform.GridError
	var target *explain.TargetError
	return errors.As(err, &format) || errors.As(err, &problems) || errors.As(err, &image) || errors.As(err, &marked) || errors.As(err, &grid) || errors.As(err, &target) ||
		errors.Is(err, fs.ErrNotExist)
}

// misused tells errors about what the command line asks for.
func misused(err error) bool {
	var usage usageError
	var config *finetune.ConfigError
	var exposed *server.ExposedError
	var reference *hub.RefError
	return errors.As(err, &usage) || errors.As(err, &config) || errors.As(err, &exposed) || errors.As(err, &reference)
}

// outputs refuses files to write whose folder does not exist, before any work is done for them.
func outputs(files ...string) error {
	for _, file := range files {
		if file == "" {
			continue
		}
		if _, err := os.Stat(filepath.Dir(file)); err != nil {
			return usageError{fmt.Errorf("%s: the folder to write to: %w", file, errors.Unwrap(err))}
		}
	}
	return nil
}
