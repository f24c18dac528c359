package finetune

import (
	"encoding/binary"
	"math/rand/v2"
)

// stream returns the random numbers of one sample, epoch or tensor. They depend on nothing but the
// arguments, so that a run that is resumed draws what an uninterrupted one does.
func stream(seed uint64, why purpose, index uint64) *rand.Rand {
	var key [32]byte
	for i, v := range []uint64{seed, uint64(why), index} {
		binary.LittleEndian.PutUint64(key[8*i:], v)
	}
	return rand.New(rand.NewChaCha8(key))
}

// purpose keeps the random streams of a run apart.
type purpose uint64

const (
	forOrder purpose = iota + 1
	forSample
	forHead
)
