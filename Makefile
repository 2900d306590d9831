# Every daily command; `make` alone lists them. Nothing is needed beforehand but Python >= 3.11.

PYTHON ?= python3
VENV := .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check

# Through the environment the pins also hold for the build back end, which pip installs on its own (older pips take
# the first variable for that, newer ones the second). A relative path, since pip splits them at spaces.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup run demo test picture stress soak lint types format bench constraints audit sbom clean

help:  ## List these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.installed  ## Install everything into .venv (quick when nothing changed)

run: setup  ## Run the bundled Valkey, web and worker on http://127.0.0.1:8000 until Ctrl-C
	@exec $(BIN)/tidings up

demo: setup  ## The same with a small bank that misbehaves, and some payments through it
	@exec $(BIN)/python -m tests.bank.demo

test: lint types  ## Check style and types, then run every test
	@sh tests/install_chromium.sh
	@sh tests/install_node.sh build/tus tus-js-client@4.3.1
	@sh tests/install_node.sh build/react react@19.3.1 react-dom@19.3.1 esbuild@0.28.2
	@sh tests/install_nginx.sh
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder  # much of it waits

stress: $(VENV)/.installed-dev  ## Kill, freeze and restart everything for SECONDS=120; then nothing may be lost (SEED=7 repeats a run)
	$(BIN)/python -m tests.stress $(SECONDS:%=--seconds %) $(SEED:%=--seed %)

soak: $(VENV)/.installed-dev  ## Let jobs and clients come and go for MINUTES=10; nothing may grow
	$(BIN)/python -m tests.stress.busload
	$(BIN)/python -m tests.stress.soak $(MINUTES:%=--minutes %)

picture: $(VENV)/.installed-dev  ## Take the picture of the README anew, in light and dark
	$(BIN)/python -m tests.docs.picture

lint: $(VENV)/.installed-dev  ## Check style
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.installed-dev  ## Check types
	$(BIN)/mypy

format: $(VENV)/.installed-dev  ## Rewrite the code in the project's style
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

bench: setup  ## Measure latency, throughput and fan-out; with WHAT=report a report over 100 million rows, with WHAT=webhooks these, with WHAT=page the dashboard
	$(BIN)/python -m benchmarks $(WHAT)

# Named beside the extras, so that they are pinned too: the build back end with what it asks for, and what only Python < 3.11.3 needs.
constraints: export PIP_CONSTRAINT :=
constraints: VENV := build/constraints
constraints: pyproject.toml  ## Pin the newest versions that pyproject.toml allows
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])') editables async-timeout
	$(PIP) install --no-build-isolation --editable '.[dev]'
	{ echo '# Every distribution we install, pinned. Written by `make constraints`.'; \
	  $(PIP) freeze --exclude-editable | LC_ALL=C sort -f; } > constraints.new
	mv constraints.new constraints.txt

audit: $(VENV)/.installed-dev  ## Ask whether weaknesses are known of what is pinned; STRICT=1 fails where nobody can be asked
	$(BIN)/python -m deploy.audit $(STRICT:%=--strict)

sbom: $(VENV)/.installed-dev  ## Write what Tidings consists of to build/sbom.cdx.json (CycloneDX)
	@$(BIN)/python -m deploy.sbom

clean:  ## Remove .venv and everything generated; the data directory stays
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Tidings needs Python 3.11 or newer: make PYTHON=/path/to/python3' >&2; exit 1; }
	@echo 'Installing into $(VENV) ...'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo 'Installing what the tests need ...'
	@$(PIP) install --editable '.[dev]'
	@touch $@
