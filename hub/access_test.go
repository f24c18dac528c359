package hub

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// guarded is a registry that wants a user.
func guarded(t *testing.T) http.Handler {
	t.Helper()
	to, err := url.Parse("http://" + debianRegistry(t))
	if err != nil {
		t.Fatal(err)
	}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
		if r.In.TLS != nil {
			r.Out.Header.Set("X-Forwarded-Proto", "https")
		}
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "doctor" || password != "who" {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
			return
		}
		pass.ServeHTTP(w, r)
	})
}

func TestCredentials(t *testing.T) {
	addr := serve(t, guarded(t))
	model := writeModel(t, 10<<20, 1) // more than a chunk
	to := "oci://" + addr + "/unet:v1"
	docker := t.TempDir()
	t.Setenv("DOCKER_CONFIG", docker)
	t.Setenv("REGISTRY_AUTH_FILE", "")
	t.Setenv(userVariable, "")
	t.Setenv(passwordVariable, "")
	_, err := newHub(t).Push(context.Background(), Source{Model: model}, ref(t, to))
	var remote *RemoteError
	if !errors.As(err, &remote) || !strings.Contains(remote.Hint(), "docker login") {
		t.Fatalf("want an error that says how to log in, got %v", err)
	}
	config := `{"auths":{"` + addr + `":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("doctor:who")) + `"}}}`
	if err := os.WriteFile(filepath.Join(docker, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	push(t, newHub(t), model, to)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv(userVariable, "doctor")
	t.Setenv(passwordVariable, "who")
	h := newHub(t)
	pull(t, h, to)
	same(t, h, "unet:v1", model)
}

// TestTLS finds out by itself that a registry on this machine speaks TLS, and refuses one it cannot trust.
func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(guarded(t))
	t.Cleanup(server.Close)
	t.Setenv(userVariable, "doctor")
	t.Setenv(passwordVariable, "who")
	to := ref(t, "oci://"+strings.TrimPrefix(server.URL, "https://")+"/unet:v1")
	src := Source{Model: writeModel(t, 10<<20, 1)}
	h := newHub(t)
	if _, err := h.Push(context.Background(), src, to); err == nil {
		t.Fatal("want a certificate that nobody vouches for refused")
	}
	h.o.Transport = server.Client().Transport
	if _, err := h.Push(context.Background(), src, to); err != nil {
		t.Fatal(err)
	}
}

func TestPlainHTTPOnlyHere(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:1": true, "127.8.9.1": true, "[::1]:5000": true,
		"example.org": false, "10.0.0.1:5000": false, "localhost.example.org": false, "[::2]:5000": false,
	} {
		if got := loopback(host); got != want {
			t.Errorf("%s: want %v, got %v", host, want, got)
		}
	}
	h := newHub(t)
	if plain, err := h.plain(context.Background(), "example.org"); plain || err != nil {
		t.Errorf("want TLS for another machine, got %v, %v", plain, err)
	}
	h.o.PlainHTTP = true
	if plain, err := h.plain(context.Background(), "example.org"); !plain || err != nil {
		t.Errorf("want what the caller allows, got %v, %v", plain, err)
	}
}

// TestRedirects keeps credentials at home and https from becoming http.
func TestRedirects(t *testing.T) {
	check := newHub(t).client().CheckRedirect
	hop := func(to string, via ...string) (*http.Request, error) {
		request := func(s string) *http.Request {
			r := httptest.NewRequest(http.MethodGet, s, nil)
			r.Header.Set("Authorization", "secret")
			return r
		}
		var list []*http.Request
		for _, v := range via {
			list = append(list, request(v))
		}
		next := request(to)
		return next, check(next, list)
	}
	if next, err := hop("https://b.org/", "https://a.org/"); err != nil || next.Header.Get("Authorization") != "" {
		t.Errorf("want no credentials on another host, got %q, %v", next.Header.Get("Authorization"), err)
	}
	if next, err := hop("https://a.org/x", "https://a.org/"); err != nil || next.Header.Get("Authorization") == "" {
		t.Errorf("want the credentials kept on the host, %v", err)
	}
	for _, to := range []string{"http://a.org/", "http://127.0.0.1/", "ftp://a.org/"} {
		if _, err := hop(to, "https://a.org/"); err == nil {
			t.Errorf("%s: want a redirect from https refused", to)
		}
	}
	if _, err := hop("http://169.254.169.254/", "http://127.0.0.1:5000/"); err == nil {
		t.Error("want a redirect without TLS to another machine refused")
	}
}
