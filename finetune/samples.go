package finetune

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/view"
	"github.com/nitrain/nitrain/internal/record"
)

// samplesFile keeps the report's pictures for a resume.
const samplesFile = "checkpoints/samples.json"

// mostShown is the number of validation cases in the report.
const mostShown = 3

// shown is a validation case for the report.
type shown struct {
	id                      string
	image, predicted, truth *imageio.Image
	score                   float64
}

// picture draws a case in two planes: the prediction in the labels' colours, the truth as a white line.
func (t *Trainer) picture(s shown) ([]record.Picture, error) {
	var labels []view.Label
	for _, l := range t.plan.spec.Labels {
		v := view.Label{Value: l.Value, Name: l.Name}
		if c, err := view.ParseColor(l.Color); err == nil {
			v.Color = c
		}
		labels = append(labels, v)
	}
	planes := []view.Plane{view.Axial, view.Coronal}
	if s.image.Grid.Size[2] == 1 {
		planes = planes[:1]
	}
	var out []record.Picture
	for _, p := range planes {
		png, err := view.Thumbnail(s.image, view.Slice{Plane: p, Seg: s.predicted, Truth: s.truth, Labels: labels, Size: 288})
		if err != nil {
			return nil, fmt.Errorf("finetune: report: %s: %w", s.id, err)
		}
		out = append(out, record.Picture{Caption: fmt.Sprintf("%s, %s, Dice %.3f", s.id, p, s.score), PNG: png})
	}
	return out, nil
}

// keepSamples draws the cases of the best validation.
func (t *Trainer) keepSamples(cases []shown) error {
	t.samples = nil
	for _, c := range cases {
		pictures, err := t.picture(c)
		if err != nil {
			return err
		}
		t.samples = append(t.samples, pictures...)
	}
	if t.dir == nil {
		return nil
	}
	return t.dir.WriteJSON(samplesFile, t.samples)
}

// restoreSamples reads the pictures back.
func (t *Trainer) restoreSamples(path string) error {
	err := record.ReadJSON(path, samplesFile, &t.samples)
	var syntax *json.SyntaxError
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, &syntax) {
		return nil // a report without pictures
	}
	return err
}
