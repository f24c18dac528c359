package imageio

// Description is what `nitrain info` tells about an image file; it never holds what JSON cannot.
type Description struct {
	Format       string            `json:"format"`
	Affine       [4][4]float64     `json:"affine"`  // to RAS+ mm
	AxisCodes    string            `json:"axcodes"` // "" where the file has no geometry
	Shape        []int             `json:"shape"`
	Components   int               `json:"components,omitempty"` // samples of a voxel that are stored together, where more than one
	Zooms        []float64         `json:"zooms"`
	Stored       string            `json:"stored"` // numpy's spelling of the type in the file
	AffineSource string            `json:"affine_source"`
	Slope        float64           `json:"slope"`
	Inter        float64           `json:"inter"`
	SformCode    int               `json:"sform_code,omitempty"`
	QformCode    int               `json:"qform_code,omitempty"`
	Syntax       string            `json:"transfer_syntax,omitempty"` // of DICOM
	Photometric  string            `json:"photometric,omitempty"`
	Tags         map[string]string `json:"tags,omitempty"` // of patient and study; only where a caller put them there
	Warnings     []string          `json:"warnings"`
	Raw          *Stats            `json:"raw,omitempty"`    // of the samples as stored
	Scaled       *Stats            `json:"scaled,omitempty"` // after slope and intercept
}

// Describe reads an image file's header and, if voxels, its samples for their figures.
func Describe(path string, voxels bool) (*Description, error) {
	return Options{}.Describe(path, voxels)
}

// Describe is the function Describe with options.
func (o Options) Describe(path string, voxels bool) (*Description, error) {
	f, err := o.Open(path)
	if err != nil {
		return nil, err
	}
	stored := f.Stored
	if f.head != nil {
		stored = f.head.Type.Numpy(f.head.Big)
	}
	d := &Description{
		Format: f.Format, Affine: f.Affine, Shape: f.Shape, Zooms: f.Zooms, Stored: stored,
		AffineSource: f.AffineSource, Slope: f.Slope, Inter: f.Inter, SformCode: f.SformCode, QformCode: f.QformCode,
		Warnings: append([]string{}, f.Warnings...),
	}
	if f.Components > 1 {
		d.Components = f.Components
	}
	if f.Spatial {
		d.AxisCodes = f.Affine.AxisCodes()
	}
	if f.series != nil {
		d.Syntax, d.Photometric = f.series.Syntax(), f.series.Layout.Photometric
	}
	if !voxels {
		return d, nil
	}
	raw, err := f.Raw()
	if err != nil {
		return nil, err
	}
	st := raw.Stats()
	d.Raw, d.Scaled = &st, &st
	if f.rescaled() {
		values, err := f.scale(raw)
		if err != nil {
			return nil, err
		}
		st := values.Stats()
		d.Scaled = &st
	}
	d.Warnings = append(d.Warnings, raw.Warnings...)
	return d, nil
}

// rescaled reports whether the stored samples are not the values themselves.
func (f *File) rescaled() bool {
	if f.series != nil {
		return f.series.Scaled()
	}
	return f.head.Scaled()
}
