package nnunet

import (
	"fmt"
	"strings"
)

// UntranslatableError lists what a plan asks for that no Spec says.
type UntranslatableError struct {
	Items []string
}

// Error lists the items, one a line after the first.
func (e *UntranslatableError) Error() string {
	return "nnunet: cannot be translated: " + strings.Join(e.Items, "\n  ")
}

// Hint says what to do.
func (*UntranslatableError) Hint() string {
	return "a step of somebody's own can be applied to the files beforehand; docs/nnunet.md lists what is understood"
}

// FormatError is a fault of a plan's or dataset's file.
type FormatError struct {
	File string // plans.json or dataset.json
	Key  string // where it is
	Err  error
}

// Error names the file and the key.
func (e *FormatError) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("nnunet: %s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("nnunet: %s: %s: %v", e.File, e.Key, e.Err)
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// ChoiceError says that a name must be chosen, or that the one chosen is not there.
type ChoiceError struct {
	What string   // configuration, trained model
	Got  string   // empty: none was chosen
	Have []string // what there is
}

// Error lists what there is.
func (e *ChoiceError) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("nnunet: %s: want one of %s", e.What, strings.Join(e.Have, ", "))
	}
	return fmt.Sprintf("nnunet: %s: want %s, got %s", e.What, strings.Join(e.Have, " or "), e.Got)
}

// Hint says where to choose.
func (e *ChoiceError) Hint() string { return "--configuration names it" }

// NoModelError says that a results folder holds checkpoints and no ONNX model.
type NoModelError struct{ Folder string }

// Error names the folder.
func (e *NoModelError) Error() string {
	return fmt.Sprintf("nnunet: %s: no fold_N/*.onnx", e.Folder)
}

// Hint says how a model comes there.
func (*NoModelError) Hint() string {
	return "nnU-Net keeps its networks as PyTorch checkpoints: the few lines of Python in docs/nnunet.md export each fold"
}
