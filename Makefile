# `make example` and `make test` do everything; each makes .venv first if it is not there.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.PHONY: help example test soak nightly lint type worker cloud bench bench-packages bench-push bench-questions bench-remote bench-actions clean

help:
	@echo "make example   build examples/receipts, and invoke its three functions"
	@echo "make test      run the tests; of what takes minutes to try at every point, some points"
	@echo "make soak      try it at every point: the tests that make test leaves out"
	@echo "make lint      ruff"
	@echo "make type      mypy --strict"
	@echo "make worker    build/worker/worker.pex, which runs inside builds on CodeBuild"
	@echo "make cloud     AWS on this machine until Ctrl-C: S3, CodeBuild, a registry; prints what to export"
	@echo "make nightly   all tests, with far more examples of each property, and make soak"
	@echo "make bench     no-ops, edits, hashing and memory beside git status, ninja, b3sum and Bazel"
	@echo "make bench-packages   measure layers of packages against pip and uv, and cold starts"
	@echo "make bench-remote  what builds on CodeBuild send: 200 commits, against the stand-in"
	@echo "make bench-push  pushes beside docker and skopeo, builds on a large base, compressing"
	@echo "make bench-actions  what an action costs beside its tool's work: 500 to 5,000 ready ones"
	@echo "make bench-questions  query, affected and why on a large monorepo, beside Bazel's query"

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable '.[dev]'
	@touch $@

example: $(READY)
	$(BIN)/lambdabuild build -C examples/receipts //...
	$(BIN)/lambdabuild run -C examples/receipts //infra/create_labels:image --event '{"receipt_id": 7}'
	$(BIN)/lambdabuild run -C examples/receipts //infra/process_receipt:image --event '{"receipt_id": 7}'
	$(BIN)/lambdabuild run -C examples/receipts //infra/list_receipts:image
	@echo "images are OCI layouts below examples/receipts/lambdabuild-out"

# The tests of a module run in one process, and share what it makes for them once. What takes long is
# begun first (tests/conftest.py).
PYTEST := $(BIN)/python -m pytest -n auto --dist loadscope --no-loadscope-reorder

test: $(READY)
	$(PYTEST) -m "not slow" $(ARGS)

soak: $(READY)
	$(PYTEST) -m slow $(ARGS)

nightly: $(READY)
	HYPOTHESIS_PROFILE=long $(PYTEST) $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(READY)
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m benchmarks.run

bench-packages: $(READY)
	$(BIN)/python -m benchmarks.packages

bench-push: $(READY)
	$(BIN)/python -m benchmarks.push

bench-questions: $(READY)
	$(BIN)/python -m benchmarks.questions

bench-actions: $(READY)
	$(BIN)/python -m benchmarks.actions

bench-remote: $(READY)
	$(BIN)/python -m benchmarks.replay

worker: $(READY)
	@mkdir -p build/worker
	$(BIN)/python -c 'from pathlib import Path; from lambdabuild.setup.worker_pex import make_worker; \
	made = make_worker(Path("build/worker/worker.pex")); print(made.sha256, made.path)'

cloud: $(READY)
	@$(BIN)/python -m tests.cloud

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
