package native

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/nitrain/nitrain/internal/digest"
)

// Version is the version of onnxruntime that Setup installs.
const Version = "1.27.0"

// artifact is one library for one kind of machine: where it is found and what it must be.
type artifact struct {
	file    string   // name of the installed file
	digests []string // sha256 of the files that are accepted, lower-case hex
	maxSize int64    // bytes; nothing longer is unpacked

	wheel    string   // Python requirement
	tags     []string // pip's platform options
	uvTag    string   // uv's platform
	wheelLib string   // the member of the wheel

	npm    string // npm package and version
	npmLib string // the member of the package

	release    string // address of the project's own release archive
	releaseLib string // the member of the archive
}

// machine returns the kind of machine that this program runs on, "linux/amd64".
func machine() string { return runtime.GOOS + "/" + runtime.GOARCH }

// artifactFor returns the onnxruntime library for a kind of machine.
//
// The digests were measured on the wheel (the same file in the cp311, cp312 and cp313 wheels) and on the npm
// package. That of the release archive is not known: its library is accepted when it equals one of the two.
func artifactFor(machine string) (artifact, error) {
	if machine != "linux/amd64" {
		return artifact{}, &Error{
			Library: ONNXRuntime,
			Problem: fmt.Sprintf("no digest is known for %s, want linux/amd64", machine),
			hint: fmt.Sprintf("get onnxruntime %s for this machine yourself and set %s to the path of its shared library",
				Version, LibraryVariable),
		}
	}
	return artifact{
		file: "libonnxruntime.so." + Version,
		digests: []string{
			"b5c9d4f124d24707f514dad926dc181820807178855df1c528e3addb2dd0e6f7", // wheel
			"d8aff4aa8abee8fb2abb2f2f2459ffc94461e781e41b9f7c072829dd0d470221", // npm
		},
		maxSize:    256 << 20,
		wheel:      "onnxruntime==" + Version,
		tags:       []string{"--platform", "manylinux_2_28_x86_64", "--implementation", "cp", "--python-version", "3.12", "--abi", "cp312"},
		uvTag:      "x86_64-manylinux_2_28",
		wheelLib:   "onnxruntime/capi/libonnxruntime.so." + Version,
		npm:        "onnxruntime-node@" + Version,
		npmLib:     "package/bin/napi-v6/linux/x64/libonnxruntime.so.1",
		release:    "https://github.com/microsoft/onnxruntime/releases/download/v" + Version + "/onnxruntime-linux-x64-" + Version + ".tgz",
		releaseLib: "onnxruntime-linux-x64-" + Version + "/lib/libonnxruntime.so." + Version,
	}, nil
}

// folder returns the folder below home that holds the installed library.
func (a artifact) folder(home string) string {
	return filepath.Join(home, "lib", ONNXRuntime+"-"+Version)
}

// path returns where the library is installed below home.
func (a artifact) path(home string) string { return filepath.Join(a.folder(home), a.file) }

// accepts reports whether a digest is one of the known ones.
func (a artifact) accepts(digest string) bool { return slices.Contains(a.digests, digest) }

// verify returns the digest of the library installed below home, or an error when it is absent or not one of
// the known files. Without thorough a record of an earlier check is believed while size and time agree.
func (a artifact) verify(home string, thorough bool) (string, error) {
	path := a.path(home)
	fault := &Error{Library: ONNXRuntime, Path: path, hint: "run: nitrain setup"}
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		fault.Problem = "not installed"
		return "", fault
	}
	if err != nil {
		fault.Problem, fault.Err = "cannot be read", unwrapPath(err)
		return "", fault
	}
	if s, ok := readStamp(a.folder(home)); ok && !thorough && s.describes(st) && a.accepts(s.SHA256) {
		return s.SHA256, nil
	}
	digest, err := digest.File(path)
	if err != nil {
		fault.Problem, fault.Err = "cannot be read", unwrapPath(err)
		return "", fault
	}
	if !a.accepts(digest) {
		fault.Problem = fmt.Sprintf("the file is damaged: its sha256 is %s, want %s", digest, a.digests[0])
		return "", fault
	}
	// A folder that cannot be written costs a digest at each start, nothing else.
	_ = writeStamp(a.folder(home), stampOf(st, digest))
	return digest, nil
}
