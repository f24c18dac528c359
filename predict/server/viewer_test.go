package server_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/nitrain/nitrain/explain"
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/phantom"
	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict/server"
)

// saliency explains with the real thing.
type saliency struct{}

func (saliency) Explain(ctx context.Context, q server.Question) (*imageio.Image, error) {
	cache, err := os.MkdirTemp("", "nitrain-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(cache)
	x, err := explain.Open(q.Model.Path, explain.Options{Cache: cache})
	if err != nil {
		return nil, err
	}
	defer x.Close()
	target, err := explain.ParseTarget(q.Target)
	if err != nil {
		return nil, err
	}
	got, err := x.Explain(ctx, q.Scans, explain.Saliency{}, target, q.Progress)
	if err != nil {
		return nil, err
	}
	return got.Image, nil
}

// browser is a Chromium tab and what it had to complain about.
type browser struct {
	t   *testing.T
	ctx context.Context
	own string // the server's address

	mu     sync.Mutex
	faults []string
}

// openBrowser starts Chromium, or skips the test where there is none.
func openBrowser(t *testing.T, own string) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no Chromium: install Debian's package chromium: ", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("use-gl", "angle"), chromedp.Flag("use-angle", "swiftshader"),
		chromedp.Flag("enable-unsafe-swiftshader", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-sync", true), chromedp.Flag("window-size", "1280,800"))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	b := &browser{t: t, ctx: ctx, own: own}
	console := chromedp.Console(ctx)
	go func() {
		for m, err := range console {
			if err != nil {
				return
			}
			if m.Type == "error" || m.Type == "warning" || m.IsException() {
				b.fault(fmt.Sprintf("console %s: %s (%s)", m.Type, m.Text, m.URL))
			}
		}
	}()
	err = chromedp.Listen(ctx, func(ev any) {
		if e, ok := ev.(*network.EventRequestWillBeSent); ok {
			if u := e.Request.URL; !strings.HasPrefix(u, own) && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "blob:"+own) {
				b.fault("request of " + u)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *browser) fault(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, text)
}

func (b *browser) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

func eval[T any](b *browser, script string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%.80s: %v", script, err)
	}
	return v
}

// until waits for the page's title, which says where the viewer stands.
func (b *browser) until(what string) {
	b.t.Helper()
	for start := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		title := eval[string](b, "document.title")
		switch {
		case title == "ready":
			return
		case title == "error" || time.Since(start) > 2*time.Minute:
			b.t.Fatalf("%s: the page is at %q: %s; %v", what, title, eval[string](b, "document.getElementById('status').textContent"), b.faults)
		}
	}
}

// look returns a digest of what the scene shows, the panel beside it left out.
func (b *browser) look() string {
	b.t.Helper()
	eval[bool](b, `new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => r(true))))`)
	shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		b.t.Fatal(err)
	}
	sum := sha256.New()
	for y := 0; y < picture.Bounds().Dy(); y += 2 {
		for x := 0; x < picture.Bounds().Dx()-330; x += 2 {
			r, g, blue, _ := picture.At(x, y).RGBA()
			sum.Write([]byte{byte(r >> 8), byte(g >> 8), byte(blue >> 8)})
		}
	}
	return string(sum.Sum(nil))
}

// slide moves a slider.
func (b *browser) slide(id string, to float64) {
	eval[bool](b, fmt.Sprintf(`(() => { const s = document.getElementById(%q); s.value = %g; s.dispatchEvent(new Event('input', {bubbles: true})); return true })()`, id, to))
}

// dropFile lets a file fall on the scene.
func (b *browser) dropFile(name string, raw []byte) {
	eval[bool](b, fmt.Sprintf(`(() => {
		const bytes = Uint8Array.from(atob(%q), (c) => c.charCodeAt(0))
		const data = new DataTransfer()
		data.items.add(new File([bytes], %q))
		document.title = 'dropped'
		document.getElementById('canvas').dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}))
		return true
	})()`, base64.StdEncoding.EncodeToString(raw), name))
}

