package server_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict/server"
)

func TestRefusesToBeExposed(t *testing.T) {
	h, _ := serve(t, server.Options{}, map[string]*server.Model{"m": {Run: echo(1, onnx.Float32)}})
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:8000", "example.org:80", "127.0.0.1.example.org:80"} {
		for _, l := range []server.Listen{{HTTP: address}, {GRPC: address}, {HTTP: "127.0.0.1:0", Metrics: address}} {
			var exposed *server.ExposedError
			err := h.Serve(t.Context(), l, func(server.Addresses) { t.Errorf("%+v: listens", l) })
			if !errors.As(err, &exposed) || exposed.Address != address || exposed.Hint() == "" {
				t.Errorf("%+v: %v", l, err)
			}
		}
	}
	if err := h.Serve(t.Context(), server.Listen{HTTP: "127.0.0.1:0", Cert: "x"}, nil); err == nil {
		t.Error("a certificate without a key")
	}
	if err := h.Serve(t.Context(), server.Listen{HTTP: "127.0.0.1:0", ClientCA: "x"}, nil); err == nil {
		t.Error("client certificates without TLS")
	}
}

func TestTokensOpenOtherAddresses(t *testing.T) {
	k := tokens(t, "predict-predict-predict predict")
	h, _ := serve(t, server.Options{Tokens: k}, map[string]*server.Model{"m": {Run: echo(1, onnx.Float32)}})
	at, _ := start(t, h, server.Listen{HTTP: "0.0.0.0:0", Metrics: "0.0.0.0:0"})
	local := func(url string) string {
		return strings.Replace(strings.Replace(url, "[::]", "127.0.0.1", 1), "0.0.0.0", "127.0.0.1", 1)
	}
	for url, want := range map[string]int{at.HTTP + "/v2": 401, at.HTTP + "/v2/health/ready": 200, at.Metrics: 401} {
		if status, _, _ := call(t, "GET", local(url), nil); status != want {
			t.Errorf("%s: %d, want %d", url, status, want)
		}
		if status, _, _ := call(t, "GET", local(url), nil, "Authorization", "Bearer predict-predict-predict"); status != 200 {
			t.Errorf("%s with a token: %d", url, status)
		}
	}
}

