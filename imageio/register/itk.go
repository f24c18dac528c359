package register

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/atomicfile"
)

// maxFile bounds a transform file; one affine map takes less than a kilobyte.
const maxFile = 1 << 20

// FormatError says what is wrong with a transform file.
type FormatError struct {
	Path, Field string
	Want, Got   string
	hint        string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("register: %s: %s: want %s, got %s", e.Path, e.Field, e.Want, e.Got)
}

// Hint says what to do; it is empty if there is nothing to say.
func (e *FormatError) Hint() string { return e.hint }

// ReadMap reads a transform file of ITK: text (.tfm, .txt) or MATLAB level 4 (.mat, as ANTs writes it), told apart by
// content. It takes every affine transform of ITK in three dimensions (affine, Euler angles, versors, similarity,
// scales, translation, identity) and composites of them. Others are refused by name.
func ReadMap(path string) (Map, error) {
	f, err := os.Open(path)
	if err != nil {
		return Map{}, fmt.Errorf("register: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Map{}, fmt.Errorf("register: %w", err)
	}
	if len(data) > maxFile {
		return Map{}, &FormatError{Path: path, Field: "size", Want: fmt.Sprintf("at most %d bytes", maxFile), Got: "more"}
	}
	var list []itkTransform
	switch {
	case bytes.HasPrefix(data, []byte("#Insight Transform File")):
		list, err = parseText(data)
	case bytes.HasPrefix(data, []byte("\x89HDF")):
		err = &FormatError{Field: "format", Want: "text or MATLAB", Got: "HDF5", hint: "write it as .tfm: sitk.WriteTransform(t, 'T.tfm')"}
	default:
		list, err = parseMAT(data)
	}
	if err == nil {
		var m Map
		if m, err = compose(list); err == nil {
			return m, nil
		}
	}
	if format, ok := errors.AsType[*FormatError](err); ok {
		format.Path = path
		return Map{}, format
	}
	return Map{}, fmt.Errorf("register: %s: %w", path, err)
}

// WriteMap writes a map as an ITK transform file: .tfm or .txt as text, .mat as MATLAB level 4. The file appears whole
// or not at all. Programs built on ITK (ANTs, 3D Slicer, SimpleITK) resample the moving image with it as it is.
func WriteMap(path string, m Map) error {
	t := m.itk()
	var data []byte
	switch strings.ToLower(filepath.Ext(path)) {
	case ".tfm", ".txt":
		data = t.text()
	case ".mat":
		data = t.mat()
	default:
		return fmt.Errorf("register: %s: want a name that ends in .tfm, .txt or .mat", path)
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// itkTransform is a transform as its file has it: type, parameters and fixed parameters, LPS.
type itkTransform struct {
	name       string // without precision and dimensions
	parameters []float64
	fixed      []float64
}

// flip changes the sign of x and y: from RAS to LPS and back.
func flip(a imageio.Affine) imageio.Affine {
	for i := range 3 {
		for j := range 4 {
			if (i < 2) != (j < 2) {
				a[i][j] = -a[i][j]
			}
		}
	}
	return a
}

// itk returns the map as ITK's AffineTransform: y = M(x-c) + c + t.
func (m Map) itk() itkTransform {
	a := flip(m.Affine())
	c := [3]float64{-m.center[0], -m.center[1], m.center[2]}
	t := itkTransform{name: "AffineTransform", fixed: c[:]}
	for i := range 3 {
		t.parameters = append(t.parameters, a[i][:3]...)
	}
	at := a.Apply(c)
	for i := range 3 {
		t.parameters = append(t.parameters, at[i]-c[i])
	}
	return t
}

func (t itkTransform) text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "#Insight Transform File V1.0\n#Transform 0\nTransform: %s_double_3_3\nParameters:", t.name)
	for _, v := range t.parameters {
		b.WriteString(" " + strconv.FormatFloat(v, 'g', -1, 64))
	}
	b.WriteString("\nFixedParameters:")
	for _, v := range t.fixed {
		b.WriteString(" " + strconv.FormatFloat(v, 'g', -1, 64))
	}
	b.WriteString("\n")
	return b.Bytes()
}

// splitName takes precision and dimensions off a type such as AffineTransform_double_3_3.
func splitName(full string) (string, error) {
	parts := strings.Split(full, "_")
	n := len(parts)
	if n < 4 || parts[n-1] != "3" || parts[n-2] != "3" || parts[n-3] != "double" && parts[n-3] != "float" {
		return "", &FormatError{Field: "transform", Want: "a three-dimensional one such as AffineTransform_double_3_3", Got: strconv.Quote(clip(full))}
	}
	return strings.Join(parts[:n-3], "_"), nil
}

func clip(s string) string { return s[:min(len(s), 60)] }

// parseText reads a text file's transforms.
func parseText(data []byte) ([]itkTransform, error) {
	var list []itkTransform
	for line := range strings.Lines(string(data)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || strings.HasPrefix(key, "#") {
			continue
		}
		if key == "Transform" {
			name, err := splitName(strings.TrimSpace(value))
			if err != nil {
				return nil, err
			}
			list = append(list, itkTransform{name: name})
			continue
		}
		if key != "Parameters" && key != "FixedParameters" {
			continue
		}
		if len(list) == 0 {
			return nil, &FormatError{Field: key, Want: "a line Transform before it", Got: "none"}
		}
		numbers, err := parseNumbers(key, value)
		if err != nil {
			return nil, err
		}
		if last := &list[len(list)-1]; key == "Parameters" {
			last.parameters = numbers
		} else {
			last.fixed = numbers
		}
	}
	return list, nil
}

func parseNumbers(key, text string) ([]float64, error) {
	var numbers []float64
	for field := range strings.FieldsSeq(text) {
		v, err := strconv.ParseFloat(field, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, &FormatError{Field: key, Want: "finite numbers", Got: strconv.Quote(clip(field))}
		}
		numbers = append(numbers, v)
	}
	return numbers, nil
}

// compose returns the one transform of a file, or what a composite's transforms do: the last first.
func compose(list []itkTransform) (Map, error) {
	if len(list) > 0 && list[0].name == "CompositeTransform" {
		list = list[1:]
	} else if len(list) != 1 {
		return Map{}, &FormatError{Field: "transforms", Want: "one, or a CompositeTransform", Got: strconv.Itoa(len(list))}
	}
	whole, center := imageio.Identity(), [3]float64{}
	for i, t := range list {
		a, c, err := t.affine()
		if err != nil {
			return Map{}, err
		}
		whole = whole.Mul(a)
		if i == len(list)-1 {
			center = [3]float64{-c[0], -c[1], c[2]}
		}
	}
	return newMap(flip(whole), center)
}
