package native

import (
	"encoding/json"
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

// readStamp returns the folder's record; a missing or unreadable one is no record.
func readStamp(folder string) (stamp, bool) {
	var s stamp
	raw, err := os.ReadFile(stampFile(folder))
	if err != nil || json.Unmarshal(raw, &s) != nil {
		return stamp{}, false
	}
	return s, true
}

// writeStamp replaces the folder's record atomically.
func writeStamp(folder string, s stamp) error {
	raw, err := json.Marshal(s)
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
