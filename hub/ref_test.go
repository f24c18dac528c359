package hub

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func TestParseRef(t *testing.T) {
	for text, want := range map[string]Ref{
		"unet":                          {Name: "unet", Tag: "latest"},
		"brain/u-net_2.5:v1.0":          {Name: "brain/u-net_2.5", Tag: "v1.0"},
		"unet@" + digestA:               {Name: "unet", Digest: digestA},
		"unet:v1@" + digestA:            {Name: "unet", Tag: "v1", Digest: digestA},
		"oci://localhost:5000/a/b:v1":   {Scheme: OCI, Host: "localhost:5000", Name: "a/b", Tag: "v1"},
		"oci://[::1]:5000/a:v1":         {Scheme: OCI, Host: "[::1]:5000", Name: "a", Tag: "v1"},
		"oci://ghcr.io/a/b@" + digestA:  {Scheme: OCI, Host: "ghcr.io", Name: "a/b", Digest: digestA},
		"hf://MONAI/spleen_ct":          {Scheme: HuggingFace, Name: "MONAI/spleen_ct", Tag: "main"},
		"hf://a/b@v1/onnx/model.onnx":   {Scheme: HuggingFace, Name: "a/b", Tag: "v1", Path: "onnx/model.onnx"},
		"hf://a/b@refs/pr/7/m.onnx":     {Scheme: HuggingFace, Name: "a/b", Tag: "refs/pr/7", Path: "m.onnx"},
		"hf://a/b@feature%2Fx":          {Scheme: HuggingFace, Name: "a/b", Tag: "feature/x"},
		"hf://a/b/m.onnx":               {Scheme: HuggingFace, Name: "a/b", Tag: "main", Path: "m.onnx"},
		"file:///data/m.onnx":           {Scheme: File, Path: "/data/m.onnx"},
		"file:///data/my%20hub#unet:v1": {Scheme: File, Path: "/data/my hub", Name: "unet", Tag: "v1"},
		"file://relative/hub#unet":      {Scheme: File, Path: "relative/hub", Name: "unet", Tag: "latest"},
	} {
		got, err := ParseRef(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", text, diff)
		}
		if again, err := ParseRef(got.String()); err != nil || again != got {
			t.Errorf("%s: written as %s, read as %+v, %v", text, got, again, err)
		}
	}
}

func TestParseRefRefuses(t *testing.T) {
	for _, text := range []string{
		"", ":", "a:", "a:b:c", "A:v1", "a//b", "/a", "a/", "../a", "a/../b", "a:..", "a:-x", "a b", "a\n", "a\x00", "./m.onnx", "m.onnx/..",
		"a@", "a@sha256:abc", "a@sha512:" + strings.Repeat("a", 128), "a@" + strings.ToUpper(digestA), "a___b", "a..b", "-a", strings.Repeat("a", 256),
		"oci://", "oci://host", "oci://host/", "oci:///a:v1", "oci://host:0/a", "oci://host:99999/a", "oci://host:/a", "oci://user@host/a", "oci://host/a?b",
		"oci://ho st/a", "oci://-x/a", "oci://[::1/a", "oci://::1/a", "oci://[127.0.0.1]/a",
		"hf://", "hf://a", "hf://a/", "hf:///b", "hf://a/b@", "hf://a/b@../x", "hf://a/b@x%2F..%2Fy", "hf://a--b/c", "hf://../b", "hf://a/b/../c", "hf://a/b//c",
		"hf://a/b/", "hf://a/b@v1/", `hf://a/b/..\c`, "hf://a/b/con.onnx", "hf://a/b@-x", "hf://a/b@refs/pr/../m",
		"file://", "file:///a%zz", "file:///a%00", "file:///a#", "file:///a#B", "http://a/b", "OCI://a/b", "ftp://x",
	} {
		if r, err := ParseRef(text); err == nil {
			t.Errorf("%q: want an error, got %+v", text, r)
		}
	}
}

func TestLocalNames(t *testing.T) {
	for text, want := range map[string]string{
		"oci://h/a/b:v1":              "a/b:v1",
		"oci://h/a@" + digestA:        "a:aaaaaaaaaaaa",
		"hf://MONAI/Spleen..ct":       "",
		"hf://MONAI/Spleen_CT@v1":     "monai/spleen_ct:v1",
		"hf://A/B@refs/pr/7":          "a/b:refs-pr-7",
		"file:///x/My Model (2).onnx": "my-model-2:latest",
		"file:///x/hub#a/b:v1":        "a/b:v1",
	} {
		r, err := ParseRef(text)
		if want == "" {
			if err == nil {
				t.Errorf("%s: want an error", text)
			}
			continue
		}
		if err != nil {
			t.Error(err)
		} else if got := r.Local().String(); got != want {
			t.Errorf("%s: want %s, got %s", text, want, got)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"a/b:v1", "unet@" + digestA, "oci://localhost:5000/a:v1", "hf://a/b@refs/pr/1/m.onnx", "file:///x/hub#a:v1", "hf://a/b@x%2Fy"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRef(text)
		if err != nil {
			return
		}
		again, err := ParseRef(r.String())
		if err != nil || again != r {
			t.Fatalf("%q: %+v is written %q, read %+v, %v", text, r, r, again, err)
		}
		l := r.Local()
		if back, err := ParseRef(l.String()); err != nil || back != l || l.Scheme != Local {
			t.Fatalf("%q: local name %+v is read %+v, %v", text, l, back, err)
		}
		if r.Scheme == HuggingFace && r.Path != "" && checkFileName(r.Path) != nil {
			t.Fatalf("%q: the path %q may leave its folder", text, r.Path)
		}
	})
}
