package evaluation

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/metric"
	"github.com/nitrain/nitrain/predict"
)

// wanted says what the truth of a task looks like.
func wanted(task predict.Task) string {
	switch task {
	case predict.Classification:
		return "the list's column label holds each case's class, as the Spec's value or name; several classes stand with ; between them, or have a column of 0 and 1 each"
	case predict.Regression:
		return "the list's column label holds each case's number; several numbers have a column each, named as in the Spec"
	case predict.ImageToImage:
		return "the list's column label holds the file of each case's true image"
	}
	return "the list's column label holds the file of each case's segmentation"
}

// reading waits for an image that is being read.
type reading func() (*imageio.Image, error)

// readTruth begins to read the true image of a case, if it has one, while the prediction is made.
func (e *Evaluation) readTruth(c dataset.Case) reading {
	if e.task == predict.Classification || e.task == predict.Regression {
		return nil
	}
	var im *imageio.Image
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		if e.task == predict.ImageToImage {
			im, err = imageio.Read(c.Label)
		} else {
			im, err = imageio.ReadLabel(c.Label)
		}
	}()
	return func() (*imageio.Image, error) {
		<-done
		return im, err
	}
}

func (e *Evaluation) hasTruth(c dataset.Case) bool {
	if c.Label != "" {
		return true
	}
	if e.task == predict.Classification || e.task == predict.Regression {
		for _, l := range e.labels {
			if _, ok := c.Extra[l.Name]; ok {
				return true
			}
		}
	}
	return false
}

// judgeClasses compares picked classes with the true ones.
func (e *Evaluation) judgeClasses(result *Case, c dataset.Case, out *answer) error {
	truth, err := e.trueClasses(c, out.Classes)
	if err != nil {
		return err
	}
	class := &Class{Truth: []string{}, Picked: []string{}, Probabilities: out.Classes}
	for i, p := range out.Classes {
		if truth[i] {
			class.Truth = append(class.Truth, p.Name)
		}
		if p.Picked {
			class.Picked = append(class.Picked, p.Name)
		}
		class.answer.Truth = append(class.answer.Truth, truth[i])
		class.answer.Picked = append(class.answer.Picked, p.Picked)
		class.answer.Probabilities = append(class.answer.Probabilities, p.Probability)
	}
	result.Class = class
	return nil
}

// trueClasses reads which classes a case has.
func (e *Evaluation) trueClasses(c dataset.Case, classes []predict.ClassProbability) ([]bool, error) {
	truth := make([]bool, len(classes))
	if c.Target == "" {
		for i, k := range classes {
			yes, err := parseYes(c.Extra[k.Name])
			if err != nil {
				return nil, &predict.ImageError{What: fmt.Sprintf("column %q: %v", k.Name, err), Help: wanted(e.task)}
			}
			truth[i] = yes
		}
		return truth, nil
	}
	for _, text := range strings.FieldsFunc(c.Target, func(r rune) bool { return r == ';' || r == '|' }) {
		label, ok := e.class(strings.TrimSpace(text))
		if !ok {
			return nil, &predict.ImageError{What: fmt.Sprintf("label: want a class of the Spec, got %q", text), Help: wanted(e.task)}
		}
		for i, k := range classes {
			truth[i] = truth[i] || k.Value == label.Value
		}
	}
	return truth, nil
}

// class finds a class by its name, else by its value; 0 is always known.
func (e *Evaluation) class(text string) (predict.Label, bool) {
	for _, l := range e.labels {
		if strings.EqualFold(l.Name, text) {
			return l, true
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return predict.Label{}, false
	}
	for _, l := range e.labels {
		if float64(l.Value) == v {
			return l, true
		}
	}
	return predict.Label{}, v == 0
}

func parseYes(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "1", "1.0", "true", "yes", "y":
		return true, nil
	case "0", "0.0", "false", "no", "n":
		return false, nil
	}
	return false, fmt.Errorf("want 0 or 1, got %q", text)
}

// judgeNumbers puts numbers beside the true ones.
func (e *Evaluation) judgeNumbers(result *Case, c dataset.Case, out *answer) error {
	for _, v := range out.Values {
		text, column := c.Extra[v.Name], v.Name
		if text == "" && len(out.Values) == 1 {
			text, column = c.Target, "label"
		}
		truth, err := strconv.ParseFloat(text, 64)
		if err != nil || truth-truth != 0 {
			return &predict.ImageError{What: fmt.Sprintf("column %q: want a number, got %q", column, text), Help: wanted(e.task)}
		}
		result.Numbers = append(result.Numbers, Number{Name: v.Name, Unit: v.Unit, Predicted: v.Value, Truth: truth})
	}
	return nil
}

// judgeImage compares an image with the true one.
func (e *Evaluation) judgeImage(result *Case, c dataset.Case, out *answer, read reading, worst *gallery) error {
	truth, err := read()
	if err != nil {
		return err
	}
	result.Reference = c.Label
	s, err := metric.CompareImages(out.Image, truth, e.o.Range)
	if err != nil {
		return unlike(err)
	}
	result.Image = &s
	return worst.image(result, out.Image, truth)
}
