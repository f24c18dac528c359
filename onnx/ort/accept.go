package ort

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/onnx"
)

// accept compares inputs with what the model wants and reports every difference.
func accept(wanted []onnx.ValueInfo, inputs map[string]*onnx.Tensor) error {
	var faults []error
	for _, want := range wanted {
		got := inputs[want.Name]
		if got == nil {
			faults = append(faults, fmt.Errorf("input %q is missing, want %s", want.Name, describeInfo(want)))
		} else if got.DType() != want.DType || !fits(want.Shape, got.Shape()) {
			faults = append(faults, fmt.Errorf("input %q: want %s, got %v %s", want.Name, describeInfo(want),
				got.DType(), describeShape(got.Shape(), nil)))
		}
	}
	for name := range inputs {
		if !slices.ContainsFunc(wanted, func(w onnx.ValueInfo) bool { return w.Name == name }) {
			faults = append(faults, fmt.Errorf("input %q is not one of the model's: %s", name, namesOf(wanted)))
		}
	}
	return joined(faults)
}

// joined makes one line of several errors.
func joined(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	var lines []string
	for _, e := range errs {
		lines = append(lines, e.Error())
	}
	return errors.New(strings.Join(lines, "; "))
}

// fits reports whether a shape is one that the model takes; -1 fits any size, nil any rank.
func fits(want, got []int) bool {
	if want == nil {
		return true
	}
	return slices.EqualFunc(want, got, func(w, g int) bool { return w < 0 || w == g })
}

// describeInfo returns "float32 [batch 1 ? ?]".
func describeInfo(v onnx.ValueInfo) string {
	if v.Shape == nil {
		return v.DType.String() + " of any shape"
	}
	return v.DType.String() + " " + describeShape(v.Shape, v.Dims)
}

func describeShape(shape []int, names []string) string {
	parts := make([]string, len(shape))
	for i, d := range shape {
		switch {
		case d >= 0:
			parts[i] = strconv.Itoa(d)
		case i < len(names) && names[i] != "":
			parts[i] = names[i]
		default:
			parts[i] = "?"
		}
	}
	return "[" + strings.Join(parts, " ") + "]"
}

func namesOf(infos []onnx.ValueInfo) string {
	var names []string
	for _, v := range infos {
		names = append(names, strconv.Quote(v.Name))
	}
	if len(names) == 0 {
		return "it has none"
	}
	return strings.Join(names, ", ")
}
