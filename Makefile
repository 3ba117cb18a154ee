# Two commands suffice on a fresh machine: `make demo` and `make test`.
# Nothing is assumed but Python 3.11 or newer, make, and a package index that pip knows.
# PYTHON=/path/to/python chooses an interpreter; otherwise the first of these that works is taken.
PYTHONS = $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3 /usr/bin/python3)
BIN = .venv/bin
PIP = PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip -qq --no-input
SAY = @printf '%s\n'

# What belongs to another interpreter must not leak into ours.
unexport PYTHONHOME PYTHONPATH

.PHONY: help setup demo test check up bench chaos format lock clean FORCE

help: ## lists these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: .venv/project ## prepares .venv, with .venv/bin/ess; done once, and again when the lock changes
	@:

demo: setup ## runs the main job on embedded parts, prints its timeline, and ends
	@$(BIN)/ess demo

up: setup ## runs everything until Ctrl-C
	@$(BIN)/ess up

test: setup ## all tests, on embedded parts; fails if none ran
	@$(BIN)/python -m pytest -n 3 $(ARGS) # on two cores: stories wait more than they compute

check: setup ## format, lint, types, import contracts, fast tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/domain tests/contracts tests/test_architecture.py

bench: setup ## measures on this machine, beside a floor measured in the same run; ARGS=--quick for two minutes
	@$(BIN)/python tests/bench $(ARGS)

chaos: setup ## breaks everything at random and judges; ARGS="--seconds N --seed N"
	@cd tests && ../$(BIN)/python -m chaos $(ARGS)

format: setup ## formats the code and repairs what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: ## resolves requirements*.lock anew from pyproject.toml; ARGS=--upgrade for newer releases
	@$(FIND_PYTHON); tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && "$$python" -m venv "$$tools" && \
	PIP_USER=0 "$$tools/bin/python" -m pip -qq install uv && \
	resolve() { "$$tools/bin/uv" pip compile -q --universal --python-version 3.11 --fork-strategy fewest --no-build \
	  --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-package ess-dispatch "$$@" pyproject.toml; } && \
	resolve --extra dev $(ARGS) -o requirements-dev.lock && \
	resolve $(ARGS) -c requirements-dev.lock -o requirements.lock

clean: ## removes .venv, the embedded servers' data, and caches
	rm -rf .venv .ess build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Sets $python to the first interpreter that really runs, is new enough, and can make an environment.
define FIND_PYTHON
python=; for tried in $(PYTHONS); do \
  if "$$tried" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
  then python=$$tried; break; fi; \
done; \
if [ -z "$$python" ]; then \
  echo "No usable Python among: $(PYTHONS)." >&2; \
  echo "Wanted: 3.11 or newer, with venv and ensurepip (Debian and Ubuntu: apt-get install python3-venv)." >&2; \
  echo "If it is elsewhere: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; \
fi
endef

# .venv/lock is written last: an environment that was interrupted half-way is made anew.
.venv/lock: requirements-dev.lock
	@$(FIND_PYTHON); rm -rf .venv && \
	echo "Making .venv with $$("$$python" --version) ($$tried) ..." && "$$python" -m venv .venv
	$(SAY) "Installing what requirements-dev.lock names (under a minute) ..."
	@$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	@pwd -P > .venv/lock

.venv/project: .venv/lock pyproject.toml
	$(SAY) "Installing the project itself ..."
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch .venv/project

# An environment that was moved, or whose interpreter has gone, is made anew as well.
ifneq ($(shell { .venv/bin/python -c '' && cat .venv/lock; } 2>/dev/null),$(shell pwd -P))
.venv/lock: FORCE
endif
FORCE:
