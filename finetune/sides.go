package finetune

import (
	"math"
	"regexp"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/predict"
)

// sideways returns the voxel axis that runs most nearly from left to right.
func sideways(g imageio.Grid) int {
	axis, most := 0, -1.0
	for j, s := range g.Spacing() {
		if part := math.Abs(g.Affine[0][j]) / s; part > most {
			axis, most = j, part
		}
	}
	return axis
}

// hasSides reports whether labels tell left from right, so that samples must not be mirrored.
func hasSides(labels []predict.Label) bool {
	side := regexp.MustCompile(`(?i)(^|[^a-z])(left|right|lh|rh|l|r)([^a-z]|$)`)
	for _, l := range labels {
		if side.MatchString(l.Name) {
			return true
		}
	}
	return false
}
