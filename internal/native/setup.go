package native

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// temporary is the pattern of the unfinished files in a library's folder; Setup removes those of killed runs.
const temporary = ".unfinished-*"

// SetupOptions say where Setup installs and whom it tells. The zero value works.
type SetupOptions struct {
	Library  string            // what to install; "" is ONNXRuntime
	Home     string            // folder to install below; "" is Home()
	Progress func(line string) // called with one line per step, from Setup's goroutine; may be nil
}

// Installed is what Setup did.
type Installed struct {
	Library string    `json:"library"` // "onnxruntime", "openvino", "xla-cpu"
	Version string    `json:"version"`
	Path    string    `json:"path"`
	SHA256  string    `json:"sha256"`
	Licence string    `json:"licence,omitempty"` // where it is another than onnxruntime's MIT
	Method  string    `json:"method,omitempty"`  // "python3 -m pip", "uv", "npm", "release archive"; "" when Already
	Already bool      `json:"already"`           // it was installed and intact
	Refused []Refusal `json:"refused,omitempty"` // the methods tried before that one
}

// Refusal is a way to get the library that did not work on this machine.
type Refusal struct {
	Method  string `json:"method"`
	Problem string `json:"problem"`
}

// Setup installs a library below the home folder unless an intact one is there; a damaged one is replaced.
// The ways tried in turn are the Python wheel (through every pip on the machine, then uv), and for onnxruntime the npm
// package and the project's release archive. The library appears whole and with a known digest or not at all, also when
// Setup is killed; what was downloaded before that is used by the next call. Two Setups of one home folder,
// in one process or several, take turns. Errors have a Hint.
func Setup(ctx context.Context, o SetupOptions) (Installed, error) {
	if o.Library == "" {
		o.Library = ONNXRuntime
	}
	a, err := artifactFor(o.Library, machine())
	if err != nil {
		return Installed{}, err
	}
	return setup(ctx, o, a, a.methods())
}

func setup(ctx context.Context, o SetupOptions, a artifact, methods []method) (Installed, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Home == "" {
		home, err := Home()
		if err != nil {
			return Installed{}, err
		}
		o.Home = home
	}
	if err := os.MkdirAll(a.folder(o.Home), 0o755); err != nil {
		return Installed{}, a.homeError(o.Home, err)
	}
	unlock, err := lock(ctx, o)
	if err != nil {
		return Installed{}, a.homeError(o.Home, err)
	}
	defer unlock()
	done := Installed{Library: a.library, Version: a.version, Path: a.path(o.Home), Licence: a.licence}
	if done.SHA256, err = a.verify(o.Home, true); err == nil {
		done.Already = true
		return done, nil
	}
	sweep(a.folder(o.Home))
	return a.try(ctx, o, methods, done)
}

// try goes through the methods until one installs the library.
func (a artifact) try(ctx context.Context, o SetupOptions, methods []method, done Installed) (Installed, error) {
	downloads := filepath.Join(o.Home, "download", a.library+"-"+a.version)
	for _, m := range methods {
		o.Progress("trying " + m.name)
		digest, err := a.from(ctx, m, filepath.Join(downloads, m.folder), o)
		if ctx.Err() != nil {
			return done, fmt.Errorf("native: setup: %w", context.Cause(ctx))
		}
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, fs.ErrPermission) {
			return done, a.homeError(o.Home, err)
		}
		if err != nil {
			o.Progress(m.name + ": " + firstLine(err.Error()))
			done.Refused = append(done.Refused, Refusal{Method: m.name, Problem: err.Error()})
			continue
		}
		done.Method, done.SHA256 = m.name, digest
		return done, os.RemoveAll(downloads)
	}
	return done, a.refusedError(done.Refused)
}

// from fetches the library by one method and installs it. An archive left by an earlier run is used first;
// one that turns out bad is removed and fetched anew.
func (a artifact) from(ctx context.Context, m method, downloads string, o SetupOptions) (string, error) {
	if err := os.MkdirAll(downloads, 0o755); err != nil {
		return "", err
	}
	if left := m.finished(downloads); left != "" {
		if digest, err := a.install(left, m.member, o.Home); err == nil {
			return digest, nil
		}
		if err := os.RemoveAll(left); err != nil {
			return "", err
		}
	}
	if err := m.fetch(ctx, downloads, o.Progress); err != nil {
		return "", errors.Join(err, os.RemoveAll(m.finished(downloads))) // RemoveAll("") does nothing
	}
	got := m.finished(downloads)
	if got == "" {
		return "", errors.New("it ended without an error but left no archive")
	}
	digest, err := a.install(got, m.member, o.Home)
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(got))
	}
	return digest, nil
}

// install moves the library and its parts from an archive, or from a folder that holds them, to their place. The library
// itself comes last: without it the parts are nothing.
func (a artifact) install(source, member, home string) (string, error) {
	for _, p := range a.parts {
		if err := a.place(source, p.member, filepath.Join(a.folder(home), p.file()), []string{p.sha256}); err != nil {
			return "", err
		}
	}
	if err := a.place(source, member, a.path(home), a.digests); err != nil {
		return "", err
	}
	return a.verify(home, false)
}

// place moves a member to its path when it has one of the digests.
func (a artifact) place(source, member, path string, digests []string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), temporary)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already after the rename
	h := sha256.New()
	err = a.unpack(source, member, io.MultiWriter(tmp, h))
	if err == nil {
		err = errors.Join(tmp.Chmod(0o755), tmp.Sync())
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if digest := hex.EncodeToString(h.Sum(nil)); !slices.Contains(digests, digest) {
		return fmt.Errorf("%s: sha256 %s is none of the known ones: %s", member, digest, strings.Join(digests, ", "))
	}
	return os.Rename(tmp.Name(), path)
}

func (a artifact) unpack(source, member string, w io.Writer) error {
	st, err := os.Stat(source)
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return extract(source, member, a.maxSize, w)
	}
	f, err := os.Open(filepath.Join(source, filepath.FromSlash(member)))
	if err != nil {
		return err
	}
	defer f.Close()
	return copyLimited(w, f, a.maxSize)
}

// lock waits until no other Setup works in the home folder.
func lock(ctx context.Context, o SetupOptions) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(o.Home, "setup.lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for waited := false; ; waited = true {
		ok, err := tryLock(f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if ok {
			return func() { _ = f.Close() }, nil
		}
		if !waited {
			o.Progress("waiting for another setup to finish")
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), f.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// sweep removes what killed runs left unfinished.
func sweep(folder string) {
	left, _ := filepath.Glob(filepath.Join(folder, temporary)) // the pattern is a constant
	for _, path := range left {
		_ = os.Remove(path) // one that stays is only untidy
	}
}

// homeError is the error of a home folder that cannot be written; other causes pass through.
func (a artifact) homeError(home string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.ENOSPC):
		hint = fmt.Sprintf("make room for %d MB, or set NITRAIN_HOME to a folder on another disk", a.room)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR):
		hint = "set NITRAIN_HOME to a folder that nitrain may write to"
	default:
		return fmt.Errorf("native: setup: %w", err)
	}
	return &Error{Library: "setup", Path: home, Problem: "cannot be written", Err: unwrapPath(err), hint: hint}
}

// refusedError is the error of a machine on which no method worked.
func (a artifact) refusedError(refused []Refusal) error {
	var lines []string
	for _, r := range refused {
		lines = append(lines, r.Method+": "+r.Problem)
	}
	return &Error{
		Library: a.library, Problem: "no way to get it worked:\n  " + strings.Join(lines, "\n  "), hint: a.manual,
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
