package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/predict/server"
)

// readImage reads a NIfTI body.
func readImage(t testing.TB, raw []byte, label bool) *imageio.Image {
	t.Helper()
	path := filepath.Join(t.TempDir(), "got.nii.gz")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	read := imageio.Read
	if label {
		read = imageio.ReadLabel
	}
	im, err := read(path)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// wantBright fails unless exactly the voxels above 0.5 have the label 7.
func wantBright(t testing.TB, raw []byte, im *imageio.Image) {
	t.Helper()
	got := readImage(t, raw, true)
	if !got.Grid.Same(im.Grid, 1e-3) {
		t.Fatalf("the result lies on %v, the scan on %v", got.Grid, im.Grid)
	}
	for i, v := range im.Data {
		if want := map[bool]float32{true: 7}[v > 0.5]; got.Data[i] != want {
			t.Fatalf("voxel %d of %g has the label %g", i, v, got.Data[i])
		}
	}
}

// form is a multipart body.
func form(t testing.TB, fields map[string]string, files ...[]byte) (string, []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		if err := w.WriteField(k, v); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files {
		part, err := w.CreateFormFile("scan", "../../etc/JANE_DOE.nii.gz")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

// heat explains by the scan itself.
type heat struct{}

func (heat) Explain(_ context.Context, q server.Question) (*imageio.Image, error) {
	if q.Target == "bad" {
		return nil, &server.RequestError{Err: errors.New("target: no such thing")}
	}
	q.Progress(1, 1)
	return q.Scans[0], nil
}

func TestPredict(t *testing.T) {
	im, raw := scan(t, [3]int{11, 9, 7})
	_, url := serve(t, server.Options{Explain: heat{}, Methods: []string{"itself"}}, map[string]*server.Model{"bright": bright(nil)})
	status, header, body := call(t, "POST", url+"/api/v1/predict", raw)
	if status != 200 || header.Get("Content-Type") != "application/gzip" || !strings.Contains(header.Get("Server-Timing"), "compute") {
		t.Fatalf("%d %v %.200s", status, header, body)
	}
	wantBright(t, body, im)
	kind, text := form(t, map[string]string{"model": "bright", "task": "segment"}, raw)
	status, _, body = call(t, "POST", url+"/api/v1/predict", text, "Content-Type", kind)
	if status != 200 {
		t.Fatalf("multipart: %d %.200s", status, body)
	}
	wantBright(t, body, im)
	status, _, body = call(t, "POST", url+"/api/v1/predict?output=probabilities", raw)
	if status != 200 {
		t.Fatalf("probabilities: %d %.200s", status, body)
	}
	if p := readImage(t, body, false); p.Data[5] != im.Data[5] {
		t.Errorf("probability %g, want %g", p.Data[5], im.Data[5])
	}
	status, _, body = call(t, "POST", url+"/api/v1/predict?output=volumes", raw)
	var sum struct {
		Digest  string
		Volumes []struct {
			Value, Voxels int
			ML            float64
		}
		Seconds map[string]float64
	}
	if err := json.Unmarshal(body, &sum); status != 200 || err != nil || len(sum.Volumes) != 1 || sum.Volumes[0].Value != 7 || sum.Volumes[0].Voxels == 0 || sum.Digest != "d1" {
		t.Errorf("volumes: %d %s %v", status, body, err)
	}
	status, _, body = call(t, "POST", url+"/api/v1/predict?task=attribute", raw)
	if status != 200 {
		t.Fatalf("attribution: %d %.200s", status, body)
	}
	if p := readImage(t, body, false); p.Data[5] != im.Data[5] {
		t.Errorf("attribution %g, want %g", p.Data[5], im.Data[5])
	}
	if status, _, body := call(t, "GET", url+"/api/v1/models", nil); status != 200 || !strings.Contains(string(body), `"tasks":["segment","attribute"]`) || !strings.Contains(string(body), `"color":"#`) {
		t.Errorf("models: %d %s", status, body)
	}
}

func TestBadScans(t *testing.T) {
	_, raw := scan(t, [3]int{11, 9, 7})
	_, two := scan(t, [3]int{3, 9, 7})
	huge := bytes.Repeat([]byte{0}, 352)
	binary.LittleEndian.PutUint32(huge, 348)
	for i, d := range []uint16{3, 30000, 30000, 30000, 1, 1, 1, 1} {
		binary.LittleEndian.PutUint16(huge[40+2*i:], d)
	}
	binary.LittleEndian.PutUint16(huge[70:], 2)
	binary.LittleEndian.PutUint16(huge[72:], 8)
	binary.LittleEndian.PutUint32(huge[108:], 0x43b00000)
	copy(huge[344:], "n+1\x00")
	kind, pair := form(t, nil, raw, two)
	_, both := form(t, nil, raw, raw)
	none, empty := form(t, map[string]string{"task": "segment"})
	_, url := serve(t, server.Options{Limits: server.Limits{Voxels: 5000, Request: 1 << 20}}, map[string]*server.Model{"bright": bright(nil), "tensors": {Run: echo(1, 1)}})
	_, large := scan(t, [3]int{20, 20, 20})
	for name, c := range map[string]struct {
		query  string
		body   []byte
		kind   string
		status int
		want   string
	}{
		"no model named":     {"", raw, "", 200, ""}, // tensors has no Spec, but is loaded: two models
		"empty":              {"?model=bright", nil, "", 400, "empty"},
		"text":               {"?model=bright", []byte("JANE DOE 1970-01-01"), "", 400, "format not recognised"},
		"cut":                {"?model=bright", raw[:len(raw)/2], "", 400, ""},
		"flipped":            {"?model=bright", append(append([]byte{}, raw[:len(raw)-300]...), make([]byte, 300)...), "", 400, ""},
		"huge header":        {"?model=bright", huge, "", 413, "at most"},
		"too many voxels":    {"?model=bright", large, "", 413, ""},
		"body over limit":    {"?model=bright", make([]byte, 2<<20), "", 413, "limit"},
		"unknown model":      {"?model=x", raw, "", 404, "unknown model"},
		"a path":             {"?model=../bright", raw, "", 404, "unknown model"},
		"tensors only":       {"?model=tensors", raw, "", 400, "Spec"},
		"unknown parameter":  {"?model=bright&patient=1", raw, "", 400, "unknown parameter"},
		"task":               {"?model=bright&task=x", raw, "", 400, "task"},
		"classify":           {"?model=bright&task=classify", raw, "", 400, "segmentation"},
		"output":             {"?model=bright&output=x", raw, "", 400, "output"},
		"grid":               {"?model=bright&grid=x", raw, "", 400, "grid"},
		"tta":                {"?model=bright&tta=x", raw, "", 400, "tta"},
		"attribution":        {"?model=bright&task=attribute", raw, "", 501, "attributions"},
		"two grids":          {"?model=bright", pair, kind, 400, ""},
		"too many channels":  {"?model=bright", both, "", 400, "1 channel"},
		"form without files": {"?model=bright", empty, none, 400, "no file"},
		"form cut":           {"?model=bright", pair[:len(pair)-80], kind, 400, ""},
		"form no boundary":   {"?model=bright", pair, "multipart/form-data", 400, ""},
	} {
		header := []string{}
		if c.kind != "" {
			header = []string{"Content-Type", c.kind}
		}
		if name == "too many channels" {
			header = []string{"Content-Type", ""}
			k, b := form(t, nil, raw, raw)
			c.body, header[1] = b, k
		}
		if name == "no model named" {
			c.status, c.want = 400, "say which one"
		}
		status, _, body := call(t, "POST", url+"/api/v1/predict"+c.query, c.body, header...)
		if status != c.status || !strings.Contains(string(body), c.want) {
			t.Errorf("%s: %d %.300s, want %d %q", name, status, body, c.status, c.want)
		}
		if strings.Contains(string(body), os.TempDir()) || strings.Contains(string(body), "JANE") {
			t.Errorf("%s: the error tells where the scan lies: %s", name, body)
		}
	}
}

// jobView is what the tests look at.
type jobView struct {
	ID, State, Stage, Error string
	Done, Total, Position   int
	Result                  struct{ Files []string }
}

func TestJob(t *testing.T) {
	im, raw := scan(t, [3]int{30, 9, 7})
	step := make(chan struct{})
	model := bright(func(ctx context.Context) error {
		select {
		case <-step:
		case <-ctx.Done():
		}
		return ctx.Err()
	})
	folder := t.TempDir()
	_, url := serve(t, server.Options{Folder: folder, Explain: heat{}, Limits: server.Limits{Running: 1}}, map[string]*server.Model{"bright": model})
	kind, text := form(t, map[string]string{"task": "segment,attribute"}, raw)
	status, header, body := call(t, "POST", url+"/api/v1/jobs", text, "Content-Type", kind)
	var job jobView
	if err := json.Unmarshal(body, &job); status != 202 || err != nil || header.Get("Location") != "/api/v1/jobs/"+job.ID {
		t.Fatalf("%d %v %s", status, header, body)
	}
	if status, _, body := call(t, "GET", url+"/api/v1/jobs/"+job.ID+"/result/prediction.nii.gz", nil); status != 409 {
		t.Errorf("an early result: %d %s", status, body)
	}
	privateFiles(t, folder)
	go func() { // the windows of 30 x 9 x 7 voxels, slowly, when somebody looks
		time.Sleep(50 * time.Millisecond)
		for range 64 {
			time.Sleep(2 * time.Millisecond)
			select {
			case step <- struct{}{}:
			case <-t.Context().Done():
				return
			}
		}
	}()
	events := follow(t, url+"/api/v1/jobs/"+job.ID+"/events")
	last := events[len(events)-1]
	if last.State != "done" || len(last.Result.Files) != 2 {
		t.Fatalf("%+v", last)
	}
	windows := 0
	for _, e := range events {
		if e.Stage == "window" && e.Total > 1 {
			windows++
		}
	}
	if windows == 0 {
		t.Errorf("no progress in %+v", events)
	}
	result := url + "/api/v1/jobs/" + job.ID + "/result/"
	status, _, body = call(t, "GET", result+"prediction.nii.gz", nil)
	if status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	wantBright(t, body, im)
	status, header, part := call(t, "GET", result+"prediction.nii.gz", nil, "Range", "bytes=10-19")
	if status != 206 || !bytes.Equal(part, body[10:20]) {
		t.Errorf("a range: %d %v", status, header)
	}
	for _, path := range []string{"probabilities.nii.gz", "scan-0.nii.gz", "..%2f..%2fetc%2fpasswd"} {
		if status, _, _ := call(t, "GET", result+path, nil); status != 404 {
			t.Errorf("result %s: %d", path, status)
		}
	}
	privateFiles(t, folder)
	if status, _, _ := call(t, "DELETE", url+"/api/v1/jobs/"+job.ID, nil); status != 204 {
		t.Errorf("delete: %d", status)
	}
	if status, _, _ := call(t, "GET", url+"/api/v1/jobs/"+job.ID, nil); status != 404 {
		t.Errorf("after delete: %d", status)
	}
	noScans(t, folder)
}

func TestJobCancelAndFail(t *testing.T) {
	_, raw := scan(t, [3]int{11, 9, 7})
	folder := t.TempDir()
	started := make(chan struct{}, 8)
	model := bright(func(ctx context.Context) error { started <- struct{}{}; <-ctx.Done(); return ctx.Err() })
	_, url := serve(t, server.Options{Folder: folder, Limits: server.Limits{Running: 1, Jobs: 2, SyncVoxels: 100}},
		map[string]*server.Model{"slow": model, "broken": bright(func(context.Context) error { return errors.New("no luck") })})
	post := func(model string) (int, jobView) {
		status, _, body := call(t, "POST", url+"/api/v1/predict?model="+model, raw) // too large to be answered at once
		var j jobView
		if err := json.Unmarshal(body, &j); err != nil {
			t.Fatal(err)
		}
		return status, j
	}
	status, first := post("slow")
	if status != 202 {
		t.Fatalf("a large scan: %d", status)
	}
	<-started
	_, second := post("broken")
	if second.Position != 1 {
		t.Errorf("the second job: %+v", second)
	}
	if status, _ := post("slow"); status != 429 {
		t.Errorf("a third job: %d", status)
	}
	if status, _, _ := call(t, "DELETE", url+"/api/v1/jobs/"+first.ID, nil); status != 204 {
		t.Errorf("cancel: %d", status)
	}
	events := follow(t, url+"/api/v1/jobs/"+second.ID+"/events")
	if last := events[len(events)-1]; last.State != "failed" || !strings.Contains(last.Error, "no luck") {
		t.Errorf("the broken job: %+v", last)
	}
	call(t, "DELETE", url+"/api/v1/jobs/"+second.ID, nil)
	noScans(t, folder)
}

func TestJobExpires(t *testing.T) {
	_, raw := scan(t, [3]int{11, 9, 7})
	folder := t.TempDir()
	_, url := serve(t, server.Options{Folder: folder, Limits: server.Limits{Keep: 50 * time.Millisecond}}, map[string]*server.Model{"bright": bright(nil)})
	_, _, body := call(t, "POST", url+"/api/v1/jobs", raw)
	var j jobView
	if err := json.Unmarshal(body, &j); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
		if status, _, _ := call(t, "GET", url+"/api/v1/jobs/"+j.ID, nil); status == 404 {
			noScans(t, folder)
			return
		}
	}
	t.Error("the job never expired")
}

// follow reads the events of a job to its end.
func follow(t *testing.T, url string) []jobView {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("events: %v", resp.Header)
	}
	var events []jobView
	name := ""
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if n, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			name = n
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var v jobView
			if err := json.Unmarshal([]byte(data), &v); err != nil || v.State != name {
				t.Fatalf("event %s %s: %v", name, data, err)
			}
			events = append(events, v)
		}
	}
	if len(events) == 0 {
		t.Fatal("no events")
	}
	return events
}

// privateFiles fails if others may read something in the folder.
func privateFiles(t *testing.T, folder string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		if !d.IsDir() && d.Name() != "lock" {
			files++
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files, %v", files, err)
	}
}

// noScans waits until no file is left in the folder.
func noScans(t *testing.T, folder string) {
	t.Helper()
	var left []string
	for range 100 {
		left = nil
		_ = filepath.WalkDir(folder, func(path string, d fs.DirEntry, _ error) error {
			if d != nil && !d.IsDir() && d.Name() != "lock" {
				left = append(left, path)
			}
			return nil
		})
		if len(left) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("left behind: %v", left)
}
