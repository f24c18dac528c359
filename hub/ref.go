package hub

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// Scheme says what kind of place a reference names.
type Scheme string

// The schemes.
const (
	Local       Scheme = ""     // a name in the local hub
	OCI         Scheme = "oci"  // a registry
	HuggingFace Scheme = "hf"   // a repository on huggingface.co or $HF_ENDPOINT
	File        Scheme = "file" // a model's file, or another hub's folder
)

// DefaultTag is the tag of a reference that has neither tag nor digest.
const DefaultTag = "latest"

// DefaultRevision is the revision of a Hugging Face reference that names none.
const DefaultRevision = "main"

// Ref names a model:
//
//	name:tag[@sha256:...]              in the local hub; the name is a lower-case path
//	oci://host[:port]/name:tag[@sha256:...]
//	hf://org/repo[@revision][/path/model.onnx]
//	file:///path/model.onnx            a model's file
//	file:///path/hub#name:tag          in another hub's folder
type Ref struct {
	Scheme Scheme
	Host   string // OCI: host or host:port
	Name   string // repository; "org/repo" for Hugging Face; "" for a File that is no hub
	Tag    string // Local, OCI, File; for Hugging Face the revision
	Digest string // "sha256:..." or ""
	Path   string // Hugging Face: a file of the repository; File: a path of this machine
}

// RefError says what is wrong with a reference.
type RefError struct{ Text, Problem string }

func (e *RefError) Error() string { return fmt.Sprintf("hub: reference %q: %s", e.Text, e.Problem) }

// Hint shows what references look like.
func (e *RefError) Hint() string {
	return "write name:tag, oci://host/name:tag, hf://org/repo@revision/model.onnx, file:///path/model.onnx or file:///path/hub#name:tag"
}

// ParseRef reads a reference. Parsing the result's String gives the same Ref.
func ParseRef(text string) (Ref, error) {
	scheme, rest, found := strings.Cut(text, "://")
	var r Ref
	var problem string
	switch {
	case !found:
		r, problem = parseName(text)
	case scheme == string(OCI):
		r, problem = parseOCI(rest)
	case scheme == string(HuggingFace):
		r, problem = parseHF(rest)
	case scheme == string(File):
		r, problem = parseFile(rest)
	default:
		problem = fmt.Sprintf("want the scheme oci, hf, file or none, got %q", scheme)
	}
	if problem != "" {
		return Ref{}, &RefError{text, problem}
	}
	return r, nil
}

// parseName reads name[:tag][@digest].
func parseName(text string) (Ref, string) {
	rest, digest, pinned := strings.Cut(text, "@")
	name, tag, tagged := strings.Cut(rest, ":")
	r := Ref{Name: name, Tag: tag, Digest: digest}
	switch {
	case !validName(name):
		return r, fmt.Sprintf("want a name of lower-case letters, digits and . _ - / between them, got %q", name)
	case tagged && !validTag(tag):
		return r, fmt.Sprintf("want a tag of letters, digits and . _ -, got %q", tag)
	case pinned && !validDigest(digest):
		return r, fmt.Sprintf("want a digest sha256: with 64 hexadecimal digits, got %q", digest)
	}
	if !tagged && !pinned {
		r.Tag = DefaultTag
	}
	return r, ""
}

func parseOCI(rest string) (Ref, string) {
	host, name, found := strings.Cut(rest, "/")
	switch {
	case !found:
		return Ref{}, "want a name behind the host"
	case !validHost(host):
		return Ref{}, fmt.Sprintf("want a host or host:port, got %q", host)
	}
	r, problem := parseName(name)
	r.Scheme, r.Host = OCI, host
	return r, problem
}

// parseHF reads org/repo[@revision][/file]; in a revision a slash is written %2F, but refs/pr/1 is understood.
func parseHF(rest string) (Ref, string) {
	org, rest, found := strings.Cut(rest, "/")
	end := strings.IndexAny(rest, "@/")
	if end < 0 {
		end = len(rest)
	}
	r := Ref{Scheme: HuggingFace, Name: org + "/" + rest[:end], Tag: DefaultRevision}
	if !found || !validHFPart(org) || !validHFPart(rest[:end]) {
		return r, fmt.Sprintf("want org/repo, got %q", r.Name)
	}
	rest = rest[end:]
	if after, ok := strings.CutPrefix(rest, "@"); ok {
		r.Tag, rest = cutRevision(after)
		if !validRevision(r.Tag) {
			return r, fmt.Sprintf("want a revision (branch, tag or commit), got %q", r.Tag)
		}
	}
	if rest == "" {
		return r, ""
	}
	r.Path = rest[1:]
	if err := checkFileName(r.Path); err != nil {
		return r, err.Error()
	}
	return r, ""
}

// cutRevision splits text behind the revision that it begins with; the rest begins with a slash or is empty.
func cutRevision(text string) (revision, rest string) {
	parts := strings.SplitN(text, "/", 4)
	if len(parts) >= 3 && parts[0] == "refs" && (parts[1] == "pr" || parts[1] == "convert") {
		revision = strings.Join(parts[:3], "/")
		return revision, text[len(revision):]
	}
	end := len(parts[0])
	revision = strings.ReplaceAll(strings.ReplaceAll(parts[0], "%2F", "/"), "%2f", "/")
	return revision, text[end:]
}

func parseFile(rest string) (Ref, string) {
	text, fragment, named := strings.Cut(rest, "#")
	path, err := url.PathUnescape(text)
	if err != nil || path == "" || hasControl(path) {
		return Ref{}, fmt.Sprintf("want a path, got %q", text)
	}
	r := Ref{}
	if named {
		var problem string
		if r, problem = parseName(fragment); problem != "" {
			return r, problem
		}
	}
	if len(path) > 2 && path[0] == '/' && path[2] == ':' { // file:///C:/models
		path = path[1:]
	}
	r.Scheme, r.Path = File, filepath.FromSlash(path)
	return r, ""
}

// String returns the reference as ParseRef reads it.
func (r Ref) String() string {
	switch r.Scheme {
	case OCI:
		return "oci://" + r.Host + "/" + r.name()
	case HuggingFace:
		s := "hf://" + r.Name + "@" + strings.ReplaceAll(r.Tag, "/", "%2F")
		if r.Path != "" {
			s += "/" + r.Path
		}
		return s
	case File:
		path := filepath.ToSlash(r.Path)
		if len(path) > 1 && path[1] == ':' {
			path = "/" + path
		}
		s := "file://" + (&url.URL{Path: path}).EscapedPath()
		if r.Name != "" {
			s += "#" + r.name()
		}
		return s
	default:
		return r.name()
	}
}

// name is name:tag@digest without what is absent.
func (r Ref) name() string {
	s := r.Name
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest
	}
	return s
}

// Local returns the name under which a pulled model is kept in the local hub: the repository's name in lower
// case and the tag, or the first digits of the digest where there is no tag.
func (r Ref) Local() Ref {
	name, tag := r.Name, r.Tag
	if r.Scheme == File && name == "" {
		name = strings.TrimSuffix(filepath.Base(r.Path), ".onnx")
	}
	if tag == "" && r.Digest != "" {
		tag = strings.TrimPrefix(r.Digest, "sha256:")[:12]
	}
	if tag == "" {
		tag = DefaultTag
	}
	return Ref{Name: nameOf(name), Tag: tagOf(tag)}
}
