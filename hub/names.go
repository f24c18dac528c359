package hub

import (
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The longest names, in bytes.
const (
	maxName = 255 // a repository
	maxTag  = 128
	maxFile = 255 // a file's path
	maxPart = 96  // a part of a Hugging Face name
)

func lower(c byte) bool    { return c >= 'a' && c <= 'z' }
func digit(c byte) bool    { return c >= '0' && c <= '9' }
func alnum(c byte) bool    { return lower(c) || digit(c) }
func anyAlnum(c byte) bool { return alnum(c) || c >= 'A' && c <= 'Z' }

// validName tells names of repositories as the OCI distribution specification has them: parts of lower-case
// letters and digits, joined by one ".", "_", "__" or any number of "-".
func validName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if !validNamePart(part) {
			return false
		}
	}
	return true
}

func validNamePart(s string) bool {
	for s != "" {
		n := span(s, alnum)
		if n == 0 {
			return false
		}
		if s = s[n:]; s == "" {
			return true
		}
		n = span(s, func(c byte) bool { return !alnum(c) })
		if sep := s[:n]; sep != "." && sep != "_" && sep != "__" && strings.Trim(sep, "-") != "" {
			return false
		}
		s = s[n:]
	}
	return false
}

// span returns how many of the first bytes of s are in the set.
func span(s string, in func(byte) bool) int {
	n := 0
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}

func validTag(s string) bool {
	return s != "" && len(s) <= maxTag && (anyAlnum(s[0]) || s[0] == '_') &&
		span(s, func(c byte) bool { return anyAlnum(c) || c == '.' || c == '_' || c == '-' }) == len(s)
}

func validDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && validHex(hex, 64)
}

func validHex(s string, digits int) bool {
	return len(s) == digits && span(s, func(c byte) bool { return digit(c) || c >= 'a' && c <= 'f' }) == digits
}

// validHost tells host, host:port and [IPv6]:port.
func validHost(s string) bool {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
			return false
		}
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return err == nil && strings.HasSuffix(inner, "]") && addr.Is6() && addr.Zone() == ""
	}
	if host == "" || len(host) > maxName {
		return false
	}
	for part := range strings.SplitSeq(host, ".") {
		if part == "" || !anyAlnum(part[0]) || !anyAlnum(part[len(part)-1]) ||
			span(part, func(c byte) bool { return anyAlnum(c) || c == '-' }) != len(part) {
			return false
		}
	}
	return true
}

// validHFPart tells an owner or a repository's name as huggingface_hub accepts them.
func validHFPart(s string) bool {
	return s != "" && len(s) <= maxPart && !strings.Contains(s, "--") && !strings.Contains(s, "..") &&
		strings.Trim(s, "-.") == s &&
		span(s, func(c byte) bool { return anyAlnum(c) || c == '.' || c == '_' || c == '-' }) == len(s)
}

// validRevision tells branches, tags and commits that may stand in a path below refs/.
func validRevision(s string) bool {
	if s == "" || len(s) > maxTag || s[0] == '-' {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".") || strings.HasSuffix(part, ".lock") ||
			strings.Contains(part, "..") ||
			span(part, func(c byte) bool { return anyAlnum(c) || c == '.' || c == '_' || c == '-' || c == '+' }) != len(part) {
			return false
		}
	}
	return true
}

// checkFileName refuses paths of files that might leave the folder they are put in, on any system.
func checkFileName(s string) error {
	if s == "" || len(s) > maxFile || !utf8.ValidString(s) || !fs.ValidPath(s) || s == "." {
		return fmt.Errorf("want a relative path of a file without . and .., got %q", s)
	}
	if hasControl(s) || strings.ContainsAny(s, `\:*?"<>|#@%`) {
		return fmt.Errorf(`want a path without control characters and \:*?"<>|#@%%, got %q`, s)
	}
	for part := range strings.SplitSeq(s, "/") {
		stem, _, _ := strings.Cut(strings.ToUpper(part), ".")
		if strings.HasSuffix(part, ".") || strings.HasSuffix(part, " ") || strings.HasPrefix(part, " ") || deviceName(stem) {
			return fmt.Errorf("want a path that every system can hold, got %q", s)
		}
	}
	return nil
}

// deviceName tells the names that are devices on Windows.
func deviceName(stem string) bool {
	switch stem {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(stem) == 4 && (stem[:3] == "COM" || stem[:3] == "LPT") && digit(stem[3])
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// nameOf makes a valid repository name of any text.
func nameOf(s string) string {
	var parts []string
	for part := range strings.SplitSeq(strings.ToLower(path.Clean("/"+strings.ReplaceAll(s, `\`, "/"))), "/") {
		if part = clean(part, alnum); part != "" {
			parts = append(parts, part)
		}
	}
	name := strings.Join(parts, "/")
	if !validName(name) {
		return "model"
	}
	return name
}

// tagOf makes a valid tag of any text.
func tagOf(s string) string {
	if validTag(s) {
		return s
	}
	s = clean(s, anyAlnum)
	s = s[:min(len(s), maxTag)]
	if !validTag(s) {
		return DefaultTag
	}
	return s
}

// clean replaces each run of other characters by one that may stand between those of the set.
func clean(s string, in func(byte) bool) string {
	var b strings.Builder
	for s != "" {
		n := span(s, in)
		b.WriteString(s[:n])
		s = s[n:]
		n = span(s, func(c byte) bool { return !in(c) })
		if sep := s[:n]; n > 0 && n < len(s) && b.Len() > 0 {
			if sep != "." && sep != "_" {
				sep = "-"
			}
			b.WriteString(sep)
		}
		s = s[n:]
	}
	return b.String()
}
