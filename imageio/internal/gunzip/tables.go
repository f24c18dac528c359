package gunzip

import "math/bits"

// Tables of codes are indexed by the next bits of the stream, lowest first, and looked up once or, for codes longer
// than their main part, twice. The layout of entries, and the decoding loop, are those of libdeflate's
// deflate_decompress.c (E. Biggers), with pairs of literals in one entry.
const (
	litBits  = 11
	distBits = 8
	// sizes that suffice for all codes (zlib's examples/enough.c).
	litSize  = 2342
	distSize = 402
)

// An entry's lowest byte is how many bits it takes, extra bits with it. What is in the rest:.
const (
	literal     = 1 << 31 // one byte at bit 8, or with pair a second one at bit 16
	pair        = 1 << 30
	exceptional = 1 << 29 // of the literal table: end of block, a further table, or nonsense
	ended       = 1 << 28 // end of block
	further     = 1 << 27 // a further table from the place at bit 12 (15 bits), indexed by as many bits as bits 8 to 11 say
	// otherwise a length at bit 16 and the bits of the code alone in bits 8 to 12; of a distance, the same with
	// distance at bit 16.
	exceptionalDist = 1 << 31
)

type litTable [1 << 12]uint32 // litSize, and masks need no check

type distTable [1 << 9]uint32

// lengthEntry is the entry of a symbol of the literal table, without the code's bits.
func lengthEntry(symbol int) (entry uint32, extra int) {
	switch {
	case symbol < 256:
		return literal | uint32(symbol)<<8, 0
	case symbol == 256:
		return exceptional | ended, 0
	case symbol < 265:
		return uint32(symbol-254) << 16, 0
	case symbol < 285:
		extra = (symbol - 261) / 4
		return uint32((4+(symbol-261)%4)<<extra+3) << 16, extra
	case symbol == 285:
		return 258 << 16, 0
	}
	return exceptional, 0 // 286 and 287 stand for nothing
}

func distanceEntry(symbol int) (entry uint32, extra int) {
	switch {
	case symbol < 4:
		return uint32(symbol+1) << 16, 0
	case symbol < 30:
		extra = symbol/2 - 1
		return uint32((2+symbol%2)<<extra+1) << 16, extra
	}
	return exceptionalDist, 0
}

// build fills a table from the lengths of the codes. It reports whether they make a complete code; a code of a
// single symbol of one bit, or of none, is allowed as everywhere.
func build(table []uint32, mainBits, most int, lengths []uint8, entryOf func(int) (uint32, int), nonsense, sub uint32) bool {
	var count, next [16]int
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	used, code := 0, 0
	for n := 1; n <= 15; n++ {
		code = (code + count[n-1]) << 1
		next[n] = code
		used += count[n] << (15 - n)
	}
	for i := range 1 << mainBits {
		table[i] = nonsense | 1
	}
	if used != 1<<15 && !(used == 0 || used == 1<<14 && count[1] == 1) {
		return false
	}
	// how deep the further table of each main entry must be
	var depth [1 << litBits]uint8
	code0 := next
	for _, n := range lengths {
		if int(n) > mainBits {
			prefix := reverse(next[n], int(n)) & (1<<mainBits - 1)
			depth[prefix] = max(depth[prefix], n-uint8(mainBits))
		}
		next[n]++
	}
	next = code0
	end := 1 << mainBits
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		at := reverse(next[n], int(n))
		next[n]++
		entry, extra := entryOf(symbol)
		if int(n) <= mainBits {
			e := entry | uint32(n) + uint32(extra)
			if entry&(literal|exceptional) == 0 || sub == exceptionalDist {
				e |= uint32(n) << 8
			}
			for i := at; i < 1<<mainBits; i += 1 << n {
				table[i] = e
			}
			continue
		}
		prefix := at & (1<<mainBits - 1)
		deep := int(depth[prefix])
		if table[prefix]&further == 0 {
			if end+1<<deep > most {
				return false
			}
			table[prefix] = sub | further | uint32(end)<<12 | uint32(deep)<<8 | uint32(mainBits)
			end += 1 << deep
		}
		start := int(table[prefix] >> 12 & 0x7fff)
		left := int(n) - mainBits
		e := entry | uint32(left) + uint32(extra)
		if entry&(literal|exceptional) == 0 || sub == exceptionalDist {
			e |= uint32(left) << 8
		}
		for i := at >> mainBits; i < 1<<deep; i += 1 << left {
			table[start+i] = e
		}
	}
	return true
}

func reverse(code, n int) int { return int(bits.Reverse16(uint16(code)) >> (16 - n)) }

// pairs joins two literals into one entry where both codes fit.
func pairs(t *litTable) {
	var single [1 << litBits]uint32
	copy(single[:], t[:])
	for i, e := range single {
		if e&literal == 0 {
			continue
		}
		n := e & 0xff
		second := single[i>>n]
		if second&literal != 0 && n+second&0xff <= litBits {
			t[i] = literal | pair | e&0xff00 | second&0xff00<<8 | (n + second&0xff)
		}
	}
}
