package nrrd

import (
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// Layout is what a written header says. Samples are little endian and gzip-compressed.
type Layout struct {
	Type   volume.Type
	Size   [3]int
	Affine [4][4]float64 // to RAS+
	Frames int           // the first axis, or none where 1
	Comps  int           // components of a voxel: the next axis, or none where 1
	Step   float64       // of the frames, 0 or 1: not said
	Colour bool          // the components are red, green and blue
	File   string        // of the samples; empty: they follow
}

// Encode returns the header's text. Components and frames come first, since ITK reads no axis behind the third.
func Encode(l Layout) []byte {
	var b strings.Builder
	var sizes, directions, kinds, spacings []string
	add := func(n int, kind, spacing string) {
		sizes, kinds = append(sizes, strconv.Itoa(n)), append(kinds, kind)
		directions, spacings = append(directions, "none"), append(spacings, spacing)
	}
	if l.Frames > 1 {
		add(l.Frames, "list", number(l.Step))
	}
	if l.Comps > 1 {
		kind := "vector"
		if l.Colour {
			kind = "RGB-color"
		}
		add(l.Comps, kind, "nan")
	}
	m := volume.FromLPS(l.Affine)
	for j, v := range volume.Affine3(m) {
		add(l.Size[j], "domain", "nan")
		directions[len(directions)-1] = vector(v)
	}
	b.WriteString("NRRD0004\n# Complete NRRD file format specification at:\n# http://teem.sourceforge.net/nrrd/format.html\n")
	line := func(name, value string) { b.WriteString(name + ": " + value + "\n") }
	line("type", typeName(l.Type))
	line("dimension", strconv.Itoa(len(sizes)))
	line("space", "left-posterior-superior")
	line("sizes", strings.Join(sizes, " "))
	line("space directions", strings.Join(directions, " "))
	line("kinds", strings.Join(kinds, " "))
	if l.Frames > 1 && l.Step > 0 && l.Step != 1 {
		line("spacings", strings.Join(spacings, " "))
	}
	line("endian", "little")
	line("encoding", "gzip")
	line("space units", `"mm" "mm" "mm"`)
	line("space origin", vector([3]float64{m[0][3], m[1][3], m[2][3]}))
	if l.File != "" {
		line("data file", l.File)
	}
	b.WriteString("\n")
	return []byte(b.String())
}

func number(v float64) string { return volume.Number(v + 0) }

func vector(v [3]float64) string {
	return "(" + number(v[0]) + "," + number(v[1]) + "," + number(v[2]) + ")"
}

func typeName(t volume.Type) string {
	switch t {
	case volume.Uint8:
		return "unsigned char"
	case volume.Uint16:
		return "unsigned short"
	case volume.Int16:
		return "short"
	case volume.Int32:
		return "int"
	}
	return "float"
}
