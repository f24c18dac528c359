package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/predict"
	"github.com/nitrain/nitrain/predict/server/internal/oip"
)

// The tasks of the volume API.
const (
	taskSegment   = "segment"
	taskClassify  = "classify"
	taskAttribute = "attribute"
)

// Explainer says which voxels a prediction came from.
type Explainer interface {
	// Explain returns an image on the scan's own grid. It returns ctx's error when it is cancelled.
	Explain(ctx context.Context, q Question) (*imageio.Image, error)
}

// Question is what is to be explained.
type Question struct {
	Model     *Model
	Predictor *predict.Predictor
	Scans     []*imageio.Image // the channels of one scan, on one grid
	Method    string           // saliency, ig, gradcam, occlusion, ...; "" is the Explainer's choice
	Target    string           // as `nitrain explain --target` writes it; "" is the Explainer's choice
	// Progress may be called as the work goes on.
	Progress func(done, total int)
}

// RequestError says that what a client asked for cannot be: an Explainer wraps such errors in one, and the client
// gets their text with status 400.
type RequestError struct{ Err error }

func (e *RequestError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RequestError) Unwrap() error { return e.Err }

// volumeRequest is a scan and what is wanted of it.
type volumeRequest struct {
	tasks          []string
	output         string // labels, probabilities or volumes
	space          predict.Space
	mirror         bool
	method, target string
	scans          []string // files, one a channel or all in one
	samples        int64    // of all scans
}

// volumeRoutes adds the volume API to the router.
func (h *Handler) volumeRoutes(add func(string, scope, work)) {
	add("GET /api/v1/models", scopePredict, h.listModels)
	add("POST /api/v1/predict", scopePredict, h.predict)
	add("POST /api/v1/jobs", scopePredict, h.createJob)
	add("GET /api/v1/jobs", scopeAdmin, h.listJobs)
	add("GET /api/v1/jobs/{job}", scopePredict, h.getJob)
	add("DELETE /api/v1/jobs/{job}", scopePredict, h.deleteJob)
	add("GET /api/v1/jobs/{job}/events", scopePredict, h.jobEvents)
	add("GET /api/v1/jobs/{job}/result/{file}", scopePredict, h.jobResult)
}

// upload reads a request of the volume API. The caller must release the model and remove the folder.
func (h *Handler) upload(x *exchange, r *http.Request) (*volumeRequest, *served, *caseFolder, error) {
	if err := h.notReady(); err != nil {
		return nil, nil, nil, err
	}
	c, err := h.work.newCase()
	if err != nil {
		return nil, nil, nil, err
	}
	v, m, err := h.uploadTo(c, x, r)
	if err != nil {
		c.remove()
		return nil, nil, nil, err
	}
	return v, m, c, nil
}

func (h *Handler) uploadTo(c *caseFolder, x *exchange, r *http.Request) (*volumeRequest, *served, error) {
	query := r.URL.Query()
	body, _, err := h.openBody(x, r)
	if err != nil {
		return nil, nil, err
	}
	scans, err := c.receive(body, r.Header.Get("Content-Type"), query)
	if err != nil {
		return nil, nil, err
	}
	bodyRead(x)
	v, err := readVolumeRequest(query, scans)
	if err != nil {
		return nil, nil, err
	}
	if err := h.measure(v); err != nil {
		return nil, nil, err
	}
	m, err := h.chooseModel(x, query.Get("model"))
	if err != nil {
		return nil, nil, err
	}
	if err := h.fits(v, m); err != nil {
		h.release(m)
		return nil, nil, err
	}
	return v, m, nil
}

// receive stores the scans of a body: the body itself, or the files of a multipart form, whose other fields join
// the query.
func (c *caseFolder) receive(body io.Reader, contentType string, query url.Values) ([]string, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" {
		path, err := c.save(0, body)
		return []string{path}, err
	}
	const mostParts, mostField = 64, 4096
	var scans []string
	form := multipart.NewReader(body, params["boundary"])
	for range mostParts {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF) && len(scans) == 0:
			return nil, oip.Bad("the form has no file: want a field with a NIfTI image")
		case errors.Is(err, io.EOF):
			return scans, nil
		case err != nil:
			return nil, uploadFault(err)
		case part.FileName() != "":
			path, err := c.save(len(scans), part)
			if err != nil {
				return nil, err
			}
			scans = append(scans, path)
			continue
		}
		var value bytes.Buffer
		if _, err := io.Copy(&value, io.LimitReader(part, mostField)); err != nil {
			return nil, uploadFault(err)
		}
		query.Set(part.FormName(), value.String())
	}
	return nil, oip.Bad("the form has more than %d parts", mostParts)
}

// uploadFault says whose fault it is that a body could not be stored.
func uploadFault(err error) error {
	var fault *oip.Fault
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &large):
		return oip.TooLarge("the body has more than %d bytes", large.Limit)
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, multipart.ErrMessageTooLarge):
		return oip.Bad("the body ends early")
	}
	return oip.Bad("the body cannot be read: %v", err)
}

