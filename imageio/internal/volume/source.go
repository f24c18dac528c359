package volume

import "io"

// Source gives the samples of a file whose format keeps them otherwise than as the plain bytes behind a header.
type Source interface {
	// Limit returns the most bytes of samples that there can be, judged by what is on the disk. It is asked
	// before memory is taken.
	Limit() (int64, error)
	// Open begins a pass over the samples from the first to the last: Header.Bytes() bytes, first axis fastest.
	Open() (Pass, error)
}

// Pass is one reading of all samples.
type Pass interface {
	io.ReadCloser
	// Finish is called behind the last sample: it verifies what can only be verified there and returns what
	// to warn of.
	Finish() ([]string, error)
}
