# `make example` and `make test` do everything; each makes .venv first if it is not there.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.PHONY: help example test nightly lint type bench clean

help:
	@echo "make example   build //infra/create_labels:image in examples/receipts and invoke it"
	@echo "make test      run all tests"
	@echo "make lint      ruff"
	@echo "make type      mypy --strict"
	@echo "make nightly   the property tests, for longer"
	@echo "make bench     measure against git status, b3sum and others"

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

example: $(READY)
	$(BIN)/lambdabuild build -C examples/receipts //infra/create_labels:image
	$(BIN)/lambdabuild run -C examples/receipts //infra/create_labels:image --event '{"receipt_id": 7}'
	@echo "the image is an OCI layout: examples/receipts/lambdabuild-out/infra/create_labels/image"

test: $(READY)
	$(BIN)/python -m pytest -n auto

nightly: $(READY)
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -n auto tests

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(READY)
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
