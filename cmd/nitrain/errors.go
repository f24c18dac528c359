package main

import (
	"errors"
	"io/fs"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/hub"
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/predict"
)

// badDataError marks input data that a command cannot use.
type badDataError struct{ error }

func (e badDataError) Unwrap() error { return e.error }

// unsupported tells errors about a model that nitrain cannot use or that contradicts its Spec.
func unsupported(err error) bool {
	var op *convert.UnsupportedError
	var mismatch *predict.MismatchError
	return errors.As(err, &op) || errors.As(err, &mismatch) || errors.Is(err, predict.ErrNoSpec) || errors.Is(err, hub.ErrNotModel)
}

// badData tells errors about scans, labels and lists.
func badData(err error) bool {
	var format *imageio.FormatError
	var problems *dataset.Problems
	var image *predict.ImageError
	var marked badDataError
	return errors.As(err, &format) || errors.As(err, &problems) || errors.As(err, &image) || errors.As(err, &marked) ||
		errors.Is(err, fs.ErrNotExist)
}
