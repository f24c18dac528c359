package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// maxDownload is the size of the largest release archive that is accepted, in bytes.
const maxDownload = 512 << 20

// releaseArchive downloads the archive that the ONNX Runtime project publishes.
func (a artifact) releaseArchive() method {
	return method{
		name: "release archive", folder: "release", done: "onnxruntime.tgz", member: a.releaseLib,
		fetch: func(ctx context.Context, dir string, _ func(string)) error {
			client := &http.Client{CheckRedirect: onlyHTTPS, Transport: transport()}
			return download(ctx, client, a.release, filepath.Join(dir, "onnxruntime.tgz"))
		},
	}
}

func transport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 30 * time.Second
	return t
}

func onlyHTTPS(r *http.Request, via []*http.Request) error {
	if r.URL.Scheme != "https" {
		return fmt.Errorf("redirected to %s, want https", r.URL.Scheme)
	}
	if len(via) > 10 {
		return errors.New("more than 10 redirects")
	}
	return nil
}

// download fetches an address into path. It goes through path.part, which a later call continues.
func download(ctx context.Context, client *http.Client, address, path string) error {
	part, err := os.OpenFile(path+".part", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer part.Close()
	have, err := part.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	resp, err := get(ctx, client, address, have)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusPartialContent && have > 0:
	case resp.StatusCode == http.StatusOK:
		have, err = 0, restart(part)
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && have > 0:
		err = errors.Join(restart(part), errors.New("the part kept from an earlier try does not fit, run setup again"))
	default:
		err = fmt.Errorf("the server answered %s", resp.Status)
	}
	if err != nil {
		return err
	}
	if err := copyLimited(part, resp.Body, maxDownload-have); err != nil {
		return err
	}
	if err := errors.Join(part.Sync(), part.Close()); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

// get asks for an address from byte have on.
func get(ctx context.Context, client *http.Client, address string, have int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	return client.Do(req)
}

func restart(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.Seek(0, io.SeekStart)
	return err
}
