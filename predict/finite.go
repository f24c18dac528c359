package predict

import (
	"errors"
	"fmt"
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// errNaN is what a model does whose weights are broken.
var errNaN = errors.New("want numbers, got NaN")

// notANumber says that a model made NaN of numbers.
func (p *Predictor) notANumber() error {
	return &MismatchError{What: fmt.Sprintf("output %q: %v for an image of finite numbers", p.models[0].output, errNaN)}
}

// checkNumbers refuses a scan with voxels that are no numbers, which a model or a step may swallow and then
// say something wrong about them and around them.
func checkNumbers(im *imageio.Image, which string) error {
	return findBad(im, which, "NaN", "set the voxels that hold no number to the background's value", func(v float32) bool { return v != v })
}

// checkPrepared refuses an image in which preparation made numbers that are none or infinite.
func checkPrepared(im *imageio.Image) error {
	return findBad(im, "the prepared image", "NaN or infinite", "look at the scan's values and the Spec's prepare", func(v float32) bool { return v-v != 0 })
}

// findBad counts bad samples and names the first.
func findBad(im *imageio.Image, which, what, help string, bad func(float32) bool) error {
	if clean(im.Data) {
		return nil
	}
	n, first := 0, -1
	for i, v := range im.Data {
		if bad(v) {
			if n++; first < 0 {
				first = i
			}
		}
	}
	if n == 0 {
		return nil
	}
	where := fmt.Sprintf("%v", voxel(im.Grid, first))
	if im.Channels > 1 {
		where += fmt.Sprintf(" of channel %d", first/im.Grid.Len())
	}
	return &ImageError{What: fmt.Sprintf("%s: %s %s, the first at voxel %s", which, count(n, "sample"), isAre(n, what), where), Help: help}
}

func isAre(n int, what string) string {
	if n == 1 {
		return "is " + what
	}
	return "are " + what
}

// clean reports whether all samples are finite. It looks at bits, four at a time: the exponent of NaN and of
// the infinities is all ones.
func clean(data []float32) bool {
	const exponent = 0x7f800000
	bad := false
	for len(data) >= 4 {
		a, b := math.Float32bits(data[0]), math.Float32bits(data[1])
		c, d := math.Float32bits(data[2]), math.Float32bits(data[3])
		bad = bad || a&exponent == exponent || b&exponent == exponent || c&exponent == exponent || d&exponent == exponent
		data = data[4:]
	}
	for _, v := range data {
		bad = bad || math.Float32bits(v)&exponent == exponent
	}
	return !bad
}
