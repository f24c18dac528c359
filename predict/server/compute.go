package server

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/predict"
	"github.com/nitrain/nitrain/predict/server/internal/oip"
)

// The files of a result.
const (
	predictionFile    = "prediction.nii.gz"
	probabilitiesFile = "probabilities.nii.gz"
	attributionFile   = "attribution.nii.gz"
)

// result is what became of a scan.
type result struct {
	Model   string                     `json:"model"`
	Version string                     `json:"version"`
	Digest  string                     `json:"digest,omitempty"`
	Tasks   []string                   `json:"tasks"`
	Volumes []predict.Volume           `json:"volumes,omitempty"`
	Classes []predict.ClassProbability `json:"classes,omitempty"`
	Files   []string                   `json:"files"`
	Timings timings                    `json:"seconds"`
}

// timings are seconds by stage.
type timings struct {
	Queue   float64 `json:"queue"`
	Read    float64 `json:"read"`
	Prepare float64 `json:"prepare"`
	Compute float64 `json:"compute"` // the model's windows and their way back to the scan's grid
	Explain float64 `json:"explain,omitempty"`
	Write   float64 `json:"write"`
}

// header returns the timings in milliseconds for the header Server-Timing.
func (t timings) header() string {
	var parts []string
	for _, p := range []struct {
		name    string
		seconds float64
	}{{"queue", t.Queue}, {"read", t.Read}, {"prepare", t.Prepare}, {"compute", t.Compute}, {"explain", t.Explain}, {"write", t.Write}} {
		parts = append(parts, fmt.Sprintf("%s;dur=%.1f", p.name, 1000*p.seconds))
	}
	return strings.Join(parts, ", ")
}

// clock measures stage after stage.
type clock struct{ last time.Time }

func (c *clock) lap(into *float64) {
	now := time.Now()
	*into += now.Sub(c.last).Seconds()
	c.last = now
}

// compute does all that is wanted of a scan when its turn comes, and leaves images in the folder.
func (h *Handler) compute(ctx context.Context, v *volumeRequest, m *served, c *caseFolder, stage func(name string, done, total int)) (res *result, err error) {
	start := time.Now()
	res = &result{Model: m.name, Version: m.version, Digest: m.Digest, Tasks: v.tasks, Files: []string{}}
	defer func() {
		err = m.hide(err)
		used := spent{
			queue: seconds(res.Timings.Queue), input: seconds(res.Timings.Read + res.Timings.Prepare),
			compute: seconds(res.Timings.Compute + res.Timings.Explain), output: seconds(res.Timings.Write),
		}
		h.count(m, used, 1, time.Since(start), err)
	}()
	leave, _, err := h.gate.enter(ctx)
	if err != nil {
		return res, err
	}
	defer leave()
	watch := &clock{last: start}
	watch.lap(&res.Timings.Queue)
	stage("read", 0, 0)
	channels, err := h.readScans(v)
	if err != nil {
		return res, err
	}
	watch.lap(&res.Timings.Read)
	if slices.Contains(v.tasks, taskSegment) || slices.Contains(v.tasks, taskClassify) {
		if err := predictScan(ctx, v, m, c, channels, res, watch, stage); err != nil {
			return res, err
		}
	}
	if slices.Contains(v.tasks, taskAttribute) {
		if err := h.explainScan(ctx, v, m, c, channels, res, watch, stage); err != nil {
			return res, err
		}
	}
	return res, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// readScans reads the uploads. What programs left in their headers beside geometry does not reach the results.
func (h *Handler) readScans(v *volumeRequest) ([]*imageio.Image, error) {
	out := make([]*imageio.Image, len(v.scans))
	for i, path := range v.scans {
		im, err := h.imageOptions().Read(path)
		if err != nil {
			return nil, err
		}
		if im.Source != nil {
			plain := *im.Source
			plain.Extensions = nil
			im.Source = &plain
		}
		out[i] = im
	}
	return out, nil
}

func predictScan(ctx context.Context, v *volumeRequest, m *served, c *caseFolder, channels []*imageio.Image, res *result, watch *clock, stage func(string, int, int)) error {
	stage("prepare", 0, 0)
	prepared, err := m.predictor.Prepare(channels...)
	if err != nil {
		return scanFault(err)
	}
	watch.lap(&res.Timings.Prepare)
	got, err := m.predictor.PredictPrepared(ctx, prepared, predict.Request{
		Space: v.space, Probabilities: v.output == "probabilities", Mirror: v.mirror,
		Progress: func(done, total int) { stage("window", done, total) },
	})
	if err != nil {
		return err
	}
	res.Volumes, res.Classes = got.Volumes(), got.Classes
	watch.lap(&res.Timings.Compute)
	stage("write", 0, 0)
	for _, f := range []struct {
		name  string
		image *imageio.Image
	}{{predictionFile, got.Labels}, {probabilitiesFile, got.Probabilities}} {
		if f.image == nil {
			continue
		}
		if err := c.write(f.name, f.image); err != nil {
			return err
		}
		res.Files = append(res.Files, f.name)
	}
	watch.lap(&res.Timings.Write)
	return nil
}

func (h *Handler) explainScan(ctx context.Context, v *volumeRequest, m *served, c *caseFolder, channels []*imageio.Image, res *result, watch *clock, stage func(string, int, int)) error {
	stage("explain", 0, 0)
	heat, err := h.o.Explain.Explain(ctx, Question{
		Model: m.Model, Predictor: m.predictor, Scans: channels, Method: v.method, Target: v.target,
		Progress: func(done, total int) { stage("explain", done, total) },
	})
	if err != nil {
		return err
	}
	watch.lap(&res.Timings.Explain)
	stage("write", 0, 0)
	if err := c.write(attributionFile, heat); err != nil {
		return err
	}
	res.Files = append(res.Files, attributionFile)
	watch.lap(&res.Timings.Write)
	return nil
}

// write stores an image that only this user may read.
func (c *caseFolder) write(name string, im *imageio.Image) error {
	path := filepath.Join(c.dir, name)
	if err := imageio.Write(path, im); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	return c.take(info.Size())
}

// send answers with a file; ranges of it may be asked for.
func (c *caseFolder) send(x *exchange, r *http.Request, name string) error {
	f, err := os.Open(filepath.Join(c.dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Now().Add(bodyTime))
	x.Header().Set("Content-Type", "application/gzip")
	x.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	if r.Method == http.MethodPost {
		x.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
		x.WriteHeader(http.StatusOK)
		_, _ = f.WriteTo(x) // a client that went away
		return nil
	}
	http.ServeContent(x, r, name, info.ModTime(), f)
	return nil
}

// scanFault says that a scan, which a client sent, does not go through a model's steps.
func scanFault(err error) error {
	if f := faultOf(err); f.Status != http.StatusInternalServerError {
		return f
	}
	return oip.Bad("%s", err.Error())
}
