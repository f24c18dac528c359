package view_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/view"
)

// head returns a scan with axes in the order and directions of the codes, whose world is the same for all:
// a grey ellipsoid with a bright ball on the patient's right, a darker one in front and a third on top.
func head(codes string) *imageio.Image {
	const n = 40
	a := imageio.Affine{3: {0, 0, 0, 1}}
	for j, c := range codes {
		world := strings.IndexRune("RAS", c)
		sign := 1.0
		if world < 0 {
			world, sign = strings.IndexRune("LPI", c), -1
		}
		a[world][j] = sign * 2
		a[world][3] = -sign * (n - 1)
	}
	im := imageio.New(imageio.Grid{Size: [3]int{n, n, n}, Affine: a}, 1, imageio.Intensity)
	ball := func(p [3]float64, x, y, z, r float64) bool {
		d := [3]float64{p[0] - x, p[1] - y, p[2] - z}
		return d[0]*d[0]+d[1]*d[1]+d[2]*d[2] < r*r
	}
	for z := range n {
		for y := range n {
			for x := range n {
				p := im.Grid.World(float64(x), float64(y), float64(z))
				v := float32(0)
				switch {
				case ball(p, 25, 0, 0, 8):
					v = 100
				case ball(p, 0, 25, 0, 8):
					v = 60
				case ball(p, 0, 0, 25, 8):
					v = 80
				case ball(p, 0, 0, 0, 36):
					v = 30
				}
				im.Data[im.Grid.Index(x, y, z)] = v
			}
		}
	}
	return im
}

func thumbnail(t *testing.T, im *imageio.Image, s view.Slice) image.Image {
	t.Helper()
	b, err := view.Thumbnail(im, s)
	if err != nil {
		t.Fatal(err)
	}
	p, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// greyAt returns the grey at a place of the picture, from 0 to 1 in both directions.
func greyAt(p image.Image, fx, fy float64) uint8 {
	b := p.Bounds()
	return color.GrayModel.Convert(p.At(int(fx*float64(b.Dx())), int(fy*float64(b.Dy())))).(color.Gray).Y
}

// TestSidesOnTheScreen: whatever the order and direction of the voxel axes, right is on the left, anterior and
// superior are up, and a sagittal face looks to the left.
func TestSidesOnTheScreen(t *testing.T) {
	for _, codes := range []string{"RAS", "LAS", "LPS", "LIA", "PIR", "ASL", "SRP", "IPL", "AIR"} {
		im := head(codes)
		win := [2]float64{0, 100}
		near := func(got, want uint8) bool { d := int(got) - int(want); return d > -6 && d < 6 }
		axial := thumbnail(t, im, view.Slice{Plane: view.Axial, Window: win})
		coronal := thumbnail(t, im, view.Slice{Plane: view.Coronal, Window: win})
		sagittal := thumbnail(t, im, view.Slice{Plane: view.Sagittal, Window: win})
		for _, c := range []struct {
			name   string
			p      image.Image
			fx, fy float64
			want   uint8
		}{
			{"axial right", axial, 0.18, 0.5, 255},
			{"axial left", axial, 0.82, 0.5, 77},
			{"axial front", axial, 0.5, 0.18, 153},
			{"axial back", axial, 0.5, 0.82, 77},
			{"coronal right", coronal, 0.18, 0.5, 255},
			{"coronal top", coronal, 0.5, 0.18, 204},
			{"coronal bottom", coronal, 0.5, 0.82, 77},
			{"sagittal front", sagittal, 0.18, 0.5, 153},
			{"sagittal top", sagittal, 0.5, 0.18, 204},
			{"sagittal back", sagittal, 0.82, 0.5, 77},
		} {
			if got := greyAt(c.p, c.fx, c.fy); !near(got, c.want) {
				t.Errorf("%s: %s: want grey %d, got %d", codes, c.name, c.want, got)
			}
		}
	}
}

// TestMillimetresAreSquare: thick slices look as long as they are.
func TestMillimetresAreSquare(t *testing.T) {
	g := imageio.Grid{Size: [3]int{30, 40, 6}, Affine: imageio.Affine{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 5, 0}, {0, 0, 0, 1}}}
	im := imageio.New(g, 1, imageio.Intensity)
	for i := range im.Data {
		im.Data[i] = float32(50 + i%3)
	}
	for plane, want := range map[view.Plane]float64{view.Axial: 30.0 / 40, view.Coronal: 30.0 / 30, view.Sagittal: 40.0 / 30, view.Acquired: 30.0 / 40} {
		b := thumbnail(t, im, view.Slice{Plane: plane, Size: 400}).Bounds()
		if got := float64(b.Dx()) / float64(b.Dy()); got < want-0.01 || got > want+0.01 || max(b.Dx(), b.Dy()) != 400 {
			t.Errorf("%v: want width/height %.3f, got %v", plane, want, b)
		}
	}
}

func labelBall(grid imageio.Grid, x, y, z, r float64, label float32) *imageio.Image {
	im := imageio.New(grid, 1, imageio.Label)
	for k := range grid.Size[2] {
		for j := range grid.Size[1] {
			for i := range grid.Size[0] {
				p := grid.World(float64(i), float64(j), float64(k))
				if (p[0]-x)*(p[0]-x)+(p[1]-y)*(p[1]-y)+(p[2]-z)*(p[2]-z) < r*r {
					im.Data[grid.Index(i, j, k)] = label
				}
			}
		}
	}
	return im
}