func (b *browser) click(id string) {
	eval[bool](b, fmt.Sprintf(`(() => { document.title = 'clicked'; document.getElementById(%q).click(); return true })()`, id))
}

func TestViewer(t *testing.T) {
	model := realModel(t)
	models, err := server.NewRepository(server.OpenWith(ort.Options{}), model)
	if err != nil {
		t.Fatal(err)
	}
	if err := models.LoadAll(); err != nil {
		t.Fatal(err)
	}
	defer models.Close()
	_, url := serve(t, server.Options{Models: models, Explain: saliency{}, Methods: []string{"saliency"}}, nil)
	head := filepath.Join(t.TempDir(), "head.nii.gz")
	if err := imageio.Write(head, phantom.Head(3, phantom.A).Scan); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(head)
	if err != nil {
		t.Fatal(err)
	}
	b := openBrowser(t, url)
	b.do("open", chromedp.EmulateViewport(1280, 860), chromedp.Navigate(url+"/"))
	b.until("open")
	empty := b.look()
	b.dropFile("head.nii.gz", raw)
	b.until("drop")
	bare := b.look()
	b.click("predict")
	b.until("predict")
	segmented := b.look()
	b.click("explain")
	b.until("explain")
	explained := b.look()
	for i, pair := range [][2]string{{empty, bare}, {bare, segmented}, {segmented, explained}} {
		if pair[0] == pair[1] {
			t.Errorf("step %d changed nothing that is seen", i)
		}
	}
	for id, to := range map[string]float64{"opacity-segmentation": 0.9, "opacity-attribution": 0.1, "threshold": 0.6, "opacity-scan": 0.3} {
		before := eval[string](b, `document.getElementById("`+id+`").value`)
		old := b.look()
		b.slide(id, to)
		if b.look() == old {
			t.Errorf("slider %s from %s to %g changed nothing that is seen", id, before, to)
		}
		back, err := strconv.ParseFloat(before, 64)
		if err != nil {
			t.Fatal(err)
		}
		b.slide(id, back)
	}
	if rows := eval[int](b, `document.querySelectorAll('#legend:not([hidden]) tbody tr').length`); rows != 4 {
		t.Errorf("the legend has %d labels, want 4", rows)
	}
	if links := eval[int](b, `document.querySelectorAll('#downloads a').length`); links != 2 {
		t.Errorf("%d results are offered, want 2", links)
	}
	shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if path := os.Getenv("NITRAIN_SCREENSHOT"); path != "" {
		if err := os.WriteFile(path, shot, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		t.Error(f)
	}
}

func TestViewerFiles(t *testing.T) {
	_, url := serve(t, server.Options{Tokens: tokens(t, "predict-predict-predict predict")}, map[string]*server.Model{"m": bright(nil)})
	status, header, page := call(t, http.MethodGet, url+"/", nil)
	if status != 200 || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("the page: %d %v", status, header)
	}
	for _, want := range []string{"http://", "https://", "//cdn"} {
		if strings.Contains(string(page), want) {
			t.Errorf("the page has %q", want)
		}
	}
	_, packed, small := call(t, http.MethodGet, url+"/static/niivue-0.69.0.js", nil, "Accept-Encoding", "gzip")
	_, plain, large := call(t, http.MethodGet, url+"/static/niivue-0.69.0.js", nil, "Accept-Encoding", "identity")
	if packed.Get("Content-Encoding") != "gzip" || plain.Get("Content-Encoding") != "" || len(small) >= len(large) {
		t.Errorf("NiiVue: %v %d, %v %d", packed, len(small), plain, len(large))
	}
	z, err := gzip.NewReader(strings.NewReader(string(small)))
	if err != nil {
		t.Fatal(err)
	}
	if unpacked, err := io.ReadAll(z); err != nil || string(unpacked) != string(large) {
		t.Errorf("NiiVue packed is not NiiVue plain: %v", err)
	}
	if status, _, _ := call(t, http.MethodGet, url+"/static/../handler.go", nil); status == 200 {
		t.Error("a file outside the viewer's is sent")
	}
}
