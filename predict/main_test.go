package predict_test

import (
	"os"
	"testing"

	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict"
)

func TestMain(m *testing.M) {
	ort.ProbeMain()
	predict.TrialMain()
	os.Exit(m.Run())
}
