package register

import (
	"fmt"
	"math"
	"strconv"

	"github.com/nitrain/nitrain/imageio"
)

// affine returns the transform's matrix and its centre, both LPS: y = M(x-c) + c + t. The parameters are those of
// ITK 5's classes of the same names.
func (t itkTransform) affine() (imageio.Affine, [3]float64, error) {
	var m [3][3]float64
	var at int // of the translation among the parameters
	p := t.parameters
	switch t.name {
	case "AffineTransform", "MatrixOffsetTransformBase":
		if err := t.want(12); err != nil {
			return imageio.Affine{}, [3]float64{}, err
		}
		m, at = [3][3]float64{{p[0], p[1], p[2]}, {p[3], p[4], p[5]}, {p[6], p[7], p[8]}}, 9
	case "Euler3DTransform":
		if err := t.want(6); err != nil {
			return imageio.Affine{}, [3]float64{}, err
		}
		m, at = euler(p[0], p[1], p[2], len(t.fixed) > 3 && t.fixed[3] != 0), 3
	case "VersorRigid3DTransform":
		if err := t.want(6); err != nil {
			return imageio.Affine{}, [3]float64{}, err
		}
		m, at = versor(p[0], p[1], p[2]), 3
	case "Similarity3DTransform":
		if err := t.want(7); err != nil {
			return imageio.Affine{}, [3]float64{}, err
		}
		m, at = versor(p[0], p[1], p[2]), 3
		for i := range 3 {
			for j := range 3 {
				m[i][j] *= p[6]
			}
		}
	case "ScaleTransform":
		if err := t.want(3); err != nil {
			return imageio.Affine{}, [3]float64{}, err
		}
		m, at = [3][3]float64{{p[0]}, {0, p[1]}, {0, 0, p[2]}}, -1
	case "TranslationTransform":
		if err := t.want(3); err != nil {
			return imageio.Affine{}, [3]float64{}, err
		}
		m = [3][3]float64{{1}, {0, 1}, {0, 0, 1}}
	case "IdentityTransform":
		return imageio.Identity(), [3]float64{}, nil
	default:
		return imageio.Affine{}, [3]float64{}, &FormatError{
			Field: "transform", Want: "an affine one", Got: clip(t.name),
			hint: "warps are not supported: apply them with the program that made them",
		}
	}
	c, err := t.center()
	if err != nil {
		return imageio.Affine{}, c, err
	}
	a := about(m, c)
	if at >= 0 {
		for i := range 3 {
			a[i][3] += p[at+i]
		}
	}
	return a, c, nil
}

func (t itkTransform) want(n int) error {
	if len(t.parameters) == n {
		return nil
	}
	return &FormatError{Field: "Parameters", Want: fmt.Sprintf("%d for %s", n, t.name), Got: strconv.Itoa(len(t.parameters))}
}

// center returns the fixed parameters; a transform without them turns about the origin.
func (t itkTransform) center() ([3]float64, error) {
	switch {
	case len(t.fixed) == 0:
		return [3]float64{}, nil
	case len(t.fixed) < 3:
		return [3]float64{}, &FormatError{Field: "FixedParameters", Want: "3", Got: strconv.Itoa(len(t.fixed))}
	}
	return [3]float64(t.fixed[:3]), nil
}

// euler returns Z·X·Y, or Z·Y·X, of rotations about the axes in radians.
func euler(x, y, z float64, zyx bool) [3][3]float64 {
	rx, ry, rz := rotation([3]float64{x}), rotation([3]float64{0, y}), rotation([3]float64{0, 0, z})
	if zyx {
		return mul(rz, mul(ry, rx))
	}
	return mul(rz, mul(rx, ry))
}

// versor returns the rotation of a unit quaternion's vector part.
func versor(x, y, z float64) [3][3]float64 {
	sine := math.Sqrt(x*x + y*y + z*z)
	if sine == 0 {
		return rotation([3]float64{})
	}
	k := 2 * math.Asin(min(sine, 1)) / sine
	return rotation([3]float64{x * k, y * k, z * k})
}
