# One place for every command of this project. `make help` lists them.

SHELL := /bin/bash

PYTHONS := 3.11 3.12 3.13
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.9
DEMO_READY := $(VENV)/.demo-ready
STUDIO_READY := $(VENV)/.studio-ready
TESTS_READY := $(VENV)/.tests-ready
AZURITE := .venv.azurite
AZURITE_READY := $(AZURITE)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-device demo-trial studio test lint types format unit quick versions fuzz mutants bench picture zoo prism image-check messages lock wheels clean chosen-python

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'
	@echo "  PYTHON=python3.13 chooses the Python that .venv is made of, VENV=.venv.3.13 another folder for it"

setup: $(TESTS_READY) $(AZURITE_READY) ## install everything into .venv, and Azurite into .venv.azurite

PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --progress-bar off
PIP := $(BIN)/python $(PIP_INSTALL)
GET_UV = { test -x $(UV) || $(PIP) uv==$(UV_VERSION) 2>/dev/null; }
# By uv, in seconds. Where uv cannot be had or fails: by pip, in minutes. uv's list of every package is left out.
# Compiled to bytecode, as pip does: without it each vetting child takes three times as long to begin.
install_into = { $(GET_UV) && (set -o pipefail; $(UV) pip install --compile-bytecode --python $(1) $(2) 2>&1 | sed '/^ [-+~] /d'); } \
	|| { echo "== uv did not do it; pip does, and takes some minutes"; $(1) $(PIP_INSTALL) $(2); }
install = $(call install_into,$(BIN)/python,$(1))

VERSION_OF = -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null

define make_venv
	@python=$(BIN)/python; test -x $$python || python=$(PYTHON); \
	version=$$($$python $(VERSION_OF)); \
	case " $(PYTHONS) " in *" $${version:-none} "*) ;; \
	*) echo "error: $$python is $${version:-not a }$${version:+ }Python: this runs on $(PYTHONS); try make PYTHON=python3.13" >&2; exit 1;; esac
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "== making $(VENV)"; $(PYTHON) -m venv $(VENV); }
endef

# A Python that was asked for by name must be the one in the folder, which may be of an earlier call.
ifneq ($(origin PYTHON),file)
$(DEMO_READY) $(STUDIO_READY) $(TESTS_READY): | chosen-python
endif

chosen-python:
	@test ! -x $(BIN)/python || test "$$($(BIN)/python $(VERSION_OF))" = "$$($(PYTHON) $(VERSION_OF))" \
		|| { echo "error: $(VENV) is not of $(PYTHON): make clean, or choose another folder, VENV=.venv.other" >&2; exit 1; }

$(DEMO_READY): requirements.txt tests/requirements.txt setup.py
	$(make_venv)
	@echo "== installing into $(VENV): about 160 packages, TensorFlow the largest; a minute on a fast network"
	@$(call install,-r requirements.txt -c tests/requirements.txt scikit-learn)
	@$(call install,--no-deps --no-build-isolation --editable .)
	@touch $@

$(TESTS_READY): $(DEMO_READY)
	@echo "== installing what the checks need besides"
	@$(call install,-r tests/requirements.txt)
	@# Kedro asks for it to be there, and it tells its makers of every run.
	@$(BIN)/python -m pip uninstall --quiet --disable-pip-version-check --yes kedro-telemetry
	@touch $@

demo: $(DEMO_READY) ## stream real images while the model is replaced; ends by itself
	@$(BIN)/python -m launch.demo

demo-device: $(DEMO_READY) ## a fleet of two devices whose model is replaced, and one that is bad; ends by itself
	@$(BIN)/python -m launch.demo.devices

demo-trial: $(DEMO_READY) ## a worse model tried and rolled back, a better one promoted; writes a report; ends by itself
	@$(BIN)/python -m launch.demo.trial $(if $(TRIAL),--trial "$(TRIAL)")

$(STUDIO_READY): $(DEMO_READY)
	@echo "== installing what the page needs besides"
	@$(call install,-c tests/requirements.txt --no-build-isolation --editable '.[studio]')
	@# Kedro asks for it to be there, and it tells its makers of every run.
	@$(BIN)/python -m pip uninstall --quiet --disable-pip-version-check --yes kedro-telemetry
	@touch $@

# What it keeps in .studio is its user's: `make clean` leaves it.
studio: $(STUDIO_READY) ## the page: draw, correct, and watch the model learn; Ctrl-C ends it; STUDIO="--port 8800"
	@$(BIN)/python -m launch.cli studio --folder .studio $(STUDIO)

# Clients of other makers, which the server must answer; what they need does not go with the pins of this project.
CLIENTS := .venv.clients
CLIENTS_READY := $(CLIENTS)/.ready

$(CLIENTS_READY): tests/serving/clients/requirements.txt $(TESTS_READY)
	@echo "== installing other makers' clients into $(CLIENTS)"
	@$(BIN)/python -m venv --clear $(CLIENTS)
	@$(call install_into,$(CLIENTS)/bin/python,-r $<)
	@touch $@

