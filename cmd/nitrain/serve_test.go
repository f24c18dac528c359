package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/phantom"
	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict/server"
)

// TestServe starts the command, asks for a segmentation and an attribution as a user does with curl, and ends it.
func TestServe(t *testing.T) {
	if _, _, err := ort.Library(""); err != nil {
		t.Skip("onnxruntime cannot run: ", err)
	}
	model := filepath.Join(t.TempDir(), "unet.onnx") // a copy: gradient models are kept beside it
	raw, err := os.ReadFile("../../testdata/models/unet3d_a.onnx")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(model, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	scan := filepath.Join(t.TempDir(), "scan.nii.gz")
	if err := imageio.Write(scan, phantom.Head(7, phantom.A).Scan); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	var log bytes.Buffer
	code := make(chan int, 1)
	go func() {
		args := []string{
			"serve", model, "--spec", "../../testdata/models/unet3d_a.json", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0",
			"--metrics", "127.0.0.1:0", "--work", t.TempDir(), "--drain-delay", "10ms", "--json",
		}
		code <- run(ctx, args, in, &log)
		in.Close()
	}()
	var at server.Addresses
	if err := json.NewDecoder(out).Decode(&at); err != nil || at.GRPC == "" || at.Metrics == "" {
		t.Fatalf("%v %+v; %d %s", err, at, <-code, log.String())
	}
	body, err := os.ReadFile(scan)
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range []string{"segment", "attribute&method=saliency&target=mask:4"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at.HTTP+"/api/v1/predict?task="+task, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !bytes.HasPrefix(got, []byte{0x1f, 0x8b}) {
			t.Errorf("%s: %v %d %.300q", task, err, resp.StatusCode, got)
		}
	}
	for _, bad := range []string{"method=x", "target=x", "target=region:/etc/passwd:1", "target=mask:99"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at.HTTP+"/api/v1/predict?task=attribute&"+bad, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, resp.StatusCode, text)
		}
	}
	cancel()
	if c := <-code; c != exitDone {
		t.Errorf("exit code %d: %s", c, log.String())
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{"2GB": 2 << 30, "512MiB": 512 << 20, "1.5k": 1536, " 7 ": 7, "1000000": 1000000, "1TB": 1 << 40} {
		if got, err := parseBytes(text); err != nil || got != want {
			t.Errorf("%q: %d %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "0", "1e40", "2XB", "NaN", "GB"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("%q: %d, want an error", text, got)
		}
	}
}
