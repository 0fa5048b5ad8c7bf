# What a newcomer types: `make run`, `make test`. What CI runs: `make check`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
IMAGE ?= sumsquares
WHEELS := $(wildcard $(PIP_FIND_LINKS))
TORCH_BUILD = s/^\(torch==[0-9.]*\)+.*/\1/

.PHONY: install run test test-kernel chaos check-signals test-attack test-cluster test-containers image lint check fmt bench lock clean

install: .venv/installed  ## what running needs, into .venv

.venv/installed: requirements.lock pyproject.toml setup.py $(wildcard jobs/engines/lanes/*.h jobs/engines/lanes/*.cpp)
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

.venv/installed-dev: .venv/installed requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	touch $@

run: .venv/installed  ## the main job: trains the question's networks, prints the answer, names summary and report
	$(BIN)/sumsquares run examples/question.toml --workers all

test: .venv/installed-dev  ## all tests but the long ones
	$(BIN)/python -m pytest -m "not (attack or chaos or cluster or containers or kernel or signals)"

test-kernel: .venv/installed-dev  ## compiles the lanes kernel with sanitizers, and for Arm, and runs it
	$(BIN)/python -m pytest -m kernel

chaos: .venv/installed-dev  ## kills launchers and workers of real runs, and compares with the quiet run
	$(BIN)/python -m pytest -m chaos

test-signals: .venv/installed-dev  ## forty signals and kills under a local Ray, at any moment; some twenty minutes
	SIGNAL_ROUNDS=40 $(BIN)/python -m pytest -m signals

check-signals: .venv/installed-dev  ## four of them
	$(BIN)/python -m pytest -m signals

test-attack: .venv/installed-dev  ## attacks the Ray of real runs from other processes and another network
	$(BIN)/python -m pytest -m "attack and not containers"

test-cluster: .venv/installed-dev  ## submits to a real Ray cluster of three raylets with token authentication
	$(BIN)/python -m pytest -m cluster

test-containers: .venv/installed-dev  ## builds the image and runs it, alone and as a cluster; needs a Docker Engine
	$(BIN)/python -m pytest -m containers

image:  ## the container image, IMAGE; TORCH_INDEX=URL takes torch from there; wheels in PIP_FIND_LINKS are used
	$(if $(WHEELS),printf 'FROM python:3.11-slim-bookworm\nCOPY *.whl /wheels/\nENV PIP_FIND_LINKS=/wheels\n' \
	  | docker build --quiet --tag $(IMAGE)-build --file - $(WHEELS))
	docker build --network host --tag $(IMAGE) $(if $(WHEELS),--build-arg BUILD_BASE=$(IMAGE)-build) \
	  --build-arg TORCH_INDEX=$(TORCH_INDEX) --build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null) .

lint: .venv/installed-dev  ## style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test test-kernel chaos check-signals test-attack test-cluster test-containers  ## what CI runs

fmt: .venv/installed-dev  ## formats, and mends what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/installed-dev  ## the side-by-side measurements, a few minutes each
	$(BIN)/python benchmarks/generation.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/scale.py --synthetic
	$(BIN)/python benchmarks/endtoend.py --rounds 1

lock:  ## writes both lock files anew from pyproject.toml, with the newest versions it allows
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet torch==2.13.0 && build/lock/bin/pip install --quiet ".[s3]" "setuptools>=77"
	build/lock/bin/pip freeze --all --exclude sumsquares --exclude pip | grep -v '^nvidia-\|^triton' \
	  | sed '$(TORCH_BUILD)' > requirements.lock
	build/lock/bin/pip install --quiet -c requirements.lock ".[s3,dev]"
	build/lock/bin/pip freeze --all --exclude sumsquares --exclude pip | grep -v '^nvidia-\|^triton' \
	  | sed '$(TORCH_BUILD)' | grep -vxFf requirements.lock > requirements-dev.lock
	rm -rf build *.egg-info

clean:  ## all that was made, the store too
	rm -rf .venv store build *.egg-info jobs/engines/lanes/*.so .mypy_cache .pytest_cache .ruff_cache .hypothesis
