package hub

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// debianRegistry starts Debian's docker-registry and returns its address.
func debianRegistry(t *testing.T) string {
	t.Helper()
	bin, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("docker-registry is absent (apt-get install docker-registry)")
	}
	return startRegistry(t, bin)
}

// startRegistry runs a registry with its own folder until the test ends.
func startRegistry(t *testing.T, bin string) string {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	config := filepath.Join(dir, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\nhttp: {addr: %q}\n", filepath.Join(dir, "data"), addr)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "serve", config)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 200 {
		resp, err := http.Get("http://" + addr + "/v2/")
		if err == nil {
			resp.Body.Close()
			return addr
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s does not answer", bin)
	return ""
}

// proxy passes connections on and cuts some of them after a number of bytes.
type proxy struct {
	addr     string
	down, up atomic.Int64 // bytes passed in all

	mu   sync.Mutex
	cuts []cut
}

// cut is where the next connection that carries so much in a direction ends.
type cut struct {
	up    bool
	after int64
}

// startProxy listens until the test ends.
func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &proxy{addr: l.Addr().String()}
	go func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				a.Close()
				continue
			}
			go p.pass(b, a, true)
			go p.pass(a, b, false)
		}
	}()
	return p
}

// cut lets connections end, one for each offset, in that order.
func (p *proxy) cut(up bool, after ...int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range after {
		p.cuts = append(p.cuts, cut{up, n})
	}
}

// left returns how many cuts have not been made.
func (p *proxy) left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.cuts)
}

func (p *proxy) pass(to, from net.Conn, up bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	var passed int64
	for {
		n, err := from.Read(buf)
		n, last := p.allowed(up, passed, n)
		m, werr := to.Write(buf[:n])
		passed += int64(m)
		if up {
			p.up.Add(int64(m))
		} else {
			p.down.Add(int64(m))
		}
		if err != nil || werr != nil || last {
			return
		}
	}
}

// allowed returns how many of n bytes may pass, and whether they are the last.
func (p *proxy) allowed(up bool, passed int64, n int) (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.cuts) == 0 || p.cuts[0].up != up || passed+int64(n) < p.cuts[0].after {
		return n, false
	}
	keep := int(max(0, p.cuts[0].after-passed))
	p.cuts = p.cuts[1:]
	return keep, true
}

// exchange pushes to a registry and pulls from it, whole and with cuts. resumes says that the registry lets an
// upload go on after a cut within a request; docker-registry 2.8.2 gives it up (blobupload.go, "wrong offest").
func exchange(t *testing.T, registry string, size int, resumes bool) {
	t.Helper()
	through := startProxy(t, registry)
	model := writeModel(t, size, 42)
	a := newHub(t)
	direct := "oci://" + registry + "/brain/unet:v1"
	via := "oci://" + through.addr + "/brain/unet:v1"

	start := time.Now()
	pushed := push(t, a, model, direct)
	t.Logf("push %d MB: %v", size>>20, time.Since(start).Round(time.Millisecond))
	start = time.Now()
	b := newHub(t)
	pulled := pull(t, b, direct)
	t.Logf("pull: %v", time.Since(start).Round(time.Millisecond))
	if pulled.Digest != pushed.Digest || pulled.New < int64(size) {
		t.Errorf("want %s and all bytes, got %+v", pushed.Digest, pulled)
	}
	same(t, b, "brain/unet:v1", model)
	if again := pull(t, b, direct); again.New != 0 {
		t.Errorf("want nothing fetched the second time, got %d bytes", again.New)
	}
	if m, err := b.Show(context.Background(), ref(t, direct)); err != nil || m.Provenance == nil || m.Provenance.Trained.Data != "dddd2222" {
		t.Errorf("want the provenance from the registry, got %+v, %v", m, err)
	}

	t.Run("pull with cuts", func(t *testing.T) {
		offsets := []int64{rand.Int64N(int64(size) / 2), rand.Int64N(int64(size) / 4), rand.Int64N(5000) + 2000}
		through.cut(false, offsets...)
		before := through.down.Load()
		c := newHub(t)
		pull(t, c, via)
		same(t, c, "brain/unet:v1", model)
		sound(t, c)
		extra := through.down.Load() - before - pushed.Size
		t.Logf("cuts at %v, %d bytes more than the model", offsets, extra)
		if through.left() > 0 || extra > int64(size)/10 {
			t.Errorf("want every cut made and little sent twice, got %d left and %d bytes more", through.left(), extra)
		}
	})

	t.Run("pull given up and taken up", func(t *testing.T) {
		c := newHub(t)
		ctx, cancel := context.WithCancel(context.Background())
		c.o.Progress = func(p Progress) {
			if p.File == "model.onnx" && p.Done > p.Total/2 {
				cancel()
			}
		}
		if _, err := c.Pull(ctx, ref(t, via), Ref{}); err == nil {
			t.Fatal("want an error from a pull that is given up")
		}
		if v := sound(t, c); len(v.Unfinished) != 1 {
			t.Errorf("want one unfinished download, got %+v", v)
		}
		c.o.Progress = func(Progress) {}
		before := through.down.Load()
		pull(t, c, via)
		same(t, c, "brain/unet:v1", model)
		if n := through.down.Load() - before; n > int64(size)*3/4 {
			t.Errorf("want the pull to go on in the middle, it fetched %d of %d bytes", n, size)
		}
	})

	t.Run("push with cuts", func(t *testing.T) {
		through.cut(true, rand.Int64N(int64(size)/2)+chunk, rand.Int64N(int64(size)/4)+4096)
		before := through.up.Load()
		c := newHub(t)
		push(t, c, model, "oci://"+through.addr+"/brain/other:v1")
		t.Logf("%d bytes sent for a model of %d", through.up.Load()-before, size)
		if through.left() > 0 {
			t.Errorf("%d cuts were not made", through.left())
		}
		if n := through.up.Load() - before; resumes && n > int64(size)*5/4 {
			t.Errorf("want a push that goes on where it was cut, it sent %d bytes for %d", n, size)
		}
		pull(t, b, "oci://"+registry+"/brain/other:v1")
		same(t, b, "brain/other:v1", model)
	})

	t.Run("push given up and taken up", func(t *testing.T) {
		c := newHub(t)
		ctx, cancel := context.WithCancel(context.Background())
		c.o.Progress = func(p Progress) {
			if p.Verb == "push" && p.File == "model.onnx" && p.Done > p.Total/2 {
				cancel()
			}
		}
		to := ref(t, "oci://"+through.addr+"/brain/third:v1")
		if _, err := c.Push(ctx, Source{Model: model}, to); err == nil {
			t.Fatal("want an error from a push that is given up")
		}
		sound(t, c)
		c.o.Progress = func(Progress) {}
		before := through.up.Load()
		if _, err := c.Copy(context.Background(), to.Local(), to); err != nil {
			t.Fatal(err)
		}
		n := through.up.Load() - before
		t.Logf("the second push sent %d of %d bytes", n, size)
		if resumes && n > int64(size)*3/4 {
			t.Errorf("want the push to go on in the middle, it sent %d of %d bytes", n, size)
		}
		pull(t, b, "oci://"+registry+"/brain/third:v1")
		same(t, b, "brain/third:v1", model)
	})
	sound(t, b)
}

