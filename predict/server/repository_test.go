package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict/server"
)

// write makes empty files below a folder.
func write(t *testing.T, folder string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// index asks a server for its models.
func index(t *testing.T, url string) map[string][3]string {
	t.Helper()
	status, _, body := call(t, "POST", url+"/v2/repository/index", nil)
	var list []struct{ Name, Version, State, Reason string }
	if err := json.Unmarshal(body, &list); err != nil || status != 200 {
		t.Fatalf("%d %s %v", status, body, err)
	}
	out := map[string][3]string{}
	for _, e := range list {
		out[e.Name] = [3]string{e.Version, e.State, e.Reason}
	}
	return out
}

func TestRepositoryFolder(t *testing.T) {
	folder, outside := t.TempDir(), t.TempDir()
	write(t, outside, "secret.onnx", "dir/model.onnx")
	write(t, folder, "flat.onnx", "plain/model.onnx", "versions/2/model.onnx", "versions/10/model.onnx", "versions/11/other.txt", "versions/010/model.onnx",
		".hidden.onnx", "-dash.onnx", "with space.onnx", "notes.txt", "empty/readme")
	for link, to := range map[string]string{"link.onnx": filepath.Join(outside, "secret.onnx"), "linked": filepath.Join(outside, "dir")} {
		if err := os.Symlink(to, filepath.Join(folder, link)); err != nil {
			t.Skip("no links here: ", err)
		}
	}
	var opened []string
	fail := atomic.Bool{}
	open := func(path string) (*server.Model, error) {
		rel, err := filepath.Rel(folder, path)
		opened = append(opened, rel)
		if fail.Load() {
			return nil, errors.New("it is broken")
		}
		return &server.Model{Run: echo(1, onnx.Float32), Path: path}, err
	}
	r, err := server.NewRepository(open, folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.LoadAll(); err != nil {
		t.Fatal(err)
	}
	_, url := serve(t, server.Options{Models: r}, nil)
	want := map[string][3]string{"flat": {"1", "READY"}, "plain": {"1", "READY"}, "versions": {"10", "READY"}}
	if got := index(t, url); len(got) != len(want) || got["flat"] != want["flat"] || got["plain"] != want["plain"] || got["versions"] != want["versions"] {
		t.Errorf("%v, want %v (opened %v)", got, want, opened)
	}
	post := func(path string) int { status, _, _ := call(t, "POST", url+path, nil); return status }
	write(t, folder, "versions/12/model.onnx", "late.onnx")
	if post("/v2/repository/models/versions/load") != 200 || post("/v2/repository/models/late/load") != 200 {
		t.Error("load")
	}
	if got := index(t, url); got["versions"][0] != "12" || got["late"][1] != "READY" {
		t.Errorf("%v", got)
	}
	for _, name := range []string{"..%2fsecret", "%2e%2e", "link", "linked", "secret", ".hidden", "flat.onnx", "versions%2f2"} {
		if status := post("/v2/repository/models/" + name + "/load"); status != 404 && status != 307 {
			t.Errorf("load %s: %d", name, status)
		}
	}
	fail.Store(true) // a load that does not work leaves the old one
	if status := post("/v2/repository/models/flat/load"); status != 500 {
		t.Errorf("a broken load: %d", status)
	}
	if got := index(t, url); got["flat"][1] != "READY" || !strings.Contains(got["flat"][2], "broken") {
		t.Errorf("%v", got)
	}
	if post("/v2/repository/models/flat/unload") != 200 || post("/v2/repository/models/flat/load") != 500 {
		t.Error("unload and a broken load")
	}
	if got := index(t, url); got["flat"][1] != "UNAVAILABLE" {
		t.Errorf("%v", got)
	}
}

func TestRepositorySources(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "a.onnx", "b/a.onnx", "c.txt", "d/readme", "bad name.onnx")
	for _, sources := range [][]string{{"none.onnx"}, {"c.txt"}, {"d"}, {"bad name.onnx"}, {"a.onnx", "b/a.onnx"}} {
		for i := range sources {
			sources[i] = filepath.Join(folder, sources[i])
		}
		if _, err := server.NewRepository(nil, sources...); err == nil {
			t.Errorf("%v: want an error", sources)
		}
	}
}

// TestReloadWhileInUse closes a model when its last request has ended, not before.
func TestReloadWhileInUse(t *testing.T) {
	var closed atomic.Bool
	begun, finish := make(chan struct{}), make(chan struct{})
	slow := echo(1, onnx.Float32)
	slow.before = func(context.Context) error {
		close(begun)
		<-finish
		if closed.Load() {
			return errors.New("closed under a request")
		}
		return nil
	}
	r := repository(t, map[string]*server.Model{"m": {Run: slow, Close: func() error { closed.Store(true); return nil }}})
	_, url := serve(t, server.Options{Models: r}, nil)
	body := []byte(`{"inputs":[{"name":"in0","datatype":"FP32","shape":[1],"data":[1]}]}`)
	got := make(chan int)
	go func() {
		status, _, _ := call(t, "POST", url+"/v2/models/m/infer", body)
		got <- status
	}()
	<-begun
	if err := r.Add("m", &server.Model{Run: echo(1, onnx.Float32)}); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := call(t, "POST", url+"/v2/models/m/infer", body); status != 200 || closed.Load() {
		t.Errorf("the new model: %d, the old one closed: %t", status, closed.Load())
	}
	close(finish)
	if status := <-got; status != 200 || !closed.Load() {
		t.Errorf("the old model: %d, closed: %t", status, closed.Load())
	}
}
