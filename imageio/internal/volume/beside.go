package volume

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Where says what the parser of a header must know about its file.
type Where struct {
	Path       string
	Outside    bool // data files may lie outside the header's folder
	IgnoreSums bool // wrong checksums of compressed data are warned about
}

// Beside returns the path of a data file that a header names, relative to the header's folder. Names that lead out
// of the folder are refused unless outside.
func Beside(format, header, name string, outside bool) (string, error) {
	name = strings.TrimSpace(filepath.FromSlash(strings.ReplaceAll(name, `\`, "/")))
	if name == "" || strings.ContainsRune(name, 0) {
		return "", &FormatError{Format: format, Field: "data file", Want: "a file's name", Got: "none", Err: ErrCorrupt}
	}
	if !outside && !filepath.IsLocal(name) {
		return "", &FormatError{
			Format: format, Field: "data file", Want: "a file in the header's folder", Got: strconv.Quote(shorten(name)), Err: ErrUnsupported,
			Advice: "put the samples beside the header; a header of strangers may not name other files",
		}
	}
	if filepath.IsAbs(name) {
		return name, nil
	}
	return filepath.Join(filepath.Dir(header), name), nil
}

func shorten(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

// Pattern returns the files of a printf pattern with first and last number and step: at most limit of
// them, and all there.
func Pattern(format, header string, words []string, limit int, outside bool) ([]string, error) {
	wrong := func(want string) error {
		return &FormatError{Format: format, Field: "data file", Want: want, Got: strconv.Quote(shorten(strings.Join(words, " "))), Err: ErrCorrupt}
	}
	var n [3]int
	for i := range n {
		var err error
		if n[i], err = strconv.Atoi(words[i+1]); err != nil {
			return nil, wrong("a pattern, the first and last number and the step")
		}
	}
	before, pad, width, after, ok := verb(words[0])
	if !ok || n[2] == 0 || (n[1]-n[0])/n[2] < 0 {
		return nil, wrong("a pattern with one %d and numbers from the first to the last")
	}
	if count := (n[1]-n[0])/n[2] + 1; count > limit {
		return nil, &FormatError{Format: format, Field: "data file", Want: fmt.Sprintf("at most %d files", limit), Got: strconv.Itoa(count), Err: ErrTooLarge}
	}
	var names []string
	for i := n[0]; n[2] > 0 && i <= n[1] || n[2] < 0 && i >= n[1]; i += n[2] {
		digits := strconv.Itoa(i)
		for len(digits) < width {
			digits = pad + digits
		}
		path, err := Beside(format, header, before+digits+after, outside)
		if err != nil {
			return nil, err
		}
		if err := Exists(path); err != nil {
			return nil, err
		}
		names = append(names, path)
	}
	return names, nil
}

// verb takes a pattern apart: what stands before and behind %d, and how the number is padded.
func verb(pattern string) (before, pad string, width int, after string, ok bool) {
	before, rest, ok := strings.Cut(pattern, "%")
	digits := strings.TrimLeft(rest, "0123456789")
	spec := rest[:len(rest)-len(digits)]
	if !ok || digits == "" || !strings.ContainsRune("diu", rune(digits[0])) || strings.Contains(digits, "%") || len(spec) > 2 {
		return "", "", 0, "", false
	}
	pad = " "
	if strings.HasPrefix(spec, "0") {
		pad = "0"
	}
	width, _ = strconv.Atoi(spec) // digits, or nothing
	return before, pad, width, digits[1:], true
}
