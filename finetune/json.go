package finetune

import (
	"bytes"
	"encoding/json"
)

// strictJSON decodes raw into v and refuses unknown keys.
func strictJSON(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
