package dicom

import "fmt"

// method is how the frames of a transfer syntax are decoded.
type method uint8

const (
	native method = iota
	plainFragments
	rle
	jpegDCT
	jpegLossless
	jpegLS
	jpeg2000
	deflatedFrames
	refused
)

// syntax is one transfer syntax (PS3.5, annex A).
type syntax struct {
	uid, name string
	coding    coding
	method    method
	deflated  bool // the whole data set
}

const base = "1.2.840.10008.1.2"

// syntaxOf knows the transfer syntaxes; an unknown one is an error that names it.
func syntaxOf(uid string) (syntax, error) {
	table := [...]syntax{
		{uid: base, name: "implicit VR little endian", coding: coding{implicit: true}},
		{uid: base + ".1", name: "explicit VR little endian"},
		{uid: base + ".2", name: "explicit VR big endian", coding: coding{big: true}},
		{uid: base + ".1.99", name: "deflated explicit VR little endian", deflated: true},
		{uid: base + ".1.98", name: "encapsulated uncompressed", method: plainFragments},
		{uid: base + ".5", name: "RLE lossless", method: rle},
		{uid: base + ".4.50", name: "JPEG baseline", method: jpegDCT},
		{uid: base + ".4.51", name: "JPEG extended", method: jpegDCT},
		{uid: base + ".4.53", name: "JPEG spectral selection", method: jpegDCT},
		{uid: base + ".4.55", name: "JPEG progressive", method: jpegDCT},
		{uid: base + ".4.57", name: "JPEG lossless", method: jpegLossless},
		{uid: base + ".4.70", name: "JPEG lossless, first-order prediction", method: jpegLossless},
		{uid: base + ".4.80", name: "JPEG-LS lossless", method: jpegLS},
		{uid: base + ".4.81", name: "JPEG-LS near-lossless", method: jpegLS},
		{uid: base + ".4.90", name: "JPEG 2000 lossless", method: jpeg2000},
		{uid: base + ".4.91", name: "JPEG 2000", method: jpeg2000},
		{uid: base + ".4.92", name: "JPEG 2000 multi-component lossless", method: refused},
		{uid: base + ".4.93", name: "JPEG 2000 multi-component", method: refused},
		{uid: base + ".4.100", name: "MPEG-2", method: refused},
		{uid: base + ".4.101", name: "MPEG-2 high level", method: refused},
		{uid: base + ".4.102", name: "MPEG-4", method: refused},
		{uid: base + ".4.103", name: "MPEG-4 Blu-ray", method: refused},
		{uid: base + ".4.104", name: "MPEG-4 2D", method: refused},
		{uid: base + ".4.105", name: "MPEG-4 3D", method: refused},
		{uid: base + ".4.106", name: "MPEG-4 stereo", method: refused},
		{uid: base + ".4.107", name: "HEVC", method: refused},
		{uid: base + ".4.108", name: "HEVC 10-bit", method: refused},
		{uid: base + ".4.110", name: "JPEG XL lossless", method: refused},
		{uid: base + ".4.111", name: "JPEG XL recompression", method: refused},
		{uid: base + ".4.112", name: "JPEG XL", method: refused},
		{uid: base + ".4.201", name: "HTJ2K lossless", method: jpeg2000},
		{uid: base + ".4.202", name: "HTJ2K lossless RPCL", method: jpeg2000},
		{uid: base + ".4.203", name: "HTJ2K", method: jpeg2000},
		{uid: base + ".8.1", name: "deflated image frames", method: deflatedFrames},
	}
	for _, s := range table {
		if s.uid == uid {
			return s, nil
		}
	}
	return syntax{}, fmt.Errorf("transfer syntax %.64q", uid)
}