// readVolumeRequest reads the parameters, whose names and values are a closed set.
func readVolumeRequest(query url.Values, scans []string) (*volumeRequest, error) {
	v := &volumeRequest{output: "labels", scans: scans}
	for name := range query {
		value := query.Get(name)
		switch name {
		case "model":
		case "task":
			for task := range strings.SplitSeq(value, ",") {
				if !slices.Contains([]string{taskSegment, taskClassify, taskAttribute}, task) {
					return nil, oip.Bad("task: want segment, classify or attribute, got %q", shorten(task))
				}
				v.tasks = append(v.tasks, task)
			}
		case "output":
			if !slices.Contains([]string{"labels", "probabilities", "volumes"}, value) {
				return nil, oip.Bad("output: want labels, probabilities or volumes, got %q", shorten(value))
			}
			v.output = value
		case "grid":
			space, ok := map[string]predict.Space{"scan": predict.Scan, "model": predict.Model}[value]
			if !ok {
				return nil, oip.Bad("grid: want scan or model, got %q", shorten(value))
			}
			v.space = space
		case "tta":
			on, err := strconv.ParseBool(value)
			if err != nil {
				return nil, oip.Bad("tta: want true or false, got %q", shorten(value))
			}
			v.mirror = on
		case "method":
			v.method = value
		case "target":
			v.target = value
		default:
			return nil, oip.Bad("unknown parameter %q", shorten(name))
		}
	}
	return v, nil
}

// measure reads the headers of the scans and refuses those that are too large.
func (h *Handler) measure(v *volumeRequest) error {
	for _, path := range v.scans {
		f, err := h.imageOptions().Open(path)
		if err != nil {
			return err
		}
		n := int64(1)
		for _, d := range f.Shape {
			n *= int64(d) // Open has refused what overflows
		}
		v.samples += n
	}
	if v.samples > h.limits.Voxels {
		return oip.TooLarge("the scan has %d samples, the limit is %d", v.samples, h.limits.Voxels)
	}
	return nil
}

func (h *Handler) imageOptions() imageio.Options {
	return imageio.Options{MaxBytes: 4 * h.limits.Voxels}
}

// chooseModel returns the model of that name, or the only one where none is named.
func (h *Handler) chooseModel(x *exchange, name string) (*served, error) {
	if name == "" {
		var ready []string
		for _, e := range h.models.list() {
			if e.State == stateReady {
				ready = append(ready, e.Name)
			}
		}
		if len(ready) != 1 {
			return nil, oip.Bad("%d models are loaded: say which one with the parameter model", len(ready))
		}
		name = ready[0]
	}
	m, err := h.models.acquire(name, "")
	if err != nil {
		return nil, err
	}
	x.model = name
	return m, nil
}

func (h *Handler) release(m *served) {
	if err := h.models.release(m); err != nil {
		h.log.Error("close model", "model", m.name, "error", err.Error())
	}
}

// fits compares what is wanted with what the model does, and fills in its usual task.
func (h *Handler) fits(v *volumeRequest, m *served) error {
	if m.predictor == nil {
		return oip.Bad("model %q carries no Spec, which says how a scan becomes its input: it takes tensors only", m.name)
	}
	usual := usualTask(m.Spec.Task)
	if usual == "" {
		return oip.Faultf(http.StatusNotImplemented, "model %q does %s, which the volume API does not answer: ask `nitrain predict`, or send tensors", m.name, m.Spec.Task)
	}
	if len(v.tasks) == 0 {
		v.tasks = []string{usual}
	}
	for _, task := range v.tasks {
		switch {
		case task == taskAttribute && h.o.Explain == nil:
			return oip.Faultf(http.StatusNotImplemented, "this server has nothing that computes attributions")
		case task != taskAttribute && task != usual:
			return oip.Bad("model %q does %s, not the task %s", m.name, m.Spec.Task, task)
		}
	}
	return nil
}

// predict answers at once with an image, or with a job for a scan that takes long.
func (h *Handler) predict(x *exchange, r *http.Request) error {
	v, m, c, err := h.upload(x, r)
	if err != nil {
		return err
	}
	if v.samples > h.limits.SyncVoxels || strings.Contains(r.Header.Get("Prefer"), "respond-async") {
		return h.accept(x, v, m, c)
	}
	defer c.remove()
	defer h.release(m)
	if len(v.tasks) > 1 {
		return oip.Bad("an answer holds one image: ask for one task, or make a job")
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.limits.Time)
	defer cancel()
	result, err := h.compute(ctx, v, m, c, func(string, int, int) {})
	if err != nil {
		return err
	}
	x.Header().Set("Server-Timing", result.Timings.header())
	file := resultFile(v)
	if file == "" {
		x.reply(http.StatusOK, result)
		return nil
	}
	return c.send(x, r, file)
}

// resultFile returns the file that answers a request, "" where that is JSON.
func resultFile(v *volumeRequest) string {
	switch {
	case v.tasks[0] == taskAttribute:
		return attributionFile
	case v.tasks[0] == taskClassify || v.output == "volumes":
		return ""
	case v.output == "probabilities":
		return probabilitiesFile
	default:
		return predictionFile
	}
}