# Microsoft's stand-in of Azure Blob Storage. Without npm, or where that fails, the tests that need it are skipped.
$(AZURITE_READY): $(addprefix tests/azurite/,package.json package-lock.json .npmrc)
	@if ! command -v npm >/dev/null; then \
		echo "== npm is not installed: without Azurite, tests of az:// are skipped"; \
	else \
		echo "== installing Azurite into $(AZURITE): some 200 MB, half a minute"; \
		rm -rf $(AZURITE) && mkdir $(AZURITE) && cp $^ $(AZURITE) && (cd $(AZURITE) && npm ci --silent) && touch $@ \
			|| echo "== npm did not do it: without Azurite, tests of az:// are skipped"; \
	fi

test: lint types unit ## run every check

lint: $(TESTS_READY) ## style, format, and who may import whom
	@echo "== ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "== import-linter"
	@$(BIN)/lint-imports --no-logo

types: $(TESTS_READY) ## static types
	@echo "== mypy"
	@$(BIN)/mypy

unit: $(TESTS_READY) $(CLIENTS_READY) $(AZURITE_READY) ## the tests
	@echo "== pytest: about half an hour on two cores"
	@$(BIN)/python -m pytest

# What a version of Python could change, within a minute: the steps of the job, its options, engines and live models.
QUICK := tests/beam_pipeline tests/transforms $(addprefix tests/models/,engines test_live.py test_catalogue.py)

quick: $(TESTS_READY) ## the tests that tell soonest whether the job works
	@$(BIN)/python -m pytest -m "not end_to_end" $(QUICK)

versions: $(TESTS_READY) ## the demo and the quick tests on every other supported Python that is installed
	@for version in $(filter-out $(shell $(BIN)/python $(VERSION_OF)),$(PYTHONS)); do \
		found=; \
		for python in python$$version $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$version.*/bin/python; do \
			if $$python --version 2>/dev/null | grep -q "^Python $$version\."; then found=$$python; break; fi; \
		done; \
		if [ -z "$$found" ]; then echo "== Python $$version is not installed: left out"; continue; fi; \
		echo "== Python $$version: $$found"; \
		$(MAKE) --no-print-directory VENV=.venv.$$version PYTHON=$$found demo quick || exit 1; \
	done

format: $(TESTS_READY) ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

fuzz: $(TESTS_READY) ## mutate images, messages and models for as long as it takes
	@HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest tests/fuzz

# The tool has an environment of its own, so that nothing here is bound by what it needs.
MUTANTS_READY := .venv.mutants/.ready
MUTANTS ?= 200
SEED ?= 1

$(MUTANTS_READY): tests/mutants/requirements.txt $(TESTS_READY)
	@echo "== installing the mutation tool into .venv.mutants"
	@$(BIN)/python -m venv .venv.mutants
	@.venv.mutants/bin/python -m pip install --quiet --disable-pip-version-check --progress-bar off -r $<
	@touch $@

mutants: $(MUTANTS_READY) ## plant faults and see which no test finds; ONLY=models/live.py MUTANTS=200 SEED=1 TESTS=...
	@.venv.mutants/bin/python -m tests.mutants --python $(BIN)/python --mutants $(MUTANTS) --seed $(SEED) \
		--only "$(ONLY)" --tests $(TESTS)

bench: $(TESTS_READY) ## measure against Beam's stock handler, other servers and the bare machine; BENCH="--only server"
	@$(BIN)/python -m benchmarks $(BENCH)

picture: $(TESTS_READY) ## take pictures and a short film of the page, with Debian's Chromium; some minutes
	@$(BIN)/python -m benchmarks.studio.picture

zoo: $(TESTS_READY) ## vet every architecture of keras.applications, and write docs/models.md; ZOO="--only ResNet50"
	@$(BIN)/python -m benchmarks.zoo --page docs/models.md $(ZOO)

prism: $(DEMO_READY) ## build Beam's portable local runner, with Go
	@$(BIN)/python -m launch.prism

image-check: $(TESTS_READY) ## build the container and work in it; needs root, buildah and debootstrap; VARIANT=gpu or serving
	@$(BIN)/python -m tests.container $(if $(VARIANT),--variant $(VARIANT))

# One set of versions for every supported Python, with markers where they differ. Those in the files are kept if they can.
LOCK = $(UV) pip compile --quiet --universal --python-version $(firstword $(PYTHONS)) --fork-strategy fewest \
	--no-annotate --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

messages: $(TESTS_READY) $(CLIENTS_READY) ## write the messages that the server speaks anew, as their makers publish them
	@$(BIN)/python -m serving.messages.collect $(VENV)/lib/python3*/site-packages $(CLIENTS)/lib/python3*/site-packages

lock: ## write the pinned versions of the job, the tests and the server anew; UPGRADE=1 takes the newest
	$(if $(wildcard $(UV)),,$(make_venv))
	@$(GET_UV) || { echo "error: uv $(UV_VERSION) cannot be had, and pip cannot lock" >&2; exit 1; }
	@$(LOCK) --no-strip-extras --output-file requirements.txt setup.py
	@$(LOCK) --extra demo --extra bench --extra studio --constraints requirements.txt --output-file tests/requirements.txt \
		setup.py tests/requirements.in
	@$(LOCK) --constraints requirements.txt --override launch/container/left-out.in \
		--output-file launch/container/serving-requirements.txt setup.py

wheels: $(DEMO_READY) ## build the wheels of the job and of the edge into dist/
	@rm -rf build edge/build
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . ./edge
	@ls dist/*.whl

clean: ## remove what the commands above made
	rm -rf $(VENV) .venv.* .demo .bench .image-check build dist edge/build *.egg-info edge/*.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
