package predict

import "errors"

// MismatchError says that a model contradicts its Spec: nothing that is done to the image can help.
type MismatchError struct {
	What string // "output has 3 channels, labels name 2"
}

// Error describes the contradiction.
func (e *MismatchError) Error() string { return "predict: model contradicts its Spec: " + e.What }

// Hint says what to do.
func (e *MismatchError) Hint() string {
	return "compare `nitrain info MODEL` with the Spec, and attach a right one with `nitrain import MODEL --spec SPEC.json`"
}

// UnsupportedError says that a Spec, which is right, asks for something that is not carried out.
type UnsupportedError struct {
	What string // "training: a stack of slices (input.stack)"
}

// Error says what is not carried out.
func (e *UnsupportedError) Error() string { return "predict: not supported: " + e.What }

// Hint says what to do.
func (e *UnsupportedError) Hint() string {
	return "docs/spec.md says what works with which key of a Spec"
}

// ImageError says that an image is not what the model's Spec asks for.
type ImageError struct {
	What string // "model wants 1 channel, image has 4"
	Help string // what to do, "" where nothing can be said
	Err  error  // the cause, may be nil
}

// Error describes the difference.
func (e *ImageError) Error() string { return "predict: " + e.What }

// Unwrap returns the cause.
func (e *ImageError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *ImageError) Hint() string {
	var cause interface{ Hint() string }
	if e.Help == "" && errors.As(e.Err, &cause) {
		return cause.Hint()
	}
	return e.Help
}
