package native

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/nitrain/nitrain/internal/digest"
)

// Version is the version of onnxruntime that Setup installs.
const Version = "1.27.0"

// OpenVINOVersion is the version of the wheel of onnxruntime with OpenVINO's provider that Setup installs.
const OpenVINOVersion = "1.24.1"

// XLAVersion is the version of the wheel with the PJRT CPU plugin that Setup installs.
const XLAVersion = "0.11.2"

// artifact is one library for one kind of machine: where it is found and what it must be.
type artifact struct {
	library string   // ONNXRuntime, OpenVINO or XLACPU
	version string   // of the package
	dir     string   // folder below lib that holds the installed file
	file    string   // name of the installed file
	room    int      // MB on the disk that installing takes
	command string   // what installs it
	manual  string   // what to do where no method works
	digests []string // sha256 of the files that are accepted, lower-case hex
	maxSize int64    // bytes; nothing longer is unpacked
	parts   []part   // what the library opens from its own folder
	licence string   // of what is installed, "" where THIRD_PARTY.md alone says it

	wheel     string   // Python requirement
	wheelFile string   // pattern of the wheel's name
	tags      []string // pip's platform options
	uvTag     string   // uv's platform
	wheelLib  string   // the member of the wheel

	npm    string // npm package and version, "" if there is none
	npmLib string // the member of the package

	release    string // address of the project's own release archive, "" if there is none
	releaseLib string // the member of the archive
}

// part is a file that a library needs beside it.
type part struct {
	member string // of the wheel
	sha256 string // lower-case hex
}

// file returns the name that a part has beside the library.
func (p part) file() string { return path.Base(p.member) }

// machine returns the kind of machine that this program runs on, "linux/amd64".
func machine() string { return runtime.GOOS + "/" + runtime.GOARCH }

// artifactFor returns a library for a kind of machine.
func artifactFor(library, machine string) (artifact, error) {
	switch library {
	case ONNXRuntime:
		return runtimeFor(machine)
	case XLACPU:
		return pluginFor(machine)
	case OpenVINO:
		return openvinoFor(machine)
	}
	return artifact{}, &Error{
		Library: library, Problem: fmt.Sprintf("no such library, want %q, %q or %q", ONNXRuntime, OpenVINO, XLACPU),
		hint: "nitrain setup --help lists the libraries",
	}
}

// pluginFor returns XLA's CPU plugin behind PJRT's plain C interface. Its digest was measured on the wheel.
func pluginFor(machine string) (artifact, error) {
	if machine != "linux/amd64" {
		return artifact{}, &Error{
			Library: XLACPU, Problem: fmt.Sprintf("no digest is known for %s, want linux/amd64", machine),
			hint: "get a PJRT plugin for this machine yourself and name it: --device xla:PATH",
		}
	}
	return artifact{
		library: XLACPU, version: XLAVersion, dir: pluginFolder, file: "pjrt_c_api_cpu_plugin.so", room: 270,
		command: "nitrain setup --with " + XLACPU,
		manual:  "install pip or uv, or get the wheel lammps-jax-pjrt-cpu==" + XLAVersion + " yourself and name its plugin: --device xla:PATH",
		digests: []string{"ad1309ac822b1b24d51b7f9947c7c9fa9ef5d67f390584cbc3d1fa2428fed9c2"},
		maxSize: 256 << 20,
		wheel:   "lammps-jax-pjrt-cpu==" + XLAVersion, wheelFile: "lammps_jax_pjrt_cpu-*.whl",
		tags:     []string{"--platform", "manylinux_2_27_x86_64", "--implementation", "cp", "--python-version", "3.12", "--abi", "cp312"},
		uvTag:    "x86_64-manylinux_2_28",
		wheelLib: "lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so",
	}, nil
}

// runtimeFor returns the onnxruntime library.
//
// The digests were measured on the wheel (the same file in the cp311, cp312 and cp313 wheels) and on the npm
// package. That of the release archive is not known: its library is accepted when it equals one of the two.
func runtimeFor(machine string) (artifact, error) {
	if machine != "linux/amd64" {
		return artifact{}, &Error{
			Library: ONNXRuntime,
			Problem: fmt.Sprintf("no digest is known for %s, want linux/amd64", machine),
			hint: fmt.Sprintf("get onnxruntime %s for this machine yourself and set %s to the path of its shared library",
				Version, LibraryVariable),
		}
	}
	return artifact{
		library: ONNXRuntime, version: Version, dir: ONNXRuntime + "-" + Version, file: "libonnxruntime.so." + Version, room: 120,
		command: "nitrain setup",
		manual: fmt.Sprintf("install pip or npm, or download onnxruntime %s yourself and set %s to the path of its shared library",
			Version, LibraryVariable),
		digests: []string{
			"b5c9d4f124d24707f514dad926dc181820807178855df1c528e3addb2dd0e6f7", // wheel
			"d8aff4aa8abee8fb2abb2f2f2459ffc94461e781e41b9f7c072829dd0d470221", // npm
		},
		maxSize:    256 << 20,
		wheel:      "onnxruntime==" + Version,
		wheelFile:  "onnxruntime-*.whl",
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
	return filepath.Join(home, "lib", a.dir)
}

// path returns where the library is installed below home.
func (a artifact) path(home string) string { return filepath.Join(a.folder(home), a.file) }

// accepts reports whether a digest is one of the known ones.
func (a artifact) accepts(digest string) bool { return slices.Contains(a.digests, digest) }

// verify returns the digest of the library installed below home, or an error when it or one of its parts is absent or not
// one of the known files. Without thorough a record of an earlier check is believed while sizes and times agree.
func (a artifact) verify(home string, thorough bool) (string, error) {
	var known record
	if !thorough {
		known = readRecord(a.folder(home))
	}
	found := record{Parts: map[string]stamp{}}
	for _, p := range a.parts {
		s, err := a.examine(home, p.file(), known.Parts[p.file()], []string{p.sha256})
		if err != nil {
			return "", err
		}
		found.Parts[p.file()] = s
	}
	var err error
	if found.stamp, err = a.examine(home, a.file, known.stamp, a.digests); err != nil {
		return "", err
	}
	if !found.equal(known) {
		// A folder that cannot be written costs a digest at each start, nothing else.
		_ = writeRecord(a.folder(home), found)
	}
	return found.SHA256, nil
}

// examine returns the stamp of an installed file, which must have one of the digests.
func (a artifact) examine(home, file string, known stamp, digests []string) (stamp, error) {
	path := filepath.Join(a.folder(home), file)
	fault := &Error{Library: a.library, Path: path, hint: "run: " + a.command}
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		fault.Problem = "not installed"
		return stamp{}, fault
	}
	if err != nil {
		fault.Problem, fault.Err = "cannot be read", unwrapPath(err)
		return stamp{}, fault
	}
	if known.describes(st) && slices.Contains(digests, known.SHA256) {
		return known, nil
	}
	digest, err := digest.File(path)
	if err != nil {
		fault.Problem, fault.Err = "cannot be read", unwrapPath(err)
		return stamp{}, fault
	}
	if !slices.Contains(digests, digest) {
		fault.Problem = fmt.Sprintf("the file is damaged: its sha256 is %s, want %s", digest, digests[0])
		return stamp{}, fault
	}
	return stampOf(st, digest), nil
}
