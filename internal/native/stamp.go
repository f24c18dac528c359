package native

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
)

// stamp records that a file had a digest when it had a size and a time.
type stamp struct {
	Size    int64  `json:"size"`     // bytes
	ModTime int64  `json:"mtime_ns"` // nanoseconds since 1970
	SHA256  string `json:"sha256"`   // lower-case hex
}

func stampOf(st os.FileInfo, digest string) stamp {
	return stamp{Size: st.Size(), ModTime: st.ModTime().UnixNano(), SHA256: digest}
}

func (s stamp) describes(st os.FileInfo) bool {
	return s.Size == st.Size() && s.ModTime == st.ModTime().UnixNano()
}

func stampFile(folder string) string { return filepath.Join(folder, "verified.json") }

// record is what is known of a folder: the library's stamp, and those of its parts by name.
type record struct {
	stamp
	Parts map[string]stamp `json:"parts,omitempty"`
}

func (r record) equal(o record) bool { return r.stamp == o.stamp && maps.Equal(r.Parts, o.Parts) }

// readRecord returns the folder's record; a missing or unreadable one is empty.
func readRecord(folder string) record {
	var r record
	raw, err := os.ReadFile(stampFile(folder))
	if err != nil || json.Unmarshal(raw, &r) != nil {
		return record{}
	}
	return r
}

// writeRecord replaces the folder's record atomically.
func writeRecord(folder string, r record) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(folder, temporary)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already after the rename
	_, err = tmp.Write(append(raw, '\n'))
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), stampFile(folder))
}
