package explain

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
)

// RegionSum is how much of an attribution lies in one region of an atlas.
type RegionSum struct {
	Label  int     `json:"label"`
	Name   string  `json:"name"`
	Voxels int     `json:"voxels"`
	ML     float64 `json:"ml"`
	// Share is the region's part of the sum of absolute attributions over the whole image, 0 to 1.
	Share float64 `json:"share"`
	// Density is the region's mean absolute attribution as a multiple of the whole image's: above 1 it counts more
	// than its size says.
	Density float64 `json:"density"`
	// Sign is the net attribution as a part of the absolute one: 1 all for the target, -1 all against it.
	Sign float64 `json:"sign"`
}

// Regions sums an attribution over the regions of an atlas, those with the highest density first. The atlas is brought
// onto the attribution's grid by nearest neighbour; its value 0 is no region, but counts in the whole. Channels are added up.
func Regions(attribution, atlas *imageio.Image, names map[int]string) ([]RegionSum, error) {
	if err := errors.Join(attribution.Validate(), atlas.Validate()); err != nil {
		return nil, err
	}
	labels, err := transform.Onto{Grid: attribution.Grid, Interpolation: transform.Nearest}.Apply(atlas)
	if err != nil {
		return nil, err
	}
	type sums struct {
		voxels        int
		net, absolute float64
	}
	found := map[int]*sums{}
	total := 0.0
	heat := Flat(attribution).Data
	for i, l := range labels.Channel(0) {
		v := float64(heat[i])
		total += math.Abs(v)
		k := int(math.Round(float64(l)))
		if k == 0 {
			continue
		}
		s := found[k]
		if s == nil {
			s = &sums{}
			found[k] = s
		}
		s.voxels++
		s.net += v
		s.absolute += math.Abs(v)
	}
	if len(found) == 0 {
		return nil, &TargetError{What: "the atlas has no region inside the scan", Help: "the atlas must lie in the scan's space: look at both with nitrain info"}
	}
	ml := attribution.Grid.VoxelVolume() / 1000
	var out []RegionSum
	for label, s := range found {
		r := RegionSum{Label: label, Name: names[label], Voxels: s.voxels, ML: float64(s.voxels) * ml}
		if total > 0 {
			r.Share = s.absolute / total
			r.Density = r.Share / (float64(s.voxels) / float64(len(heat)))
		}
		if s.absolute > 0 {
			r.Sign = s.net / s.absolute
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b RegionSum) int {
		if a.Density != b.Density {
			return map[bool]int{true: -1, false: 1}[a.Density > b.Density]
		}
		return a.Label - b.Label
	})
	return out, nil
}

// Flat returns an attribution with its channels added up.
func Flat(im *imageio.Image) *imageio.Image {
	if im.Channels == 1 {
		return im
	}
	out := imageio.New(im.Grid, 1, imageio.Intensity)
	for c := range im.Channels {
		for i, v := range im.Channel(c) {
			out.Data[i] += v
		}
	}
	return out
}

// WriteRegions writes a table as CSV with the columns label, name, voxels, ml, share, density, sign.
func WriteRegions(w io.Writer, regions []RegionSum) error {
	table := csv.NewWriter(w)
	rows := [][]string{{"label", "name", "voxels", "ml", "share", "density", "sign"}}
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	for _, r := range regions {
		rows = append(rows, []string{strconv.Itoa(r.Label), r.Name, strconv.Itoa(r.Voxels), number(r.ML), number(r.Share), number(r.Density), number(r.Sign)})
	}
	return table.WriteAll(rows)
}

// maxNames bounds the size of a table of names.
const maxNames = 16 << 20

// ReadNames reads the names of an atlas's values from a table, tabs or commas between the columns. With a header the columns
// index (or label, value, id) and name (or label_name, region, structure) are taken, as in BIDS; without one the first two.
func ReadNames(path string) (map[int]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxNames))
	if err != nil {
		return nil, err
	}
	names, err := parseNames(string(raw))
	if err != nil {
		return nil, fmt.Errorf("explain: %s: %w", path, err)
	}
	return names, nil
}

func parseNames(text string) (map[int]string, error) {
	names := map[int]string{}
	value, name := 0, 1
	first := true
	for n, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		line = strings.TrimRight(line, "\r")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) == 1 {
			fields = strings.Split(line, ",")
		}
		for i := range fields {
			fields[i] = strings.Trim(strings.TrimSpace(fields[i]), `"`)
		}
		if first {
			first = false
			v := indexOf(fields, "index", "label", "value", "id")
			m := indexOf(fields, "name", "label_name", "region", "structure")
			if v >= 0 && m >= 0 {
				value, name = v, m
				continue
			}
		}
		if len(fields) <= max(value, name) {
			return nil, fmt.Errorf("line %d: want a value and a name, got %q", n+1, line)
		}
		k, err := strconv.Atoi(fields[value])
		if err != nil {
			return nil, fmt.Errorf("line %d: want a whole number, got %q", n+1, fields[value])
		}
		names[k] = fields[name]
	}
	return names, nil
}

// indexOf returns the column that has the first of some titles, -1 for none.
func indexOf(fields []string, titles ...string) int {
	for _, t := range titles {
		if i := slices.IndexFunc(fields, func(f string) bool { return strings.EqualFold(f, t) }); i >= 0 {
			return i
		}
	}
	return -1
}

// Percent is Share in percent.
func (r RegionSum) Percent() float64 { return 100 * r.Share }
