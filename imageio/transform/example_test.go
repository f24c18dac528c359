package transform_test

import (
	"encoding/json"
	"fmt"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
)

// A scan with axes to the left, posterior and superior, 2 mm between slices.
func scan() *imageio.Image {
	im := imageio.New(imageio.Grid{Size: [3]int{4, 3, 2}, Affine: imageio.Affine{{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, 2, 0}, {0, 0, 0, 1}}}, 1, imageio.Intensity)
	for i := range im.Data {
		im.Data[i] = float32(i)
	}
	return im
}

func ExamplePipeline() {
	var p transform.Pipeline
	err := json.Unmarshal([]byte(`[{"op":"orient","axes":"RAS"},{"op":"spacing","mm":[1,1,1]},{"op":"scale"}]`), &p)
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := p.Apply(scan())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out.Grid.AxisCodes(), out.Grid.Size, out.Grid.Spacing())
	// Output: RAS [4 3 3] [1 1 1]
}

func ExampleOnto() {
	original := scan()
	prepared, err := transform.Pipeline{transform.Orient{Axes: "PIR"}, transform.Pad{Size: transform.Size{8, 8, 8}}}.Apply(original)
	if err != nil {
		fmt.Println(err)
		return
	}
	back, err := transform.Onto{Grid: original.Grid}.Apply(prepared)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(back.Grid == original.Grid, back.Data[:4])
	// Output: true [0 1 2 3]
}

func ExampleParseSteps() {
	_, err := transform.ParseSteps([]byte(`[{"op":"spacing","mm":[1,1],"rule":"spm"},{"op":"sharpen"}]`))
	fmt.Println(err)
	// Output:
	// transform: step 1: spacing: mm: want a number or a list of 3, got [1,1]
	// transform: step 2: unknown op "sharpen"
}

func ExampleKeep() {
	im := imageio.New(imageio.Grid{Size: [3]int{6, 1, 1}, Affine: imageio.Identity()}, 1, imageio.Label)
	copy(im.Data, []float32{1, 0, 1, 1, 0, 2})
	out, err := transform.Keep{Labels: []int{1}, Largest: 1}.Apply(im)
	fmt.Println(out.Data, err)
	// Output: [0 0 1 1 0 2] <nil>
}
