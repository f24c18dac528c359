package gunzip

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

func pack(t testing.TB, level int, parts ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, p := range parts {
		z, err := gzip.NewWriterLevel(&b, level)
		if err != nil {
			t.Fatal(err)
		}
		z.Name, z.Comment, z.Extra = "a name", "a remark", []byte("extra")
		if _, err := z.Write(p); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func unpack(packed []byte, ignore bool) ([]byte, *Reader, error) {
	r, err := NewReader(bytes.NewReader(packed), ignore)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return b, r, err
}

// samples are data of every texture: noise, words of two bytes, runs, text, nothing.
func samples() [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	var out [][]byte
	for _, n := range []int{0, 1, 5, 300, 40000, 97 << 10, 300000, 1 << 20} {
		noise, words, runs, text := make([]byte, n), make([]byte, n), make([]byte, n), []byte{}
		for i := range n {
			noise[i] = byte(r.Uint32())
			words[i] = byte(r.NormFloat64()*20) * byte(1-i%2)
			if i > 0 && r.IntN(50) > 0 {
				runs[i] = runs[i-1]
			} else {
				runs[i] = byte(r.Uint32())
			}
		}
		for len(text) < n {
			text = append(text, strings.Repeat("grey matter ", r.IntN(9))...)
			text = append(text, byte(r.IntN(256)))
		}
		out = append(out, noise, words, runs, text[:n])
	}
	return out
}

// TestSameAsStandard: what the standard library wrote at every level comes back.
func TestSameAsStandard(t *testing.T) {
	for i, want := range samples() {
		for _, level := range []int{gzip.NoCompression, gzip.HuffmanOnly, 1, 6, 9} {
			got, r, err := unpack(pack(t, level, want), false)
			if err != nil || !bytes.Equal(got, want) || r.Trailing {
				t.Fatalf("sample %d, level %d: %d bytes, %v", i, level, len(got), err)
			}
		}
	}
}

func TestMembersAndWhatFollows(t *testing.T) {
	a, b := []byte("first"), bytes.Repeat([]byte("second"), 50000)
	packed := pack(t, 6, a, b, nil, a)
	want := string(a) + string(b) + string(a)
	got, r, err := unpack(packed, false)
	if err != nil || string(got) != want || r.Trailing {
		t.Fatalf("members: %d bytes, %v", len(got), err)
	}
	if got, r, err = unpack(append(packed, "remark"...), false); err != nil || string(got) != want || !r.Trailing {
		t.Fatalf("with a remark: %d bytes, %v", len(got), err)
	}
}

func TestDamage(t *testing.T) {
	want := samples()[19]
	packed := pack(t, 6, want)
	for _, cut := range []int{1, 9, 40, len(packed) / 2, len(packed) - 9, len(packed) - 1} {
		if _, _, err := unpack(packed[:cut], false); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	wrong := bytes.Clone(packed)
	wrong[len(wrong)-6]++
	if _, _, err := unpack(wrong, false); !errors.Is(err, ErrChecksum) {
		t.Errorf("checksum: %v", err)
	}
	got, r, err := unpack(wrong, true)
	if err != nil || !r.Mismatch || !bytes.Equal(got, want) {
		t.Errorf("ignored checksum: %v", err)
	}
	if _, _, err := unpack([]byte("\x1f\x8b\x07nothing else"), false); !errors.Is(err, ErrHeader) {
		t.Errorf("header: %v", err)
	}
}

// TestClosedEarly: a reader may be left in the middle.
func TestClosedEarly(t *testing.T) {
	r, err := NewReader(bytes.NewReader(pack(t, 1, make([]byte, 1<<22))), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
}

// FuzzSameAsStandard: damaged data fail here when they fail there, and else give the same.
func FuzzSameAsStandard(f *testing.F) {
	for _, s := range samples()[:16] {
		f.Add(pack(f, 6, s))
		f.Add(pack(f, 1, s, s))
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		got, r, err := unpack(packed, false)
		z, zerr := gzip.NewReader(bytes.NewReader(packed))
		if zerr != nil {
			return
		}
		z.Multistream(false)
		want, zerr := io.ReadAll(io.LimitReader(z, 1<<24))
		if zerr == nil && !bytes.HasPrefix(got, want) || err == nil && zerr != nil && !r.Trailing {
			t.Errorf("%d bytes, %v; the standard library %d, %v", len(got), err, len(want), zerr)
		}
	})
}
