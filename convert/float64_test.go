package convert

import "github.com/gomlx/compute/dtypes"

// Double makes a backend compute in float64.
func Double(b *Backend) *Backend {
	b.float = dtypes.Float64
	return b
}
