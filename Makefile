# Everything a fresh machine needs: Python 3.11 with its venv module, and make.
# `make up` runs Burnline with its demo fleet; `make test` passes the tests; both prepare .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV_VERSION := 0.13.9
TORCH := torch==2.13.0
WORKERS ?= 2

.PHONY: help setup up test test-engines lint soak lock clean

help:
	@echo "make up      run Burnline with a demo fleet until Ctrl-C (sets up first)"
	@echo "make test    lint, type-check and test (sets up first)"
	@echo "make test-engines  only the tests at real engines and routers, which it installs (2.6 GB)"
	@echo "make setup   only prepare $(VENV)"
	@echo "make soak    the ten-minute run: ledger against journal"
	@echo "make lock    write requirements.lock anew from pyproject.toml"

setup: $(READY)

$(READY): pyproject.toml requirements.lock
	@echo "==> preparing $(VENV) (exactly what requirements.lock says)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@# Not in the lock: a CPU build has another hash than PyPI's wheel. pip takes a local build where it is told of one.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)" 2>$(VENV)/torch.log || { cat $(VENV)/torch.log; exit 1; }
	@touch $(READY)

up: $(READY)
	@$(BIN)/burnline up --demo

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not soak and not slow_engine" --cov --cov-report=term:skip-covered -q

# 6 minutes, most of it starts of vLLM and Ray; installing takes half a minute, and building llama.cpp 6 minutes of CPU.
test-engines: $(READY)
	for engine in vllm routers triton torchserve ray llamacpp; do .ci/engines/install-$$engine || exit 1; done
	BURNLINE_NO_SKIPS=1 $(BIN)/python -m pytest -n 0 tests/e2e/engines -q

soak: $(READY)
	$(BIN)/python -m pytest -m soak -q

lock: $(READY)
	$(BIN)/uv pip compile pyproject.toml --extra dev --generate-hashes --no-header --quiet --output-file requirements.lock --python $(BIN)/python

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
