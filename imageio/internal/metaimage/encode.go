package metaimage

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// Layout is what a written header says. Samples are little endian, zlib-compressed.
type Layout struct {
	Type   volume.Type
	Size   [3]int
	Affine [4][4]float64 // to RAS+
	Frames int           // a fourth axis, or none where 1
	Comps  int           // components of a voxel
	Step   float64       // of the frames
	Bytes  int64         // of the compressed samples
	File   string        // of the samples; empty: they follow
}

// Encode returns the header's text.
func Encode(l Layout) []byte {
	dims := append([]int{}, l.Size[:]...)
	m := volume.FromLPS(l.Affine)
	spacing := make([]float64, 3)
	origin := []float64{m[0][3], m[1][3], m[2][3]}
	columns := make([][]float64, 3)
	for j, v := range volume.Affine3(m) {
		spacing[j] = volume.Length(v)
		columns[j] = []float64{v[0] / spacing[j], v[1] / spacing[j], v[2] / spacing[j]}
	}
	if l.Frames > 1 {
		dims, spacing, origin = append(dims, l.Frames), append(spacing, max(l.Step, 1e-9)), append(origin, 0)
		for j := range columns {
			columns[j] = append(columns[j], 0)
		}
		columns = append(columns, []float64{0, 0, 0, 1})
	}
	var b strings.Builder
	line := func(name, value string) { b.WriteString(name + " = " + value + "\n") }
	line("ObjectType", "Image")
	line("NDims", strconv.Itoa(len(dims)))
	line("BinaryData", "True")
	line("BinaryDataByteOrderMSB", "False")
	line("CompressedData", "True")
	line("CompressedDataSize", strconv.FormatInt(l.Bytes, 10))
	line("TransformMatrix", numbers(columns...))
	line("Offset", numbers(origin))
	line("ElementSpacing", numbers(spacing))
	line("DimSize", strings.Trim(fmt.Sprint(dims), "[]"))
	if l.Comps > 1 {
		line("ElementNumberOfChannels", strconv.Itoa(l.Comps))
	}
	line("ElementType", typeName(l.Type))
	file := l.File
	if file == "" {
		file = "LOCAL"
	}
	line("ElementDataFile", file)
	return []byte(b.String())
}

func numbers(rows ...[]float64) string {
	var words []string
	for _, row := range rows {
		for _, v := range row {
			words = append(words, volume.Number(v+0))
		}
	}
	return strings.Join(words, " ")
}

func typeName(t volume.Type) string {
	switch t {
	case volume.Uint8:
		return "MET_UCHAR"
	case volume.Uint16:
		return "MET_USHORT"
	case volume.Int16:
		return "MET_SHORT"
	case volume.Int32:
		return "MET_INT"
	}
	return "MET_FLOAT"
}
