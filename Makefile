# Start with `make run` and `make test`. CI runs `make check`. `make` alone lists all targets.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
IMAGE ?= sumsquares
BASE ?= $(shell sed -n 's/^ARG BASE=//p' Dockerfile)
WHEELS := $(wildcard $(PIP_FIND_LINKS))
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
TORCH_DOWNLOAD = $(BIN)/pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest .venv/wheels
HASHED := --require-hashes --no-deps --only-binary :all:
COMPILE = $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --no-header --no-annotate
but = $$(sed 's/==.*//; s/^/--no-emit-package /' $(1))
but_not_nvrtc = $$(sed '/^nvidia-cuda-nvrtc==/d; s/==.*//; s/^/--no-emit-package /' $(1))

BESIDE := --numprocesses auto --maxprocesses 4 --dist loadfile
IN_ORDER := $(BESIDE) --no-loadscope-reorder
BESIDE_EACH := --numprocesses auto --maxprocesses 4 --dist load
# The longest files begin first, so that none of them is left for the end.
LONG := $(shell cat tests/long.txt)
LONGEST_OF_KERNEL := lanes_library.py gpu_laws.py lanes_arm.py
OWN := attack or chaos or cluster or containers or damage or dist or kernel or signals or trackers
# Only the files that have such tests, since importing all of them takes twenty seconds.
marked = -m "$(1)" $(shell grep -lE 'mark\.$(firstword $(1))\b' tests/test_*.py)

.PHONY: help install run test test-fast test-long list-slow test-kernel test-table chaos test-signals check-signals
.PHONY: test-attack test-damage check-damage test-cluster test-containers browser dist image sbom lint check fmt bench lock clean

help:  ## lists the targets
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) \
	  | while IFS='|' read -r target does; do printf 'make %-16s %s\n' "$$target" "$$does"; done

install: .venv/installed  ## installs what running needs into .venv; TORCH_INDEX=URL is the index for torch, such as that of CPU builds

