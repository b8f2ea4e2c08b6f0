# Needs: make, python3 >= 3.11 with venv and pip. `make help` lists what there is.
PYTHON ?= python3
VENV ?= .venv
LOCKS := provisioning/locks
# The checkout's weights, not the copy that an install leaves under share/.
export WAYSIDE_MODELS ?= $(CURDIR)/models
# The tests start hundreds of processes, and each would compile the same code anew.
unexport PYTHONDONTWRITEBYTECODE

# Most tests wait for real processes, so more of them than cores run side by side. WORKERS=0: one after the other.
WORKERS ?= 4

PIP := $(VENV)/bin/python -m pip --quiet --disable-pip-version-check
# --no-deps: the lock names everything; --no-build-isolation: the build's own needs are in the lock as well.
INSTALL_SELF := $(PIP) install --no-deps --no-build-isolation --editable .

.PHONY: help demo test field faults contract bundle lint format locks clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/demo.stamp ## the main job on real footage: record, see, tell, pull a clip (ARGS="--seconds 30 --json")
	$(VENV)/bin/wayside demo $(ARGS)

test: $(VENV)/dev.stamp ## every test; as root it installs the missing Debian packages first (ARGS="tests/scene -k zone")
	.ci/test-tools
	$(VENV)/bin/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS)

field: $(VENV)/dev.stamp ## machines of their own, for many minutes: containers, chroots, arm64 (ARGS="tests/field/test_host.py")
	$(VENV)/bin/python -m pytest $(or $(ARGS),tests/field)

faults: $(VENV)/dev.stamp ## the agent hurt for minutes, with the numbers (ARGS="vision-sigkill power")
	$(VENV)/bin/python -m tests.faults $(ARGS)

contract: $(VENV)/dev.stamp ## asyncapi.yaml and the JSON Schemas anew, from agent.contract (ARGS=--release at a release)
	$(VENV)/bin/wayside contract docs $(ARGS)

bundle: $(VENV)/dev.stamp ## the signed release bundle of the newest commit, in dist/ (ARGS="--key release.key --python 3.13")
	$(VENV)/bin/python -m provisioning.release $(ARGS)

lint: $(VENV)/dev.stamp ## style, types, storeys, shell
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo
	shellcheck --external-sources .ci/run .ci/test-tools $$(grep -lE "^#!.*\bsh$$" -r firmware_scripts) firmware_scripts/steps.sh

format: $(VENV)/dev.stamp ## lay the code out
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: pyproject.toml $(LOCKS)/demo.txt | $(VENV)/bin/pip
	@echo "installing into $(VENV); the first time takes a minute or two"
	$(PIP) install --require-hashes --requirement $(LOCKS)/demo.txt
	$(INSTALL_SELF)
	@touch $@

# dev.txt holds everything that demo.txt holds, at the same versions.
$(VENV)/dev.stamp: pyproject.toml $(LOCKS)/dev.txt | $(VENV)/bin/pip
	@echo "installing into $(VENV); the first time takes a minute or two"
	$(PIP) install --require-hashes --requirement $(LOCKS)/dev.txt
	$(INSTALL_SELF)
	@touch $@ $(VENV)/demo.stamp

# Hashes without addresses: a lock is installed from whichever index or wheelhouse the machine has. The node locks are
# resolved for aarch64 and hold the hashes of every wheel of a release, x86-64's too. UPGRADE=--upgrade takes new versions.
UV ?= uv
COMPILE := UV_FIND_LINKS= $(UV) pip compile --quiet --no-config --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links $(UPGRADE) pyproject.toml
NODE := --extra node --python-platform aarch64-manylinux_2_28

locks: ## resolve provisioning/locks again (needs uv)
	$(COMPILE) --universal --python-version 3.11 --extra dev --group build -o $(LOCKS)/dev.txt
	$(COMPILE) --universal --python-version 3.11 --extra demo --group build -c $(LOCKS)/dev.txt -o $(LOCKS)/demo.txt
	$(COMPILE) $(NODE) --python-version 3.11 -c $(LOCKS)/bookworm.in -o $(LOCKS)/bookworm.txt
	$(COMPILE) $(NODE) --python-version 3.13 -o $(LOCKS)/trixie.txt
	$(COMPILE) $(NODE) --python-version 3.12 -o $(LOCKS)/jetson.txt

clean: ## remove the virtual environment, caches and the demo's data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist demo-data
	find agent provisioning models tests -name __pycache__ -type d -prune -exec rm -rf {} +
