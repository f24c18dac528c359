package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// server hands out data in a way of its own.
type server struct {
	data   []byte
	ranges bool
	cuts   int // connections that end early
	opened []int64
	err    error
}

func (s *server) open(_ context.Context, offset int64) (io.ReadCloser, int64, error) {
	s.opened = append(s.opened, offset)
	if s.err != nil {
		return nil, 0, s.err
	}
	start := int64(0)
	if s.ranges {
		start = offset
	}
	data := s.data[min(start, int64(len(s.data))):]
	if s.cuts > 0 {
		s.cuts--
		data = data[:rand.IntN(len(data))]
		return io.NopCloser(io.MultiReader(bytes.NewReader(data), broken{})), start, nil
	}
	return io.NopCloser(bytes.NewReader(data)), start, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestTransfer(t *testing.T) {
	good := make([]byte, 100_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(good)
	bad := bytes.Clone(good)
	bad[77] ^= 1
	for name, c := range map[string]struct {
		server server
		part   []byte
		want   string // of the error
		opened int    // connections; 0: any
	}{
		"whole":                          {server{data: good}, nil, "", 1},
		"empty part":                     {server{data: good, ranges: true}, []byte{}, "", 1},
		"three cuts":                     {server{data: good, ranges: true, cuts: 3}, nil, "", 4},
		"three cuts, no ranges":          {server{data: good, cuts: 3}, nil, "", 4},
		"part":                           {server{data: good, ranges: true}, good[:40_000], "", 1},
		"part, no ranges":                {server{data: good}, good[:40_000], "", 1},
		"whole part":                     {server{data: good}, good, "", 0},
		"part of something longer":       {server{data: good}, append(bytes.Clone(good), 1, 2, 3), "", 1},
		"damaged part":                   {server{data: good, ranges: true}, bad[:40_000], "", 2},
		"damaged whole part":             {server{data: good, ranges: true}, bad, "", 1},
		"damaged server":                 {server{data: bad}, nil, "want 100000 bytes of", 1},
		"damaged server and part":        {server{data: bad, ranges: true}, good[:40], "want 100000 bytes of", 2},
		"too short":                      {server{data: good[:99_999], ranges: true}, nil, "99999 of 100000 bytes arrived", 0},
		"too long is cut":                {server{data: append(bytes.Clone(good), 9)}, nil, "", 1},
		"refused for good":               {server{err: permanentError{errors.New("403 Forbidden")}}, nil, "403 Forbidden", 1},
		"a server that is always silent": {server{err: errors.New("502")}, nil, "0 of 100000 bytes arrived: 502", attempts},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sum := sha256.Sum256(good)
			tr := transfer{
				name: "f", part: filepath.Join(t.TempDir(), "f.part"), size: int64(len(good)), want: hex.EncodeToString(sum[:]),
				hash: sha256.New, open: c.server.open, wait: time.Millisecond,
			}
			if c.part != nil {
				if err := os.WriteFile(tr.part, c.part, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			err := tr.run(context.Background())
			if c.opened > 0 && len(c.server.opened) != c.opened {
				t.Errorf("want %d connections, got them at %v", c.opened, c.server.opened)
			}
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("want an error with %q, got %v", c.want, err)
				}
				var damaged *DigestError
				if _, serr := os.Stat(tr.part); errors.As(err, &damaged) && serr == nil {
					t.Error("want a part that cannot be right removed")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(tr.part); err != nil || !bytes.Equal(got, good) {
				t.Errorf("got %d bytes that are not the ones, %v", len(got), err)
			}
		})
	}
}
