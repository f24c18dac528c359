package explain

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"html/template"
	"image/png"
	"io"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/view"
)

// Finding is one explanation with what was made of it.
type Finding struct {
	*Explanation
	Regions []RegionSum  `json:"regions,omitempty"`
	Sanity  []SanityStep `json:"sanity,omitempty"`
}

// Report is what WriteReport shows.
type Report struct {
	Model    string // as it was named by the user
	Scan     *imageio.Image
	Seg      *imageio.Image // atlas or segmentation, outlined; may be nil
	Labels   []view.Label   // of Seg
	Findings []Finding
}

//go:embed report.html
var reportPage string

// WriteReport writes a self-contained HTML page: for each method the heat map over the scan, the table of regions and
// the check with random weights. It loads nothing from elsewhere.
func WriteReport(w io.Writer, r Report) error {
	type section struct {
		Finding
		Picture template.URL
	}
	var sections []section
	for _, f := range r.Findings {
		picture, err := overlay(r, Flat(f.Image))
		if err != nil {
			return err
		}
		sections = append(sections, section{f, picture})
	}
	page, err := template.New("report").Parse(reportPage)
	if err != nil {
		return err
	}
	return page.Execute(w, map[string]any{"Model": r.Model, "Sections": sections})
}

// overlay draws the scan with a heat map as the address of a picture.
func overlay(r Report, heat *imageio.Image) (template.URL, error) {
	picture, err := view.Montage(r.Scan, view.Options{Heat: heat, Seg: r.Seg, Labels: r.Labels})
	if err != nil {
		return "", err
	}
	var raw bytes.Buffer
	if err := png.Encode(&raw, picture); err != nil {
		return "", err
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(raw.Bytes())), nil //nolint:gosec // made here
}
