package imageio

import "github.com/nitrain/nitrain/imageio/internal/volume"

// FormatError says what is wrong with a file: format, path as given, field, what was wanted and what was
// found, and in Hint what to do. It wraps one of the sentinels below and holds no data of the patient.
type FormatError = volume.FormatError

// The kinds of bad input that a FormatError wraps.
var (
	// ErrTruncated: the file ends before what its header promises.
	ErrTruncated = volume.ErrTruncated
	// ErrTooLarge: more than Options.MaxBytes, or more than any memory.
	ErrTooLarge = volume.ErrTooLarge
	// ErrUnsupported: recognised, but not something that this package reads or writes.
	ErrUnsupported = volume.ErrUnsupported
	// ErrGeometry: no usable affine.
	ErrGeometry = volume.ErrGeometry
	// ErrNotThisFormat: the bytes are no image of a known format.
	ErrNotThisFormat = volume.ErrNotThisFormat
	// ErrCorrupt: a field holds nonsense, or a checksum is wrong.
	ErrCorrupt = volume.ErrCorrupt
)
