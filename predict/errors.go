package predict

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

// ImageError says that an image is not what the model's Spec asks for.
type ImageError struct {
	What string // "model wants 1 channel, image has 4"
	Help string // what to do, "" where nothing can be said
}

// Error describes the difference.
func (e *ImageError) Error() string { return "predict: " + e.What }

// Hint says what to do.
func (e *ImageError) Hint() string { return e.Help }
