package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/predict/server"
)

// tokens are those of a file with these lines.
func tokens(t testing.TB, lines ...string) *server.Tokens {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte("# a comment\n\n"+strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := server.ReadTokens(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestTokens(t *testing.T) {
	k := tokens(t, "predict-predict-predict predict", "admin-admin-admin-admin admin", "plain-plain-plain-plain")
	_, url := serve(t, server.Options{Tokens: k}, map[string]*server.Model{"m": bright(nil)})
	for _, c := range []struct {
		method, path, token string
		want                int
	}{
		{"GET", "/v2/health/live", "", 200},
		{"GET", "/v2/health/ready", "", 200},
		{"GET", "/", "", 200},
		{"GET", "/v2", "", 401},
		{"GET", "/v2", "Bearer wrong-wrong-wrong-wrong", 401},
		{"GET", "/v2", "Basic predict-predict-predict", 401},
		{"GET", "/v2", "Bearer predict-predict-predict", 200},
		{"GET", "/v2", "bearer  predict-predict-predict ", 200},
		{"GET", "/api/v1/models", "", 401},
		{"POST", "/api/v1/predict", "", 401},
		{"POST", "/v2/models/m/infer", "", 401},
		{"POST", "/v2/repository/models/m/unload", "Bearer predict-predict-predict", 403},
		{"GET", "/api/v1/jobs", "Bearer predict-predict-predict", 403},
		{"GET", "/api/v1/jobs", "Bearer plain-plain-plain-plain", 200},
		{"POST", "/v2/repository/models/m/unload", "Bearer admin-admin-admin-admin", 200},
	} {
		status, header, body := call(t, c.method, url+c.path, nil, "Authorization", c.token)
		if status != c.want {
			t.Errorf("%s %s with %q: %d %s, want %d", c.method, c.path, c.token, status, body, c.want)
		}
		if status == http.StatusUnauthorized && header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s %s: 401 without WWW-Authenticate", c.method, c.path)
		}
	}
}

func TestTokenFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	for text, want := range map[string]string{
		"":                               "found none",
		"short":                          "at least 16 characters, got 5",
		"long-enough-token-here root":    "predict or admin",
		"long-enough-token-here admin x": "predict or admin",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := server.ReadTokens(path)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "long-enough") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if err := os.WriteFile(path, []byte("long-enough-token-here"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := server.ReadTokens(path); err == nil || !strings.Contains(err.Error(), "others may read") {
		t.Errorf("a file that others may read: %v", err)
	}
}