// TestOverlayByWorldPosition: a segmentation on another grid, with other axes, lies where it belongs.
func TestOverlayByWorldPosition(t *testing.T) {
	scan := head("RAS")
	other := imageio.Grid{Size: [3]int{30, 30, 30}, Affine: imageio.Affine{{0, -3, 0, 45}, {0, 0, 3, -45}, {3, 0, 0, -45}, {0, 0, 0, 1}}}
	seg := labelBall(other, 25, 0, 0, 8, 7)
	p := thumbnail(t, scan, view.Slice{Plane: view.Axial, Seg: seg})
	want := view.Color(7)
	found, left := 0, 0
	for y := range p.Bounds().Dy() {
		for x := range p.Bounds().Dx() {
			r, g, b, _ := p.At(x, y).RGBA()
			if near(r>>8, want.R) && near(g>>8, want.G) && near(b>>8, want.B) {
				found++
				if x < p.Bounds().Dx()/2 {
					left++
				}
			}
		}
	}
	if found < 20 || left != found {
		t.Errorf("outline: %d pixels, %d of them in the left half", found, left)
	}
	far := labelBall(imageio.Grid{Size: [3]int{5, 5, 5}, Affine: imageio.Affine{{1, 0, 0, 900}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}}}, 902, 2, 2, 3, 1)
	if _, err := view.Montage(scan, view.Options{Seg: far}); err == nil || !strings.Contains(err.Error(), "segmentation") {
		t.Errorf("a segmentation elsewhere: got %v", err)
	}
}

func near(got uint32, want uint8) bool { d := int(got) - int(want); return d > -40 && d < 40 }

func TestMontageForms(t *testing.T) {
	scan := head("LIA")
	seg := labelBall(scan.Grid, 25, 0, 0, 8, 1)
	heat := imageio.New(scan.Grid, 1, imageio.Intensity)
	for i := range heat.Data {
		heat.Data[i] = scan.Data[i] - 50
	}
	flat := imageio.New(imageio.Grid{Size: [3]int{20, 30, 1}, Affine: imageio.Identity()}, 1, imageio.Intensity)
	for i := range flat.Data {
		flat.Data[i] = float32(i % 7)
	}
	photo := imageio.New(flat.Grid, 3, imageio.Intensity)
	photo.Source = &imageio.Source{Stored: "rgb24", AffineSource: "none"}
	one := imageio.New(imageio.Grid{Size: [3]int{1, 1, 1}, Affine: imageio.Identity()}, 1, imageio.Intensity)
	plain, err := view.Montage(scan, view.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		im *imageio.Image
		o  view.Options
	}{
		"seg":   {scan, view.Options{Seg: seg, Labels: []view.Label{{Value: 1, Name: "a very long name that cannot be shown in full whatever the width of the picture is"}}}},
		"heat":  {scan, view.Options{Heat: heat}},
		"both":  {scan, view.Options{Heat: heat, Seg: seg, Title: "a title"}},
		"grid":  {scan, view.Options{Grid: true, Seg: seg, Plane: view.Coronal}},
		"empty": {scan, view.Options{Seg: imageio.New(scan.Grid, 1, imageio.Label), Heat: imageio.New(scan.Grid, 1, imageio.Intensity)}},
		"flat":  {flat, view.Options{Seg: labelBall(flat.Grid, 10, 10, 0, 5, 2), Grid: true}},
		"photo": {photo, view.Options{}},
		"voxel": {one, view.Options{}},
	} {
		p, err := view.Montage(c.im, c.o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b := p.Bounds(); b.Dx() < 100 || b.Dy() < 100 || b.Dx() > 2000 || b.Dy() > 2500 {
			t.Errorf("%s: size %v", name, b)
		}
		if name == "both" && p.Bounds().Dy() < 2*plain.Bounds().Dy() {
			t.Errorf("%s: want three rows, got %v beside %v", name, p.Bounds(), plain.Bounds())
		}
	}
}

func TestMontageRefuses(t *testing.T) {
	scan := head("RAS")
	broken := *scan
	broken.Data = broken.Data[1:]
	index := 99
	for name, err := range map[string]error{
		"nothing": second(view.Montage(nil, view.Options{})),
		"broken":  second(view.Montage(&broken, view.Options{})),
		"channel": second(view.Montage(scan, view.Options{Channel: 1})),
		"index":   second(view.Thumbnail(scan, view.Slice{Index: &index})),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "view: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestColoursDiffer(t *testing.T) {
	seen := map[color.RGBA]int{}
	for l := 1; l < 200; l++ {
		c := view.Color(l)
		if other, ok := seen[c]; ok {
			t.Errorf("labels %d and %d have the same colour", l, other)
		}
		if int(c.R)+int(c.G)+int(c.B) < 150 || c.A != 255 {
			t.Errorf("label %d: %v is too dark for a black ground", l, c)
		}
		seen[c] = l
	}
	if view.Color(0).A != 0 {
		t.Error("the background has a colour")
	}
}

func TestParseColor(t *testing.T) {
	if c, err := view.ParseColor("#c03040"); err != nil || c != (color.RGBA{0xc0, 0x30, 0x40, 255}) {
		t.Errorf("got %v, %v", c, err)
	}
	for _, bad := range []string{"", "c03040", "#c0304", "#c030400", "#zzzzzz"} {
		if _, err := view.ParseColor(bad); err == nil {
			t.Errorf("%q: want an error", bad)
		}
	}
}

// A montage is an image.Image, ready for png.Encode.
func ExampleMontage() {
	scan := head("LAS")
	seg := labelBall(scan.Grid, 25, 0, 0, 8, 1)
	picture, err := view.Montage(scan, view.Options{Seg: seg, Labels: []view.Label{{Value: 1, Name: "nodule"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(picture.Bounds().Dx() > picture.Bounds().Dy())
	// Output: true
}
