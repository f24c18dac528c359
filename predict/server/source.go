package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// source is a model file and what it is called.
type source struct{ name, version, path string }

// validName reports whether a name may stand for a model: it can be neither a path nor hidden.
func validName(name string) bool {
	const most = 128
	if name == "" || len(name) > most || strings.ContainsRune("._-", rune(name[0])) {
		return false
	}
	for _, c := range name {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("._-", c)) {
			return false
		}
	}
	return true
}

// scan lists the models in files and folders. Names come from the folder's own listing, never from a client.
func scan(sources []string) ([]source, error) {
	var out []source
	for _, path := range sources {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("server: %w", err)
		}
		if info.IsDir() {
			found, err := scanFolder(path)
			if err != nil {
				return nil, fmt.Errorf("server: %s: %w", path, err)
			}
			out = append(out, found...)
			continue
		}
		name, isModel := strings.CutSuffix(filepath.Base(path), ".onnx")
		if !isModel || !validName(name) {
			return nil, fmt.Errorf("server: %s: want a .onnx file whose name has only letters, digits, dots, dashes and underscores", path)
		}
		out = append(out, source{name, "1", path})
	}
	return out, nil
}

// scanFolder lists the models of a repository's folder. Links that lead out of it are left out.
func scanFolder(folder string) ([]source, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	list, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var out []source
	for _, item := range list {
		name, isFile := strings.CutSuffix(item.Name(), ".onnx")
		if !validName(name) {
			continue
		}
		info, err := root.Stat(item.Name())
		switch {
		case err != nil:
			continue
		case info.Mode().IsRegular() && isFile:
			out = append(out, source{name, "1", filepath.Join(folder, item.Name())})
		case info.IsDir():
			if version, file := newest(root, item.Name()); file != "" {
				out = append(out, source{item.Name(), version, filepath.Join(folder, file)})
			}
		}
	}
	if len(out) == 0 {
		return nil, errors.New("want a folder with models (NAME.onnx, NAME/model.onnx or NAME/VERSION/model.onnx), found none")
	}
	return out, nil
}

// newest returns the highest version of a model's folder and its file, "" where there is none.
func newest(root *os.Root, folder string) (version, file string) {
	list, err := fs.ReadDir(root.FS(), folder)
	if err != nil {
		return "", ""
	}
	var versions []int
	for _, item := range list {
		if n, err := strconv.Atoi(item.Name()); err == nil && n > 0 && strconv.Itoa(n) == item.Name() {
			versions = append(versions, n)
		}
	}
	slices.Sort(versions)
	for _, n := range slices.Backward(versions) {
		file := filepath.Join(folder, strconv.Itoa(n), "model.onnx")
		if info, err := root.Stat(file); err == nil && info.Mode().IsRegular() {
			return strconv.Itoa(n), file
		}
	}
	plain := filepath.Join(folder, "model.onnx")
	if info, err := root.Stat(plain); err == nil && info.Mode().IsRegular() {
		return "1", plain
	}
	return "", ""
}

// shorten cuts what a client sent, for messages.
func shorten(s string) string {
	const most = 128
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
