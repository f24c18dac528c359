package imageio_test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// TestEXIFOrientation: a camera's eight orientations of one picture, dark in the top left corner.
func TestEXIFOrientation(t *testing.T) {
	const w, h = 32, 16
	for turn := 1; turn <= 8; turn++ {
		sw, sh := w, h
		if turn >= 5 {
			sw, sh = h, w
		}
		// the corner of the stored picture that orientation brings to the top left (EXIF 2.3, 4.6.4)
		corner := map[int]image.Point{1: {0, 0}, 2: {1, 0}, 3: {1, 1}, 4: {0, 1}, 5: {0, 0}, 6: {0, 1}, 7: {1, 1}, 8: {1, 0}}[turn]
		im := image.NewGray(image.Rect(0, 0, sw, sh))
		for y := range sh {
			for x := range sw {
				if (x >= sw/2) != (corner.X == 1) || (y >= sh/2) != (corner.Y == 1) {
					im.SetGray(x, y, color.Gray{250})
				}
			}
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, im, &jpeg.Options{Quality: 100}); err != nil {
			t.Fatal(err)
		}
		exif := "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00" + string(rune(turn)) + "\x00\x00\x00\x00\x00\x00"
		data := b.String()[:2] + "\xff\xe1\x00" + string(rune(len(exif)+2)) + exif + b.String()[2:]
		got, err := imageio.Read(store(t, "a.jpg", []byte(data)))
		if err != nil {
			t.Fatal(err)
		}
		if got.Grid.Size != [3]int{w, h, 1} || got.At(2, 2, 0, 0) > 20 || got.At(w-3, 2, 0, 0) < 230 || got.At(2, h-3, 0, 0) < 230 {
			t.Errorf("orientation %d: size %v, corners %v %v %v", turn, got.Grid.Size, got.At(2, 2, 0, 0), got.At(w-3, 2, 0, 0), got.At(2, h-3, 0, 0))
		}
	}
}

// TestPNGKinds: every kind of PNG that the standard library writes gives its samples.
func TestPNGKinds(t *testing.T) {
	r := image.Rect(0, 0, 3, 2)
	grey16 := image.NewGray16(r)
	grey16.SetGray16(2, 1, color.Gray16{Y: 54321})
	colour := image.NewNRGBA(r)
	colour.SetNRGBA(2, 1, color.NRGBA{1, 2, 3, 255})
	deep := image.NewNRGBA64(r)
	deep.SetNRGBA64(2, 1, color.NRGBA64{300, 2, 3, 65535})
	indexed := image.NewPaletted(r, color.Palette{color.Black, color.White, color.Gray{9}})
	indexed.SetColorIndex(2, 1, 2)
	for name, c := range map[string]struct {
		im       image.Image
		channels int
		value    float32
	}{"grey16": {grey16, 1, 54321}, "colour": {colour, 3, 1}, "deep": {deep, 3, 300}, "indexed": {indexed, 1, 2}} {
		var b bytes.Buffer
		if err := png.Encode(&b, c.im); err != nil {
			t.Fatal(err)
		}
		got, err := imageio.Read(store(t, "a.png", b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if got.Channels != c.channels || got.At(2, 1, 0, 0) != c.value || got.At(0, 0, 0, 0) != 0 {
			t.Errorf("%s: %d channels, %v", name, got.Channels, got.Data)
		}
	}
}

// tiffs writes, with tifffile, the same samples in many forms, and nothing else but their names.
const tiffs = `
import sys, numpy as np, tifffile
d = sys.argv[1]
ramp = np.arange(3 * 37 * 53).reshape(3, 37, 53)
for t in ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"]:
    a = (ramp % 100).astype(t)
    for order in "<>":
        for name, o in {"plain": {}, "strips": {"rowsperstrip": 5}, "deflate": {"compression": "zlib"}, "tiles": {"tile": (16, 32)},
                        "big": {"bigtiff": True}, "tiles deflate": {"tile": (16, 16), "compression": "zlib"}}.items():
            path = f"{d}/{t}{'l' if order == '<' else 'b'} {name}.tif"
            tifffile.imwrite(path, a, byteorder=order, photometric="minisblack", metadata=None, **o)
            print(path)
rgb = np.stack([ramp[0] % 100] * 3, -1).astype("u1")
tifffile.imwrite(d + "/rgb planar.tif", np.moveaxis(rgb, -1, 0), photometric="rgb", planarconfig="separate", metadata=None)
tifffile.imwrite(d + "/rgb.tif", rgb, photometric="rgb", metadata=None)
print(d + "/rgb planar.tif"); print(d + "/rgb.tif")
`

func TestTIFFForms(t *testing.T) {
	python := os.Getenv("NITRAIN_PYTHON")
	if python == "" {
		python = "python3"
	}
	out, err := exec.Command(python, "-c", tiffs, t.TempDir()).Output()
	if err != nil {
		t.Skipf("%s cannot write TIFF files with tifffile (set NITRAIN_PYTHON): %v", python, err)
	}
	paths := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(paths) != 8*2*6+2 {
		t.Fatalf("%d files", len(paths))
	}
	for _, path := range paths {
		im, err := imageio.Read(path)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(path), err)
			continue
		}
		n := 37 * 53
		for i, v := range im.Data {
			want := float32(i % 100)
			if strings.Contains(path, "rgb") {
				want = float32(i % n % 100)
			}
			if v != want {
				t.Errorf("%s: sample %d: want %v, got %v", filepath.Base(path), i, want, v)
				break
			}
		}
		if len(im.Data) != 3*n {
			t.Errorf("%s: %v x %d", filepath.Base(path), im.Grid.Size, im.Channels)
		}
	}
}
