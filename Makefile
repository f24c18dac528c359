# `make` lists the targets. On a fresh machine `make demo` and `make test` need Go, a C compiler, make, and pip, npm or a network.
.DEFAULT_GOAL := help
GO ?= go
LINT_VERSION = v2.15.0
FUZZTIME ?= 30s
PYTHON ?= python3

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: ## build ./bin/nitrain
	$(GO) build -trimpath -o bin/nitrain ./cmd/nitrain

setup: build ## fetch the native libraries for this machine into $NITRAIN_HOME (digest checked)
	bin/nitrain setup

demo: setup ## the whole loop on synthetic heads: import, fine-tune, export, evaluate, predict, explain, serve, share
	$(GO) build -trimpath -o bin/draw ./internal/phantom/draw
	$(GO) build -trimpath -o bin/ask ./predict/server/internal/ask
	$(GO) run ./internal/demo -o demo

plugin: build ## fetch XLA's CPU plugin for the tests of --device xla; they are skipped without it
	@bin/nitrain setup --with xla-cpu || echo "no plugin of XLA: its tests are skipped"

test: setup plugin ## set up, vet and test, with and without cgo; says what was skipped and why
	$(GO) vet ./...
	CGO_ENABLED=0 $(GO) vet ./...
	$(GO) test -json -timeout 14m ./... | $(GO) run ./internal/testreport
	CGO_ENABLED=0 $(GO) test -json -timeout 10m ./... | $(GO) run ./internal/testreport

# GoMLX's interpreter, the tests' oracle, forms pointers one past an array, which is harmless and which checkptr refuses.
asan: ## the C parts of the CPU engine under the address sanitizer
	$(GO) test -asan -gcflags='github.com/gomlx/...=-d=checkptr=0' -timeout 40m ./convert/internal/engine/kernel ./convert/internal/engine/cpu

race: setup ## the tests again under the race detector
	$(GO) test -race -gcflags='github.com/gomlx/...=-d=checkptr=0' -json -timeout 40m ./... | $(GO) run ./internal/testreport

lint: bin/golangci-lint ## formatting and linters
	bin/golangci-lint run ./...
	bin/golangci-lint fmt --diff

bin/golangci-lint:
	GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

tidy: ## go.mod and go.sum are up to date
	$(GO) mod tidy -diff

acceptance: demo ## what is long: real data, whole corpora, the demo's claims; writes its figures to docs/ (needs ../shared)
	NITRAIN_ACCEPTANCE=1 $(GO) test -json -timeout 120m -p 1 ./... | $(GO) run ./internal/testreport

fuzz: ## run every fuzz target for FUZZTIME (30s)
	@for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	  echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; done; done

bench: ## the benchmarks beside the code
	$(GO) test -run '^$$' -bench . ./...

bench-train: setup ## training steps, memory and starting time beside PyTorch's ($(PYTHON) with testdata/gen/requirements.txt; an idle machine)
	$(GO) build -o bin/benchtrain ./internal/benchtrain
	bin/benchtrain -python $(PYTHON) -data bin/bench-train -o docs/benchmarks.md
	bin/benchtrain -python $(PYTHON) -data bin/bench-train -robust -o docs/benchmarks.md

bench-predict: setup ## prediction from file to file beside MONAI's, cold start, a whole body in bounded memory ($(PYTHON) as above; an hour on an idle machine)
	$(GO) build -o bin/benchpredict ./internal/benchpredict
	bin/benchpredict -python $(PYTHON) -o docs/bench-predict.md $(BENCHFLAGS)
	bin/benchpredict -body -o docs/bench-predict.md $(BENCHFLAGS)

bench-imageio: ## imageio's speed beside nibabel, SimpleITK and MONAI, as docs/bench-imageio.md ($(PYTHON) with them; minutes on a quiet machine)
	$(GO) build -trimpath -o bin/bench-imageio ./imageio/internal/bench
	$(PYTHON) testdata/gen/bench_imageio.py bin/bench-imageio docs/bench-imageio.md

fixtures: ## train the demo's model anew and take PyTorch's numbers on it ($(PYTHON) with testdata/gen/requirements.txt; minutes)
	$(GO) build -trimpath -o bin/draw ./internal/phantom/draw
	bin/draw -o bin/heads/train -contrast a -seed 1 -n 48
	bin/draw -o bin/heads/test -contrast a -seed 501 -n 6
	$(PYTHON) testdata/gen/train_unet.py bin/heads testdata/models/unet3d_a.onnx
	$(PYTHON) testdata/gen/unet_steps.py testdata/models/unet3d_a.onnx testdata/ref
	$(PYTHON) testdata/gen/explain.py testdata/models/unet3d_a.onnx testdata/ref

check: build test race lint tidy ## everything that a change must pass

clean: ## remove what was built here (not the native libraries in $NITRAIN_HOME)
	rm -rf bin demo

.PHONY: help build setup plugin demo test race asan lint tidy acceptance fuzz bench bench-train bench-predict bench-imageio fixtures check clean
