package predict

import (
	"encoding/json"
	"fmt"
)

// Overlap is the part of a window that the next one covers, along x, y and z. In JSON it is one number,
// or three where the axes differ.
type Overlap [3]float64

// MarshalJSON writes one number where the axes agree.
func (o Overlap) MarshalJSON() ([]byte, error) {
	if o[0] == o[1] && o[1] == o[2] {
		return json.Marshal(o[0])
	}
	return json.Marshal([3]float64(o))
}

// UnmarshalJSON reads one number or three.
func (o *Overlap) UnmarshalJSON(data []byte) error {
	var one float64
	if json.Unmarshal(data, &one) == nil && string(data) != "null" {
		*o = Overlap{one, one, one}
		return nil
	}
	var axes []float64
	if err := json.Unmarshal(data, &axes); err != nil || len(axes) != 3 {
		return fmt.Errorf("overlap %s: want a number or three", data)
	}
	copy(o[:], axes)
	return nil
}
