package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// method is one way to get an archive, or a folder, that holds the library.
type method struct {
	name   string
	folder string // below the downloads
	done   string // pattern of the finished archive or folder
	member string // the library in it
	fetch  func(ctx context.Context, dir string, say func(string)) error
}

// finished returns the archive that a finished fetch left in dir, or "".
func (m method) finished(dir string) string {
	found, _ := filepath.Glob(filepath.Join(dir, m.done)) // the pattern is a constant
	if len(found) == 0 {
		return ""
	}
	return found[0]
}

// methods returns the ways to get a, in the order of preference: the wheel is the smallest.
func (a artifact) methods() []method {
	var all []method
	seen := map[string]bool{} // what each pip says of itself, so that none is asked twice
	for _, pip := range [][]string{{"python3", "-m", "pip"}, {"python", "-m", "pip"}, {"pip3"}, {"pip"}} {
		all = append(all, a.pip(pip, seen))
	}
	all = append(all, a.uv())
	if a.npm != "" {
		all = append(all, a.npmPack())
	}
	if a.release != "" {
		all = append(all, a.releaseArchive())
	}
	return all
}

// pip downloads the wheel for CPython 3.12, whatever Python runs pip: only the C library in it is used.
func (a artifact) pip(command []string, seen map[string]bool) method {
	name := strings.Join(command, " ")
	return method{
		name: name, folder: "wheel", done: a.wheelFile, member: a.wheelLib,
		fetch: func(ctx context.Context, dir string, _ func(string)) error {
			who, err := output(ctx, dir, append(command, "--version")...)
			if err != nil {
				return err
			}
			if seen[who] {
				return errors.New("the same pip as above")
			}
			seen[who] = true
			return apart(dir, a.wheelFile, func(part string) error {
				args := append(command, "download", "--no-deps", "--only-binary=:all:", "--no-input", "--progress-bar", "off",
					"--disable-pip-version-check", "--retries", "2", "--timeout", "30", "--dest", part)
				_, err := output(ctx, part, append(append(args, a.tags...), a.wheel)...)
				return err
			})
		},
	}
}

// uv unpacks the wheel into a folder: it has no command that only downloads.
func (a artifact) uv() method {
	return method{
		name: "uv", folder: "uv", done: "unpacked", member: a.wheelLib,
		fetch: func(ctx context.Context, dir string, _ func(string)) error {
			return apart(dir, "unpacked", func(part string) error {
				_, err := output(ctx, part, "uv", "pip", "install", "--no-deps", "--only-binary", ":all:", "--no-progress",
					"--python-platform", a.uvTag, "--python-version", "3.12", "--target", filepath.Join(part, "unpacked"), a.wheel)
				return err
			})
		},
	}
}

const npmArchive = "onnxruntime-node-*.tgz"

// npmPack downloads the npm package; its scripts do not run.
func (a artifact) npmPack() method {
	return method{
		name: "npm", folder: "npm", done: npmArchive, member: a.npmLib,
		fetch: func(ctx context.Context, dir string, say func(string)) error {
			say("npm: the package has 100 MB")
			return apart(dir, npmArchive, func(part string) error {
				_, err := output(ctx, part, "npm", "pack", "--ignore-scripts", "--loglevel=error", a.npm)
				return err
			})
		},
	}
}

// apart gives fetch a new folder below dir and moves what it leaves under the pattern done to dir. A command of a
// Setup that was killed lives on for a while: it must not write into what a later Setup fetches.
func apart(dir, done string, fetch func(part string) error) error {
	old, _ := filepath.Glob(filepath.Join(dir, "part-*")) // the pattern is a constant
	for _, o := range old {
		_ = os.RemoveAll(o) // what a living command still writes there stays until the downloads are removed
	}
	part, err := os.MkdirTemp(dir, "part-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(part) }()
	if err := fetch(part); err != nil {
		return err
	}
	got := method{done: done}.finished(part)
	if got == "" {
		return nil // said by the caller
	}
	return os.Rename(got, filepath.Join(dir, filepath.Base(got)))
}

// output runs a command in dir and returns what it printed. The error of a command that fails holds the last
// lines that it printed.
func output(ctx context.Context, dir string, command ...string) (string, error) {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return "", errors.New("not found on this machine")
	}
	cmd := exec.CommandContext(ctx, path, command[1:]...)
	cmd.Dir, cmd.WaitDelay = dir, 5*time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, lastLines(stderr.String()+stdout.String(), 3))
	}
	return stdout.String(), nil
}

// lastLines returns the last n lines of s that are not blank, joined by " | ".
func lastLines(s string, n int) string {
	var lines []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}