func TestDebianRegistry(t *testing.T) {
	exchange(t, debianRegistry(t), 20<<20, false)
}

// TestSkopeo lets another program read the hub's folder, push it, and read it back: the digest stays.
func TestSkopeo(t *testing.T) {
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		t.Skip("skopeo is absent (apt-get install skopeo)")
	}
	registry := debianRegistry(t)
	h := newHub(t)
	p := push(t, h, writeModel(t, 1<<20, 8), "brain/unet:v1")
	out, err := exec.Command(skopeo, "--insecure-policy", "copy", "--dest-tls-verify=false", "--preserve-digests",
		"oci:"+h.dir+":brain/unet:v1", "docker://"+registry+"/brain/unet:v1").CombinedOutput()
	if err != nil {
		t.Skipf("this skopeo does not copy artifacts: %v: %s", err, out)
	}
	if got := pull(t, newHub(t), "oci://"+registry+"/brain/unet:v1"); got.Digest != p.Digest {
		t.Errorf("want %s, got %s", p.Digest, got.Digest)
	}
}

// TestDistribution does the same with the distribution project's registry, built from the module proxy.
func TestDistribution(t *testing.T) {
	if os.Getenv("NITRAIN_ACCEPTANCE") == "" {
		t.Skip("builds a registry for minutes: set NITRAIN_ACCEPTANCE=1")
	}
	bin := os.Getenv("NITRAIN_DISTRIBUTION")
	if bin == "" {
		dir := t.TempDir()
		bin = filepath.Join(dir, "registry")
		for _, args := range [][]string{
			{"mod", "init", "distribution"},
			{"get", "-tool", "github.com/distribution/distribution/v3/cmd/registry@v3.1.2"},
			{"build", "-o", bin, "github.com/distribution/distribution/v3/cmd/registry"},
		} {
			cmd := exec.Command("go", args...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Skipf("distribution v3 cannot be built here: %v: %s", err, out)
			}
		}
	}
	exchange(t, startRegistry(t, bin), 100<<20, true)
}

// TestDamagedRegistry lets a registry send a flipped byte: the pull must fail, name the file and keep nothing.
func TestDamagedRegistry(t *testing.T) {
	registry := debianRegistry(t)
	model := writeModel(t, 1<<20, 3)
	a := newHub(t)
	push(t, a, model, "oci://"+registry+"/unet:v1")
	m, err := a.manifestOf(ref(t, "unet:v1"))
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range append(m.Layers, m.Manifest.Config, m.desc) {
		bad := &flipping{to: "http://" + registry, digest: d.Digest.String(), at: d.Size / 2}
		addr := serve(t, bad)
		b := newHub(t)
		_, err := b.Pull(context.Background(), ref(t, "oci://"+addr+"/unet@"+m.desc.Digest.String()), Ref{})
		if err == nil {
			t.Errorf("file %d: want an error from a pull with a flipped byte", i)
		}
		if i == 0 {
			t.Logf("it says: %v", err)
		}
		if list, err := b.List(); err != nil || len(list) != 0 {
			t.Errorf("file %d: want nothing in the list, got %v, %v", i, list, err)
		}
		sound(t, b)
	}
}

// flipping is a registry's twin that flips a bit of one blob.
type flipping struct {
	to, digest string
	at         int64
}

func (f *flipping) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, f.to+r.URL.String(), nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	req.Header = r.Header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	if filepath.Base(r.URL.Path) == f.digest && int64(len(raw)) > f.at {
		raw[f.at] ^= 4
	}
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(raw)
}

// serve runs a handler on this machine until the test ends.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}