// TestForeignPages shows that a web page elsewhere cannot use a server that trusts its own machine.
func TestForeignPages(t *testing.T) {
	h, _ := serve(t, server.Options{}, map[string]*server.Model{"m": {Run: echo(1, onnx.Float32)}})
	at, _ := start(t, h, server.Listen{HTTP: "127.0.0.1:0"})
	status, _, _ := call(t, "POST", at.HTTP+"/v2/repository/models/m/unload", nil, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	if status != 403 {
		t.Errorf("a request of another site: %d", status)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at.HTTP+"/v2", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("another host name: %d", resp.StatusCode)
	}
	if status, _, _ := call(t, "GET", strings.Replace(at.HTTP, "127.0.0.1", "localhost", 1)+"/v2", nil); status != 200 {
		t.Errorf("localhost: %d", status)
	}
}

// TestDrain sends the end while a request is under way: the server is not ready at once, still answers, and
// lets the request finish.
func TestDrain(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	slow := echo(1, onnx.Float32)
	slow.before = func(context.Context) error { close(begun); <-finish; return nil }
	h, _ := serve(t, server.Options{}, map[string]*server.Model{"slow": {Run: slow}, "fast": {Run: echo(1, onnx.Float32)}})
	hurry := make(chan struct{})
	at, stop := start(t, h, server.Listen{HTTP: "127.0.0.1:0", DrainDelay: time.Minute, Hurry: hurry})
	body := []byte(`{"inputs":[{"name":"in0","datatype":"FP32","shape":[1],"data":[1]}]}`)
	got := make(chan int, 1)
	go func() {
		status, _, _ := call(t, "POST", at.HTTP+"/v2/models/slow/infer", body)
		got <- status
	}()
	<-begun
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	status := 0
	for range 100 {
		if status, _, _ = call(t, "GET", at.HTTP+"/v2/health/ready", nil); status == 503 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if status != 503 {
		t.Errorf("ready while draining: %d", status)
	}
	if status, _, _ := call(t, "GET", at.HTTP+"/v2/health/live", nil); status != 200 {
		t.Errorf("live while draining: %d", status)
	}
	if status, _, _ := call(t, "POST", at.HTTP+"/v2/models/fast/infer", body); status != 200 {
		t.Errorf("an inference while draining: %d", status)
	}
	_, raw := scan(t, [3]int{4, 4, 4})
	if status, _, _ := call(t, "POST", at.HTTP+"/api/v1/jobs", raw); status != 503 {
		t.Errorf("a job while draining: %d", status)
	}
	close(hurry)
	time.Sleep(50 * time.Millisecond)
	close(finish)
	if status := <-got; status != 200 {
		t.Errorf("the request under way: %d", status)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestLogs holds that no line has anything of a patient.
func TestLogs(t *testing.T) {
	var mu sync.Mutex
	var text bytes.Buffer
	log := slog.New(slog.NewJSONHandler(locked{&mu, &text}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	panics := echo(1, onnx.Float32)
	panics.before = func(context.Context) error { panic("JANE_DOE") }
	_, raw := scan(t, [3]int{5, 5, 5})
	_, url := serve(t, server.Options{Log: log}, map[string]*server.Model{"bright": bright(nil), "panics": {Run: panics}})
	kind, body := form(t, map[string]string{"model": "bright"}, raw) // the file's name is JANE_DOE
	for _, c := range []struct {
		method, path string
		body         []byte
		kind         string
	}{
		{"POST", "/api/v1/predict", body, kind},
		{"POST", "/api/v1/predict?model=JANE_DOE", raw, ""},
		{"POST", "/api/v1/predict?target=JANE_DOE&model=bright", raw, ""},
		{"GET", "/v2/models/JANE_DOE", nil, ""},
		{"GET", "/JANE_DOE", nil, ""},
		{"GET", "/api/v1/jobs/JANE_DOE", nil, ""},
		{"POST", "/v2/models/bright/infer", []byte(`JANE_DOE`), ""},
		{"POST", "/v2/repository/models/JANE_DOE/load", nil, ""},
	} {
		call(t, c.method, url+c.path, c.body, "Content-Type", c.kind, "X-Request-Id", "JANE DOE")
	}
	status, header, answer := call(t, "POST", url+"/v2/models/panics/infer", []byte(`{"inputs":[{"name":"in0","datatype":"FP32","shape":[1],"data":[1]}]}`), "X-Request-Id", "my-id.1")
	if status != 500 || header.Get("X-Request-Id") != "my-id.1" || bytes.Contains(answer, []byte("JANE")) {
		t.Errorf("a panic: %d %v %s", status, header, answer)
	}
	mu.Lock()
	defer mu.Unlock()
	if strings.Contains(text.String(), "JANE") || !strings.Contains(text.String(), `"route":"POST /api/v1/predict"`) || !strings.Contains(text.String(), "my-id.1") {
		t.Errorf("the log:\n%s", text.String())
	}
}

// locked is a writer for several goroutines.
type locked struct {
	mu *sync.Mutex
	io.Writer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Writer.Write(p)
}

// TestSlowHeader leaves a request's header unfinished: it must not hold a connection for ever.
func TestSlowHeader(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 10 seconds")
	}
	t.Parallel()
	h, _ := serve(t, server.Options{}, map[string]*server.Model{"m": {Run: echo(1, onnx.Float32)}})
	at, _ := start(t, h, server.Listen{HTTP: "127.0.0.1:0"})
	c, err := net.Dial("tcp", strings.TrimPrefix(at.HTTP, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("GET /v2 HTTP/1.1\r\nHost: localhost\r\nX-A")); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(15 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); err != nil {
		t.Errorf("the connection stays open: %v", err)
	}
}

// TestClientCertificates serves over TLS to who shows a certificate.
func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	ca, caKey := certificate(t, dir, "ca", nil, nil)
	certificate(t, dir, "server", ca, caKey)
	certificate(t, dir, "client", ca, caKey)
	h, _ := serve(t, server.Options{}, map[string]*server.Model{"m": {Run: echo(1, onnx.Float32)}})
	file := func(name string) string { return filepath.Join(dir, name) }
	at, _ := start(t, h, server.Listen{HTTP: "0.0.0.0:0", Cert: file("server.pem"), Key: file("server.key"), ClientCA: file("ca.pem")})
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	pair, err := tls.LoadX509KeyPair(file("client.pem"), file("client.key"))
	if err != nil {
		t.Fatal(err)
	}
	url := "https://127.0.0.1:" + at.HTTP[strings.LastIndex(at.HTTP, ":")+1:] + "/v2"
	for name, c := range map[string]struct {
		certs []tls.Certificate
		most  uint16
		works bool
	}{"with": {[]tls.Certificate{pair}, 0, true}, "without": {nil, 0, false}, "TLS 1.1": {[]tls.Certificate{pair}, tls.VersionTLS11, false}} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: c.certs, MinVersion: tls.VersionTLS10, MaxVersion: c.most}}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if (err == nil) != c.works {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			resp.Body.Close()
		}
		client.CloseIdleConnections()
	}
}

// certificate writes NAME.pem and NAME.key, signed by ca or by itself.
func certificate(t *testing.T, dir, name string, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(name))), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: ca == nil, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ca == nil {
		ca, caKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "EC PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, path), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed, key
}

// TestSweep removes what a killed server left, and nothing of one that lives.
func TestSweep(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "nitrain-serve-1/lock", "nitrain-serve-1/CASE/scan-0.nii.gz", "nitrain-serve-2/other", "mine/lock")
	first, err := server.New(server.Options{Folder: folder, Models: repository(t, nil)})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := server.New(server.Options{Folder: folder, Models: repository(t, nil)})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	list, err := os.ReadDir(folder)
	if err != nil || len(list) != 4 { // mine, nitrain-serve-2 and those of two servers
		t.Errorf("%v %v", list, err)
	}
	if _, err := os.Stat(filepath.Join(folder, "nitrain-serve-1")); err == nil {
		t.Error("the killed server's folder is still there")
	}
}
