package server_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict/server"
)

func floats(v ...float32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func TestMetadata(t *testing.T) {
	_, url := serve(t, server.Options{Version: "v9"}, map[string]*server.Model{"a": {Run: echo(3, onnx.Float32)}, "b": bright(nil)})
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/v2/health/live", "", 200, ``},
		{"GET", "/v2/health/ready", "", 200, ``},
		{"GET", "/v2", "", 200, `{"extensions":["binary_tensor_data","model_repository","statistics","model_configuration","parameters"],"name":"nitrain","version":"v9"}`},
		{"GET", "/v2/", "", 200, `"name":"nitrain"`},
		{"GET", "/v2/models/a", "", 200, `{"inputs":[{"name":"in0","datatype":"FP32","shape":[-1,-1,-1]}],"name":"a",` +
			`"outputs":[{"name":"out0","datatype":"FP32","shape":[-1,-1,-1]}],"platform":"onnx_onnxv1","versions":["1"]}`},
		{"GET", "/v2/models/a/versions/1", "", 200, `"versions":["1"]`},
		{"GET", "/v2/models/a/versions/2", "", 404, `{"error":"model \"a\" has no version \"2\""}`},
		{"GET", "/v2/models/a/ready", "", 200, `{"name":"a","ready":true}`},
		{"GET", "/v2/models/a/versions/1/ready", "", 200, `{"name":"a","ready":true}`},
		{"GET", "/v2/models/nope", "", 404, `{"error":"unknown model \"nope\""}`},
		{"GET", "/v2/models/..%2f..%2fetc%2fpasswd", "", 404, `unknown model`},
		{"GET", "/v2/models/a/config", "", 200, `"max_batch_size":0`},
		{"GET", "/v2/models/a/stats", "", 200, `"inference_count":0`},
		{"GET", "/v2/models/nope/stats", "", 404, `unknown model`},
		{"POST", "/v2/repository/index", "", 200, `[{"name":"a","version":"1","state":"READY","reason":""},{"name":"b","version":"1","state":"READY","reason":""}]`},
		{"POST", "/v2/repository/index", `{"ready":true}`, 200, `"b"`},
		{"POST", "/v2/repository/index", `[`, 400, `not JSON`},
		{"POST", "/v2/repository/models/a/load", `{"parameters":{"config":"{}"}}`, 501, `own files only`},
		{"POST", "/v2/repository/models/a/load", `{"parameters":{"file:1/model.onnx":"AAAA"}}`, 501, `own files only`},
		{"POST", "/v2/repository/models/..%2fx/load", ``, 404, `unknown model`},
		{"POST", "/v2/repository/models/b/unload", `{"parameters":{"unload_dependents":false}}`, 200, ``},
		{"GET", "/v2/models/b/ready", "", 503, `not loaded`},
		{"POST", "/v2/models/b/infer", "{}", 503, `not loaded`},
		{"POST", "/v2/repository/index", `{"ready":true}`, 200, `[{"name":"a"`},
		{"GET", "/nothing", "", 404, `{"error":"there is nothing at this path"}`},
		{"PUT", "/v2/models/a", "", 405, `{"error":"want GET, HEAD"}`},
		{"GET", "/v2/models/a/infer", "", 405, `{"error":"want POST"}`},
	} {
		status, header, body := call(t, c.method, url+c.path, []byte(c.body))
		if status != c.status || !strings.Contains(string(body), c.want) {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, status, body, c.status, c.want)
		}
		if len(body) > 0 && (!json.Valid(body) || header.Get("Content-Type") != "application/json") {
			t.Errorf("%s %s: not JSON: %s", c.method, c.path, body)
		}
		if header.Get("X-Request-Id") == "" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: headers %v", c.method, c.path, header)
		}
	}
}

