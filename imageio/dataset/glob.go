package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// ReadGlobs pairs files by patterns, one per channel, and a pattern of labels ("" for none). A folder stands
// for the image files in it. Files belong together when the wildcards matched the same text ("a/*_T1.nii.gz" with "b/*_seg.nii.gz"), or else when
// their names without extension are equal. Every file without a partner is reported.
func ReadGlobs(images []string, label string) ([]Case, error) {
	cases, err := readGlobs(images, label)
	if err != nil {
		return nil, &ListError{err}
	}
	return cases, nil
}

func readGlobs(images []string, label string) ([]Case, error) {
	if len(images) == 0 {
		return nil, errors.New("want a pattern of images, got none")
	}
	patterns := slices.Clone(images)
	if label != "" {
		patterns = append(patterns, label)
	}
	lists := make([][]string, len(patterns))
	var faults []error
	for i, p := range patterns {
		files, err := glob(p)
		if err != nil {
			faults = append(faults, err)
		}
		lists[i] = files
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	byWildcard, err1 := pair(lists, func(i int, file string) string { return captured(patterns[i], file) })
	if err1 == nil {
		return assemble(byWildcard, lists[0], label != "")
	}
	byName, err2 := pair(lists, func(_ int, file string) string { return stem(filepath.Base(file)) })
	if err2 == nil {
		return assemble(byName, lists[0], label != "")
	}
	return nil, err1
}

// Glob lists the files that a pattern matches, sorted, or its folders where it matches no file: *, ? and [...] within a name as
// in [filepath.Match], ** for any number of folders ("scans/**/*.nii.gz" also finds scans/a.nii.gz). Hidden files are left out,
// and hidden folders below **. A pattern without a match gives a [*ListError].
func Glob(pattern string) ([]string, error) {
	files, folders, err := split(pattern)
	if err != nil {
		return nil, &ListError{err}
	}
	if len(files) == 0 {
		files = folders
	}
	if len(files) == 0 {
		return nil, &ListError{fmt.Errorf("pattern %q: nothing matches", pattern)}
	}
	return files, nil
}

// Files lists the files that a pattern matches, or the image files in a folder, sorted. Nothing found gives a [*ListError].
func Files(pattern string) ([]string, error) {
	files, err := glob(pattern)
	if err != nil {
		return nil, &ListError{err}
	}
	return files, nil
}

// Stem is a path's last element without the extension of its format, where ".nii.gz" counts as one.
func Stem(path string) string { return stem(filepath.Base(path)) }

func glob(pattern string) ([]string, error) {
	if info, err := os.Stat(pattern); err == nil && info.IsDir() {
		return imagesOf(pattern)
	}
	files, _, err := split(pattern)
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("pattern %q: no file matches", pattern)
	}
	return files, err
}

