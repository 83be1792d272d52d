# One place for every command of this project. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types format unit fuzz bench prism clean

help: ## list these commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(INSTALLED) ## install everything into .venv

$(INSTALLED): requirements.txt tests/requirements.txt setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: $(PYTHON) is older than 3.11; try make PYTHON=python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "== making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "== installing into $(VENV): about 170 packages, TensorFlow the largest; a few minutes the first time"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar off -r tests/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(INSTALLED) ## stream real images while the model is replaced; ends by itself
	@$(BIN)/python -m launch.demo

test: lint types unit ## run every check

lint: $(INSTALLED) ## style and format
	@echo "== ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(INSTALLED) ## static types
	@echo "== mypy"
	@$(BIN)/mypy

unit: $(INSTALLED) ## the tests
	@echo "== pytest: about ten minutes on two cores"
	@$(BIN)/python -m pytest

format: $(INSTALLED) ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

fuzz: $(INSTALLED) ## mutate images and messages for as long as it takes
	@HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest tests/fuzz

bench: $(INSTALLED) ## measure against Beam's stock handler and against the bare machine
	@$(BIN)/python -m benchmarks

prism: $(INSTALLED) ## build Beam's portable local runner, with Go
	@$(BIN)/python -m launch.prism

clean: ## remove what the commands above made
	rm -rf $(VENV) .demo .bench build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