// TestInferForms sends one tensor in every form and asks for it back in every form.
func TestInferForms(t *testing.T) {
	_, url := serve(t, server.Options{}, map[string]*server.Model{"m": {Run: echo(2, onnx.Float32)}})
	raw := floats(1, -2.5, 1e-42, 16777217)
	const inJSON = `{"name":"in0","datatype":"FP32","shape":[2,2],"data":%s}`
	const inBinary = `{"name":"in0","datatype":"FP32","shape":[2,2],"parameters":{"binary_data_size":16}}`
	for name, c := range map[string]struct {
		json string
		raw  []byte
	}{
		"flat":   {json: `{"id":"x","inputs":[` + fmt.Sprintf(inJSON, `[1,-2.5,1e-42,16777216]`) + `]%s}`},
		"nested": {json: `{"id":"x","inputs":[` + fmt.Sprintf(inJSON, `[[1 , -2.5],[1e-42,16777216] ]`) + `]%s}`},
		"binary": {json: `{"id":"x","inputs":[` + inBinary + `]%s}`, raw: raw},
	} {
		for _, binaryOut := range []bool{false, true} {
			for _, ask := range []string{`,"outputs":[{"name":"out0","parameters":{"binary_data":%t}}]`, `,"parameters":{"binary_data_output":%t}`} {
				text := fmt.Sprintf(c.json, fmt.Sprintf(ask, binaryOut))
				var header []string
				if c.raw != nil {
					header = []string{"Inference-Header-Content-Length", strconv.Itoa(len(text))}
				}
				status, got, body := call(t, "POST", url+"/v2/models/m/infer", append([]byte(text), c.raw...), header...)
				if status != 200 {
					t.Fatalf("%s: %d %s", name, status, body)
				}
				if !binaryOut {
					want := `{"model_name":"m","model_version":"1","id":"x","outputs":[{"name":"out0","datatype":"FP32","shape":[2,2],"data":[1,-2.5,1e-42,1.6777216e+07]}]}`
					if string(body) != want || got.Get("Inference-Header-Content-Length") != "" {
						t.Errorf("%s: %s, want %s", name, body, want)
					}
					continue
				}
				n, err := strconv.Atoi(got.Get("Inference-Header-Content-Length"))
				if err != nil || got.Get("Content-Type") != "application/octet-stream" || !json.Valid(body[:n]) || !bytes.Equal(body[n:], raw) {
					t.Errorf("%s: %v %q", name, got, body)
				}
			}
		}
	}
	status, _, body := call(t, "POST", url+"/v2/models/m/infer", raw, "Inference-Header-Content-Length", "0")
	if status != 200 || !bytes.HasSuffix(body, raw) || !bytes.Contains(body, []byte(`"shape":[1,4]`)) {
		t.Errorf("a raw body: %d %q", status, body)
	}
}

// TestDatatypes sends the extremes of every type through JSON and binary data.
func TestDatatypes(t *testing.T) {
	for name, c := range map[string]struct {
		dtype onnx.DType
		text  string
		bad   string // elements of the same number that do not fit
	}{
		"BOOL":   {onnx.Bool, `[true,false]`, `[true,2]`},
		"UINT8":  {onnx.Uint8, `[0,255]`, `[0,256]`},
		"UINT16": {onnx.Uint16, `[0,65535]`, `[0,-1]`},
		"UINT32": {onnx.Uint32, `[0,4294967295]`, `[0,4294967296]`},
		"UINT64": {onnx.Uint64, `[0,18446744073709551615]`, `[0,1.5]`},
		"INT8":   {onnx.Int8, `[-128,127]`, `[-129,127]`},
		"INT16":  {onnx.Int16, `[-32768,32767]`, `[-32768,32768]`},
		"INT32":  {onnx.Int32, `[-2147483648,2147483647]`, `[1,"2"]`},
		"INT64":  {onnx.Int64, `[-9223372036854775808,9223372036854775807]`, `[1,null]`},
		"FP32":   {onnx.Float32, `[3.4028235e+38,1e-45]`, `[3.5e+38,0]`},
		"FP64":   {onnx.Float64, `[1.7976931348623157e+308,5e-324]`, `[true,1]`},
		"BYTES":  {onnx.String, `["","a\"b\u0000é"]`, `["a",1]`},
	} {
		_, url := serve(t, server.Options{}, map[string]*server.Model{"m": {Run: echo(1, c.dtype)}})
		send := func(data, out string) (int, http.Header, []byte) {
			return call(t, "POST", url+"/v2/models/m/infer", fmt.Appendf(nil, `{"inputs":[{"name":"in0","datatype":%q,"shape":[2],"data":%s}]%s}`, name, data, out))
		}
		status, _, body := send(c.text, "")
		var got struct {
			Outputs []struct{ Data json.RawMessage }
		}
		if status != 200 || json.Unmarshal(body, &got) != nil {
			t.Errorf("%s: %d %s", name, status, body)
			continue
		}
		var a, b any
		if json.Unmarshal([]byte(c.text), &a) != nil || json.Unmarshal(got.Outputs[0].Data, &b) != nil || fmt.Sprint(a) != fmt.Sprint(b) || name != "BYTES" && string(got.Outputs[0].Data) != c.text {
			t.Errorf("%s: %s, want %s", name, got.Outputs[0].Data, c.text)
		}
		if status, _, body := send(c.bad, ""); status != 400 {
			t.Errorf("%s: %s: %d %s, want 400", name, c.bad, status, body)
		}
		status, header, body := send(c.text, `,"parameters":{"binary_data_output":true}`)
		n, err := strconv.Atoi(header.Get("Inference-Header-Content-Length"))
		if status != 200 || err != nil {
			t.Errorf("%s: binary: %d %s", name, status, body)
			continue
		}
		text := fmt.Sprintf(`{"inputs":[{"name":"in0","datatype":%q,"shape":[2],"parameters":{"binary_data_size":%d}}]}`, name, len(body)-n)
		status, _, back := call(t, "POST", url+"/v2/models/m/infer", append([]byte(text), body[n:]...), "Inference-Header-Content-Length", strconv.Itoa(len(text)))
		if status != 200 || !bytes.Contains(back, got.Outputs[0].Data) {
			t.Errorf("%s: back: %d %s, want %s", name, status, back, got.Outputs[0].Data)
		}
	}
}