# torch comes last, when its other dependencies are installed with verified hashes (docs/supply-chain.md). Only torch itself
# comes from TORCH_INDEX, so that nothing else found there is trusted.
.venv/installed: requirements.lock requirements-torch.lock pyproject.toml setup.py sumsquares/__init__.py \
    $(wildcard jobs/engines/lanes/*.h jobs/engines/lanes/*.cpp datasets/functions/*.cpp)
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) $(HASHED) -r requirements.lock
	rm -rf .venv/wheels
	$(if $(TORCH_INDEX),$(TORCH_DOWNLOAD) --index-url $(TORCH_INDEX) $(shell grep '^torch==' requirements-torch.lock))
	$(PIP_INSTALL) --only-binary :all: $(if $(TORCH_INDEX),--find-links .venv/wheels) -c requirements-torch.lock torch
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

.venv/installed-dev: .venv/installed requirements-dev.lock
	$(PIP_INSTALL) $(HASHED) -r requirements-dev.lock
	touch $@

run: .venv/installed  ## runs the main job: trains the question's networks and prints the answer and where the report is
	$(BIN)/sumsquares run examples/question.toml --workers all

test: .venv/installed-dev  ## runs the tests but those that have a target of their own
	$(BIN)/python -m pytest $(BESIDE) $(addprefix --ignore=tests/,$(LONG)) -m "not ($(OWN) or long)"

test-fast: .venv/installed-dev  ## runs the tests that aren't in tests/slow.txt, while you work; about 40 seconds on two idle cores
	$(BIN)/python -m pytest $(BESIDE) $(addprefix --ignore=tests/,$(LONG)) -m "not ($(OWN) or long or slow)"

test-long: .venv/installed-dev  ## runs the test files that take longest, those in tests/long.txt
	$(BIN)/python -m pytest $(IN_ORDER) -m "long and not ($(OWN))" $(wildcard $(addprefix tests/,$(LONG)))

list-slow: .venv/installed-dev  ## runs both, and rewrites tests/slow.txt and tests/long.txt; needs an idle machine
	LIST_SLOW=1 $(BIN)/python -m pytest $(BESIDE) -m "not ($(OWN))"

test-kernel: .venv/installed-dev  ## runs the lanes kernel with sanitizers and for Arm, and the cuda kernels on an emulated GPU; compiles these by NVRTC
	$(BIN)/python -m pytest $(IN_ORDER) $(addprefix tests/test_,$(LONGEST_OF_KERNEL)) $(call marked,kernel)

test-table: .venv/installed-dev  ## compiles every cuda kernel of the table by NVRTC, of which test-kernel compiles a part
	WHOLE_TABLE=1 $(BIN)/python -m pytest tests/test_cuda_kernels.py

chaos: .venv/installed-dev  ## kills launchers and workers of real runs, and compares with an undisturbed run
	$(BIN)/python -m pytest $(call marked,chaos)

test-signals: .venv/installed-dev  ## sends forty signals and kills to runs on a local Ray, at random moments; about twenty minutes
	SIGNAL_ROUNDS=40 $(BIN)/python -m pytest $(call marked,signals)

check-signals: .venv/installed-dev  ## sends four of them
	$(BIN)/python -m pytest $(call marked,signals)

test-attack: .venv/installed-dev  ## attacks the Ray of real runs from other processes and another network
	$(BIN)/python -m pytest $(call marked,attack and not containers)

test-damage: .venv/installed-dev  ## damages every file of a store, puts foreign files in every place, and kills nights at every operation
	WHOLE_DAMAGE=1 $(BIN)/python -m pytest $(BESIDE_EACH) $(call marked,damage)

check-damage: .venv/installed-dev  ## does so with some of the files and places
	$(BIN)/python -m pytest $(BESIDE_EACH) $(call marked,damage)

test-cluster: .venv/installed-dev  ## submits to a real Ray cluster of three raylets with token authentication
	$(BIN)/python -m pytest $(call marked,cluster)

test-containers: .venv/installed-dev  ## builds the image and runs it, alone and as a cluster; needs a Docker Engine
	$(BIN)/python -m pytest $(call marked,containers)

# The wheel is made from the source distribution. Nothing is downloaded: the build back end is the installed one.
dist: .venv/installed-dev  ## builds dist/: the source distribution and the wheel, and tests both; about three minutes
	rm -rf dist build *.egg-info
	$(BIN)/uv build --quiet --offline --no-build-isolation --python $(BIN)/python --out-dir dist .
	DIST=dist $(BIN)/python -m pytest -m dist tests/test_dist.py

# MLflow's server needs an older pyarrow than ours, so it has an environment and a lock file of its own.
.venv-mlflow/installed: tests/mlflow_server/requirements.txt
	$(PYTHON) -m venv .venv-mlflow
	.venv-mlflow/bin/pip install --quiet --disable-pip-version-check $(HASHED) -r tests/mlflow_server/requirements.txt
	touch $@

test-trackers: .venv/installed-dev .venv-mlflow/installed  ## exports runs to a real MLflow server on loopback
	$(BIN)/python -m pytest $(call marked,trackers)

browser:  ## installs axe-core, with which the browser tests check the pages, by npm
	npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund

image:  ## builds the container image IMAGE on BASE; TORCH_INDEX=URL is the index for torch; uses wheels in PIP_FIND_LINKS
	$(if $(WHEELS),printf 'FROM $(BASE)\nCOPY *.whl /wheels/\nENV PIP_FIND_LINKS=/wheels\n' \
	  | docker build --quiet --tag $(IMAGE)-build --file - $(WHEELS))
	docker build --network host --tag $(IMAGE) $(if $(WHEELS),--build-arg BUILD_BASE=$(IMAGE)-build) \
	  --build-arg BASE=$(BASE) --build-arg TORCH_INDEX=$(TORCH_INDEX) --build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null) .

sbom:  ## prints the SBOM of IMAGE, in CycloneDX
	@docker run --rm --entrypoint cat $(IMAGE) /usr/share/sumsquares/sbom.json

lint: .venv/installed-dev  ## checks format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test test-long test-kernel check-damage chaos check-signals test-attack test-trackers test-cluster test-containers dist  ## runs everything that CI runs

fmt: .venv/installed-dev  ## formats, and applies the linter's automatic fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/installed-dev  ## runs the side-by-side measurements, a few minutes each
	$(BIN)/python benchmarks/generation.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/scale.py --synthetic
	$(BIN)/python benchmarks/endtoend.py --rounds 1
	$(BIN)/python benchmarks/own_rows.py --rounds 1

# One version of each package for all platforms and Python versions, from the index that pip is configured for, with the
# hashes of all its files. NVRTC is locked twice, at one version: torch's CUDA wheels require it, and tests need it beside a
# CPU build too. The loop at the end fails if a package has no wheel for one of the platforms.
lock: export UV_DEFAULT_INDEX = $(or $(PIP_INDEX_URL),$(shell $(BIN)/pip config get global.index-url 2> /dev/null))
lock: .venv/installed-dev  ## rewrites the lock files, with the newest versions that pyproject.toml allows
	rm -rf build/lock && mkdir -p build/lock
	$(COMPILE) --upgrade --extra s3 --output-file build/lock/all pyproject.toml
	grep -E '^(torch|triton|cuda-|nvidia-)' build/lock/all > requirements-torch.lock
	$(COMPILE) --generate-hashes --constraint build/lock/all --extra s3 $(call but,requirements-torch.lock) \
	  --output-file requirements.lock pyproject.toml
	$(COMPILE) --upgrade --generate-hashes --constraint build/lock/all --extra s3 --extra onnx --extra trees --extra mlflow --extra tensorboard --extra dev $(call but_not_nvrtc,build/lock/all) \
	  --output-file requirements-dev.lock pyproject.toml
	$(COMPILE) --upgrade --generate-hashes --constraint build/lock/all --output-file benchmarks/peers/requirements.txt \
	  benchmarks/peers/requirements.in
	$(COMPILE) --upgrade --generate-hashes --output-file tests/mlflow_server/requirements.txt \
	  tests/mlflow_server/requirements.in
	for python in 3.11 3.12 3.13; do \
	  for platform in x86_64-manylinux_2_28 aarch64-manylinux_2_28 aarch64-apple-darwin; do \
	    $(BIN)/uv pip install --quiet --dry-run --target build/lock/none --python-version $$python --python-platform $$platform \
	      $(HASHED) -r requirements.lock -r requirements-dev.lock -r benchmarks/peers/requirements.txt || exit; \
	  done; \
	done
	rm -rf build/lock

clean:  ## deletes everything that was made, including the store
	rm -rf .venv .venv-mlflow store sumsquares-demo build dist *.egg-info jobs/engines/lanes/*.so datasets/functions/*.so .mypy_cache .pytest_cache .ruff_cache .hypothesis
