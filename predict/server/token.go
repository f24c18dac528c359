package server

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"

	"github.com/nitrain/nitrain/predict/server/internal/oip"
)

// scope is what a route or a token is for.
type scope uint8

const (
	scopeOpen    scope = iota // nothing is asked for
	scopePredict              // models are looked at and run
	scopeAdmin                // models are loaded and unloaded, all jobs are seen
)

// Tokens are the secrets that open a server. A nil *Tokens lets everyone do everything.
type Tokens struct{ known []token }

type token struct {
	digest [sha256.Size]byte // so that comparing takes the same time whatever the length
	scope  scope
}

// ReadTokens reads a file with one token a line; behind a token may stand what it is for: predict, or admin,
// which is also what a token alone is for. Empty lines and those that start with # do not count. The file must
// be readable by its owner alone.
func ReadTokens(path string) (*Tokens, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("server: tokens: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("server: tokens: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, &tokenError{path: path, what: fmt.Sprintf("others may read the file (mode %o)", info.Mode().Perm()), help: "chmod 600 " + path}
	}
	t := &Tokens{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		what := "admin"
		if len(words) > 1 {
			what = words[1]
		}
		if err := t.add(words[0], what, len(words)); err != "" {
			return nil, &tokenError{path: path, what: fmt.Sprintf("line %d: %s", n, err), help: "write TOKEN, TOKEN predict or TOKEN admin, with `openssl rand -hex 32` as TOKEN"}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("server: tokens: %s: %w", path, err)
	}
	if len(t.known) == 0 {
		return nil, &tokenError{path: path, what: "want a token, found none", help: "openssl rand -hex 32 > " + path}
	}
	return t, nil
}

// add returns what is wrong, never the token.
func (t *Tokens) add(secret, what string, words int) string {
	const least = 16
	s, ok := map[string]scope{"predict": scopePredict, "admin": scopeAdmin}[what]
	switch {
	case words > 2 || !ok:
		return "want a token and predict or admin"
	case len(secret) < least:
		return fmt.Sprintf("want a token of at least %d characters, got %d", least, len(secret))
	}
	t.known = append(t.known, token{digest: sha256.Sum256([]byte(secret)), scope: s})
	return ""
}

// check holds an Authorization header against what a route asks for.
func (t *Tokens) check(header string, want scope) error {
	if t == nil || want == scopeOpen {
		return nil
	}
	kind, secret, _ := strings.Cut(header, " ")
	if !strings.EqualFold(kind, "Bearer") || secret == "" {
		return oip.Faultf(http.StatusUnauthorized, "this server wants a token: Authorization: Bearer TOKEN")
	}
	digest := sha256.Sum256([]byte(strings.TrimSpace(secret)))
	has := scopeOpen
	for _, k := range t.known {
		if subtle.ConstantTimeCompare(k.digest[:], digest[:]) == 1 {
			has = max(has, k.scope)
		}
	}
	switch {
	case has == scopeOpen:
		return oip.Faultf(http.StatusUnauthorized, "unknown token")
	case has < want:
		return oip.Faultf(http.StatusForbidden, "the token is not for this")
	}
	return nil
}

// tokenError says what is wrong with a file of tokens, without its content.
type tokenError struct{ path, what, help string }

func (e *tokenError) Error() string { return "server: tokens: " + e.path + ": " + e.what }

// Hint says what to do.
func (e *tokenError) Hint() string { return e.help }