func TestHalfTravelsBinary(t *testing.T) {
	_, url := serve(t, server.Options{}, map[string]*server.Model{"m": {Run: echo(1, onnx.Float16)}})
	text := `{"inputs":[{"name":"in0","datatype":"FP16","shape":[2],"parameters":{"binary_data_size":4}}],"parameters":{"binary_data_output":%t}}`
	for binaryOut, want := range map[bool]int{true: 200, false: 400} {
		body := fmt.Sprintf(text, binaryOut)
		status, _, got := call(t, "POST", url+"/v2/models/m/infer", append([]byte(body), 0, 60, 0, 188), "Inference-Header-Content-Length", strconv.Itoa(len(body)))
		if status != want {
			t.Errorf("binary %t: %d %s", binaryOut, status, got)
		}
	}
	if status, _, got := call(t, "POST", url+"/v2/models/m/infer", []byte(`{"inputs":[{"name":"in0","datatype":"FP16","shape":[1],"data":[1]}]}`)); status != 400 {
		t.Errorf("FP16 in JSON: %d %s", status, got)
	}
}

// TestBadRequests sends what nobody should send: each gets its status, and the server goes on.
func TestBadRequests(t *testing.T) {
	limits := server.Limits{Request: 1 << 20, JSON: 64 << 10}
	_, url := serve(t, server.Options{Limits: limits}, map[string]*server.Model{
		"m": {Run: echo(2, onnx.Float32)}, "two": {Run: echo(1, onnx.Float32, onnx.Int32)},
	})
	in := func(shape, rest string) string {
		return `{"inputs":[{"name":"in0","datatype":"FP32","shape":` + shape + rest + `}]}`
	}
	bin := func(n string) string { return `,"parameters":{"binary_data_size":` + n + `}` }
	pack := func(close func(b *bytes.Buffer) interface {
		Write([]byte) (int, error)
		Close() error
	}, raw []byte,
	) string {
		var b bytes.Buffer
		w := close(&b)
		if _, err := w.Write(raw); err != nil || w.Close() != nil {
			t.Fatal("cannot pack")
		}
		return b.String()
	}
	gz := func(raw []byte) string {
		return pack(func(b *bytes.Buffer) interface {
			Write([]byte) (int, error)
			Close() error
		} {
			return gzip.NewWriter(b)
		}, raw)
	}
	deflate := pack(func(b *bytes.Buffer) interface {
		Write([]byte) (int, error)
		Close() error
	} {
		return zlib.NewWriter(b)
	}, []byte(in("[1,1]", `,"data":[1]`)))
	for name, c := range map[string]struct {
		model, body string
		header      []string
		status      int
		want        string
	}{
		"fine":                  {"m", in("[1,1]", `,"data":[1]`), nil, 200, ""},
		"empty":                 {"m", ``, nil, 400, "not JSON"},
		"no object":             {"m", `[]`, nil, 400, "not JSON"},
		"cut JSON":              {"m", `{"inputs":[{"name":`, nil, 400, "not JSON"},
		"no inputs":             {"m", `{}`, nil, 400, "lacks input"},
		"one of two":            {"two", in("[1]", `,"data":[1]`), nil, 400, `lacks input \"in1\"`},
		"twice":                 {"two", `{"inputs":[{"name":"in0","datatype":"FP32","shape":[1],"data":[1]},{"name":"in0","datatype":"FP32","shape":[1],"data":[1]}]}`, nil, 400, "twice"},
		"unknown input":         {"m", `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1]}]}`, nil, 400, "no input"},
		"unknown output":        {"m", `{"outputs":[{"name":"x"}],"inputs":[{"name":"in0","datatype":"FP32","shape":[1,1],"data":[1]}]}`, nil, 400, "no output"},
		"output twice":          {"m", `{"outputs":[{"name":"out0"},{"name":"out0"}],"inputs":[{"name":"in0","datatype":"FP32","shape":[1,1],"data":[1]}]}`, nil, 400, "twice"},
		"wrong type":            {"m", `{"inputs":[{"name":"in0","datatype":"INT32","shape":[1,1],"data":[1]}]}`, nil, 400, "want FP32"},
		"unknown type":          {"m", `{"inputs":[{"name":"in0","datatype":"FP99","shape":[1,1],"data":[1]}]}`, nil, 400, "want FP32"},
		"wrong rank":            {"m", in("[1]", `,"data":[1]`), nil, 400, "shape"},
		"negative size":         {"m", in("[-1,1]", `,"data":[1]`), nil, 400, "negative"},
		"size not whole":        {"m", in("[1.5,1]", `,"data":[1]`), nil, 400, "JSON"},
		"size over int64":       {"m", in("[99999999999999999999,1]", `,"data":[1]`), nil, 400, "JSON"},
		"product overflows":     {"m", in("[9223372036854775807,9223372036854775807]", bin("4")), []string{"+"}, 400, "too many"},
		"product wraps":         {"m", in("[4294967296,4294967296]", bin("0")), []string{"+"}, 400, "too many"},
		"huge":                  {"m", in("[1000000,1000000]", bin("4000000000000")), []string{"+"}, 413, "more than"},
		"huge JSON shape":       {"m", in("[100000,100000]", `,"data":[1]`), nil, 400, "fewer"},
		"too few":               {"m", in("[1,3]", `,"data":[1,2]`), nil, 400, "elements"},
		"too many":              {"m", in("[1,1]", `,"data":[1,2]`), nil, 400, "more"},
		"ragged":                {"m", in("[2,2]", `,"data":[[1,2,3],[4]]`), nil, 400, "nested"},
		"too deep":              {"m", in("[1,1]", `,"data":[[[1]]]`), nil, 400, "deeper"},
		"mixed":                 {"m", in("[1,2]", `,"data":[1,[2]]`), nil, 400, "mixes"},
		"text":                  {"m", in("[1,1]", `,"data":["1"]`), nil, 400, "want FP32"},
		"no list":               {"m", in("[1,1]", `,"data":1`), nil, 400, "list"},
		"no data":               {"m", in("[1,1]", ``), nil, 400, "neither"},
		"both data":             {"m", in("[1,1]", `,"data":[1]`+bin("4")), []string{"+"}, 400, "data and"},
		"size wrong":            {"m", in("[1,1]", bin("5")), []string{"+", "12345"}, 400, "binary_data_size is 5"},
		"size negative":         {"m", in("[1,1]", bin("-4")), []string{"+"}, 400, "negative"},
		"truncated":             {"m", in("[1,2]", bin("8")), []string{"+", "1234"}, 400, "bytes"},
		"trailing":              {"m", in("[1,1]", bin("4")), []string{"+", "12345"}, 400, "bytes"},
		"no header":             {"m", in("[1,1]", bin("4")), nil, 400, "Inference-Header-Content-Length"},
		"header not a number":   {"m", "{}", []string{"Inference-Header-Content-Length", "x"}, 400, "number"},
		"header negative":       {"m", "{}", []string{"Inference-Header-Content-Length", "-1"}, 400, "number"},
		"header too large":      {"m", "{}", []string{"Inference-Header-Content-Length", "3"}, 400, "body has 2"},
		"header over the limit": {"m", "{}", []string{"Inference-Header-Content-Length", "9000000"}, 413, "limit"},
		"JSON over the limit":   {"m", strings.Repeat(" ", 65<<10), nil, 413, "limit"},
		"body over the limit":   {"m", strings.Repeat(" ", 2<<20), nil, 413, "limit"},
		"raw of two":            {"two", "1234", []string{"Inference-Header-Content-Length", "0"}, 400, "raw body"},
		"raw not whole":         {"m", "123", []string{"Inference-Header-Content-Length", "0"}, 400, "do not fill"},
		"shared memory":         {"m", in("[1,1]", `,"parameters":{"shared_memory_region":"x"}`), nil, 501, "not supported"},
		"classification":        {"m", `{"outputs":[{"name":"out0","parameters":{"classification":2}}],"inputs":[]}`, nil, 501, "not supported"},
		"encoding":              {"m", "x", []string{"Content-Encoding", "br"}, 415, "br"},
		"gzip":                  {"m", gz([]byte(in("[1,1]", `,"data":[1]`))), []string{"Content-Encoding", "gzip"}, 200, ""},
		"deflate":               {"m", deflate, []string{"Content-Encoding", "deflate"}, 200, ""},
		"not gzip":              {"m", "plain", []string{"Content-Encoding", "gzip"}, 400, "not gzip"},
		"cut gzip":              {"m", gz([]byte(in("[1,1]", `,"data":[1]`)))[:40], []string{"Content-Encoding", "gzip"}, 400, "damaged"},
		"gzip bomb":             {"m", gz(bytes.Repeat([]byte(" "), 64<<20)), []string{"Content-Encoding", "gzip"}, 413, "more than"},
		"gzip bomb, binary":     {"m", gz(append([]byte(in("[1,16777216]", bin("67108864"))), make([]byte, 64<<20)...)), []string{"Content-Encoding", "gzip", "Inference-Header-Content-Length", strconv.Itoa(len(in("[1,16777216]", bin("67108864"))))}, 413, "more than"},
	} {
		header := c.header
		if len(header) > 0 && header[0] == "+" {
			header = []string{"Inference-Header-Content-Length", strconv.Itoa(len(c.body))}
			if len(c.header) > 1 {
				c.body += c.header[1]
			}
		}
		status, _, body := call(t, "POST", url+"/v2/models/"+c.model+"/infer", []byte(c.body), header...)
		if status != c.status || !strings.Contains(string(body), c.want) {
			t.Errorf("%s: %d %s, want %d %q", name, status, body, c.status, c.want)
		}
		if c.status != 200 && !strings.HasPrefix(string(body), `{"error":`) {
			t.Errorf("%s: the error is %s", name, body)
		}
	}
	if status, _, body := call(t, "POST", url+"/v2/models/m/infer", []byte(in("[1,1]", `,"data":[1]`))); status != 200 {
		t.Errorf("afterwards: %d %s", status, body)
	}
}

func TestNotANumber(t *testing.T) {
	_, url := serve(t, server.Options{}, map[string]*server.Model{"m": {Run: echo(1, onnx.Float32)}})
	text := `{"inputs":[{"name":"in0","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}]}`
	status, _, body := call(t, "POST", url+"/v2/models/m/infer", append([]byte(text), floats(float32(math.NaN()))...), "Inference-Header-Content-Length", strconv.Itoa(len(text)))
	if status != 400 || !strings.Contains(string(body), "binary_data") {
		t.Errorf("NaN in JSON: %d %s", status, body)
	}
}
