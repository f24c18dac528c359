package ort

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	ProbeMain()
	os.Exit(m.Run())
}