// split sorts what a pattern matches into files and folders.
func split(pattern string) (files, folders []string, err error) {
	found, err := expand(pattern)
	if err != nil {
		return nil, nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	slices.Sort(found)
	for _, f := range slices.Compact(found) {
		info, err := os.Stat(f)
		switch {
		case err != nil || strings.HasPrefix(filepath.Base(f), "."):
		case info.IsDir():
			folders = append(folders, f)
		default:
			files = append(files, f)
		}
	}
	return files, folders, nil
}

// expand is filepath.Glob with folders named **: each stands for every folder below, itself among them.
func expand(pattern string) ([]string, error) {
	head, rest, deep := cutDeep(filepath.ToSlash(pattern))
	if !deep {
		return filepath.Glob(pattern)
	}
	if _, err := filepath.Match(rest, ""); err != nil {
		return nil, err
	}
	roots := []string{head}
	if head != "." && head != "/" {
		var err error
		if roots, err = filepath.Glob(filepath.FromSlash(head)); err != nil {
			return nil, err
		}
	}
	var files []string
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return nil //nolint:nilerr // what cannot be read matches nothing
			}
			if path != root && strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
			found, err := expand(quote(filepath.ToSlash(path)) + "/" + rest)
			files = append(files, found...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// cutDeep cuts a pattern at its first element **; head is where the walk starts.
func cutDeep(pattern string) (head, rest string, deep bool) {
	parts := strings.Split(pattern, "/")
	i := slices.Index(parts, "**")
	if i < 0 {
		return "", "", false
	}
	head = strings.Join(parts[:i], "/")
	switch {
	case i == 0:
		head = "."
	case head == "":
		head = "/"
	}
	rest = strings.TrimLeft(strings.Join(parts[i+1:], "/"), "/")
	if rest == "" {
		rest = "*"
	}
	return head, rest, true
}

// pair maps each file of the first list to its partners in the others, by a key of file names.
func pair(lists [][]string, key func(list int, file string) string) (map[string][]string, error) {
	sets := make([]map[string]string, len(lists))
	var faults []error
	for i, files := range lists {
		sets[i] = map[string]string{}
		for _, f := range files {
			k := key(i, f)
			if other, twice := sets[i][k]; twice {
				faults = append(faults, fmt.Errorf("%s and %s both stand for %q", other, f, k))
			}
			sets[i][k] = f
		}
	}
	for i, files := range lists {
		for _, f := range files {
			for j := range lists {
				if _, ok := sets[j][key(i, f)]; !ok && (i == 0 || j == 0) {
					faults = append(faults, fmt.Errorf("%s: no partner among the %d files of pattern %d", f, len(lists[j]), j+1))
				}
			}
		}
	}
	rows := map[string][]string{}
	for k, f := range sets[0] {
		for _, set := range sets {
			rows[f] = append(rows[f], set[k])
		}
	}
	return rows, errors.Join(faults...)
}

func assemble(rows map[string][]string, order []string, labelled bool) ([]Case, error) {
	cases := make([]Case, len(order))
	for i, f := range order {
		row := rows[f]
		if labelled {
			cases[i].Label = row[len(row)-1]
			row = row[:len(row)-1]
		}
		cases[i].Images = row
	}
	return cases, name(cases)
}

// captured is the text that the wildcards of a pattern matched in a file's path.
func captured(pattern, file string) string {
	var re strings.Builder
	re.WriteString(`^(?s:`)
	for i := 0; i < len(pattern); {
		switch c := pattern[i]; {
		case strings.HasPrefix(pattern[i:], "**/") && (i == 0 || pattern[i-1] == '/'):
			re.WriteString(`((?:[^/\\]+[/\\])*)`)
			i += 3
		case c == '*':
			re.WriteString(`([^/\\]*)`)
			i++
		case c == '?':
			re.WriteString(`([^/\\])`)
			i++
		case c == '[' && strings.IndexByte(pattern[i:], ']') > 0:
			end := i + strings.IndexByte(pattern[i:], ']')
			re.WriteString("(" + pattern[i:end+1] + ")")
			i = end + 1
		case c == '\\' && filepath.Separator != '\\' && i+1 < len(pattern):
			re.WriteString(regexp.QuoteMeta(pattern[i+1 : i+2]))
			i += 2
		default:
			re.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
			i++
		}
	}
	re.WriteString(`)$`)
	compiled, err := regexp.Compile(re.String())
	if err != nil {
		return file
	}
	m := compiled.FindStringSubmatch(file)
	if m == nil {
		return file
	}
	key := strings.Join(m[1:], "\x00")
	// "*" alone matches "a.nii.gz" and "a.nii" of the same case
	if strings.HasSuffix(pattern, "*") {
		key = strings.Join(m[1:len(m)-1], "\x00") + "\x00" + stem(m[len(m)-1])
	}
	return key
}

// quote protects the wildcards in a folder's name.
func quote(path string) string {
	if filepath.Separator == '\\' {
		return path
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
