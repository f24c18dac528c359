package bias

import (
	"math"
	"math/bits"
	"math/cmplx"
)

// sharpening maps logarithms to where they would be without the field's blur: a Wiener deconvolution of their
// histogram by a Gaussian, and the expected true value at each blurred one (Sled, Zijdenbos and Evans, IEEE Trans.
// Medical Imaging 17, 1998).
type sharpening struct {
	lo, step  float64
	o         Options
	histogram []float64
	expected  []float64
}

func newSharpening(lo, hi float64, o Options) *sharpening {
	return &sharpening{lo: lo, step: (hi - lo) / float64(o.Bins-1), o: o, histogram: make([]float64, o.Bins)}
}

// place returns the bin below a value and how far above it the value lies.
func (s *sharpening) place(v float64) (int, float64) {
	x := (v - s.lo) / s.step
	k := min(max(int(x), 0), len(s.histogram)-1)
	return k, x - float64(k)
}

func (s *sharpening) count(v float64) {
	k, t := s.place(v)
	if k == len(s.histogram)-1 {
		s.histogram[k]++
		return
	}
	s.histogram[k] += 1 - t
	s.histogram[k+1] += t
}

// at returns the expected value.
func (s *sharpening) at(v float64) float64 {
	k, t := s.place(v)
	if k == len(s.expected)-1 {
		return s.expected[k]
	}
	return s.expected[k] + (s.expected[k+1]-s.expected[k])*t
}

func (s *sharpening) sharpen() {
	n := 2 << bits.Len(uint(len(s.histogram)-1)) // twice the next power of two
	offset := (n - len(s.histogram)) / 2
	v := make([]complex128, n)
	for i, h := range s.histogram {
		v[offset+i] = complex(h, 0)
	}
	blur := s.blur(n)
	fft(blur, false)
	fft(v, false)
	for i, b := range blur {
		wiener := cmplx.Conj(b) / (cmplx.Conj(b)*b + complex(s.o.Noise, 0))
		v[i] *= complex(real(wiener), 0)
	}
	fft(v, true)
	moment := make([]complex128, n)
	for i := range v {
		u := max(real(v[i]), 0)
		v[i] = complex(u, 0)
		moment[i] = complex((s.lo+float64(i-offset)*s.step)*u, 0)
	}
	for _, x := range [][]complex128{v, moment} {
		fft(x, false)
		for i, b := range blur {
			x[i] *= b
		}
		fft(x, true)
	}
	s.expected = make([]float64, len(s.histogram))
	for i := range s.expected {
		if d := real(v[offset+i]); d != 0 {
			s.expected[i] = real(moment[offset+i]) / d
		}
	}
}

// blur returns the Gaussian around place 0, cyclic.
func (s *sharpening) blur(n int) []complex128 {
	fwhm := s.o.FWHM / s.step
	decay, height := 4*math.Ln2/(fwhm*fwhm), 2*math.Sqrt(math.Ln2/math.Pi)/fwhm
	g := make([]complex128, n)
	for i := range g {
		d := float64(min(i, n-i))
		g[i] = complex(height*math.Exp(-d*d*decay), 0)
	}
	return g
}

// fft transforms in place a power of two of values; the inverse divides by their number.
func fft(x []complex128, inverse bool) {
	n := len(x)
	shift := 64 - bits.Len(uint(n-1))
	for i := range x {
		if j := int(bits.Reverse64(uint64(i)) >> shift); j > i {
			x[i], x[j] = x[j], x[i]
		}
	}
	sign := -2 * math.Pi
	if inverse {
		sign = -sign
	}
	for half := 1; half < n; half *= 2 {
		for k := range half {
			sin, cos := math.Sincos(sign * float64(k) / float64(2*half))
			w := complex(cos, sin)
			for i := k; i < n; i += 2 * half {
				a, b := x[i], x[i+half]*w
				x[i], x[i+half] = a+b, a-b
			}
		}
	}
	if inverse {
		for i := range x {
			x[i] /= complex(float64(n), 0)
		}
	}
}
