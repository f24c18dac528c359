package record

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
)

// Report is a page about a run: one file without outside requests, in light and dark.
type Report struct {
	Title string
	// Lead is a sentence or two under the title.
	Lead string
	// Facts are pairs of name and value.
	Facts [][2]string
	// Curves are drawn side by side.
	Curves []Curve
	// Pictures are shown with their captions, under a note.
	Pictures []Picture
	Note     string
	// Tables close the page.
	Tables []Table
}

// Picture is a PNG file with a caption.
type Picture struct {
	Caption string
	PNG     []byte
}

// Table has a title, column heads and rows; a column of numbers is right-aligned.
type Table struct {
	Title string
	Head  []string
	Rows  [][]string
}

//go:embed report.html
var page string

// WriteReport replaces the folder's report.html.
func (d *Dir) WriteReport(r *Report) error { return d.Write(Page, r.Render) }

// Render writes the page.
func (r *Report) Render(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"draw": func(c Curve) template.HTML { return template.HTML(c.svg()) }, //nolint:gosec // svg escapes its texts
		"png": func(p Picture) template.URL {
			return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(p.PNG)) //nolint:gosec // data, no address
		},
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return t.Execute(w, r)
}
