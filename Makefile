# Skiff. `make help` lists what can be made.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
CACHE   := $(CURDIR)/.cache
LINT    := $(CACHE)/bin/golangci-lint-v2.12.2
GUEST   := $(CACHE)/guests/hello.wasm

# What the tests build guests with, as Debian names it.
TEST_PACKAGES := clang lld wasi-libc libclang-rt-dev-wasm32 nodejs npm

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-10s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/skiff
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/skiff ./cmd/skiff

.PHONY: run
run: build $(GUEST) ## Start an appliance on 127.0.0.1:8080 with the Go example deployed
	bin/skiff serve --dev --example $(GUEST)

$(GUEST): $(wildcard bootstrap/wasm/skiff/*.go bootstrap/wasm/examples/go/*.go)
	@mkdir -p $(@D)
	GOOS=wasip1 GOARCH=wasm $(GO) build -buildmode=c-shared -trimpath -ldflags '-s -w' -o $@ ./bootstrap/wasm/examples/go

.PHONY: test
test: test-tools ## Run every test with the race detector
	$(GO) test -race -timeout 25m ./...

.PHONY: test-tools
test-tools: ## Install what the tests need (with apt-get, as root)
	@packaging/test-tools $(TEST_PACKAGES)

.PHONY: prove
prove: test-tools ## Run the long proofs: kills and full disks (as root)
	$(GO) test -tags prove -timeout 120m ./core/store/...

.PHONY: fuzz
fuzz: ## Fuzz every parser for 20 seconds each
	@for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' .); do \
		for name in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9]+)\(.*/\1/p' $$f); do \
			echo "$$f $$name"; $(GO) test -run '^$$' -fuzz "^$$name$$" -fuzztime 20s ./$$(dirname $$f) || exit 1; \
		done; \
	done

.PHONY: check
check: $(LINT) ## Check format, vet, lint and who imports whom
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these files"; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) vet -tags prove ./...
	GOOS=wasip1 GOARCH=wasm $(GO) vet ./bootstrap/wasm/skiff ./bootstrap/wasm/examples/...
	GOARCH=arm64 CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/skiff
	$(LINT) run ./...
	$(GO) test -count=1 ./core/internal/layout

$(LINT):
	@mkdir -p $(@D)
	GOBIN=$(@D) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2
	@mv $(@D)/golangci-lint $@

.PHONY: cover
cover: test-tools ## Show how much of each package the tests run
	$(GO) test -coverprofile coverage.out -coverpkg ./... ./...
	$(GO) tool cover -func coverage.out | tail -1
	@$(GO) tool cover -html coverage.out -o coverage.html && echo "coverage.html shows every line"

.PHONY: bench
bench: build ## Build bin/skiff-bench and list its scenarios
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/skiff-bench ./bench/cmd/skiff-bench
	@bin/skiff-bench list

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin dist coverage.*
