# For a machine that has only Python 3.11+ and make:
#   make demo   virtual environment, install, the quickstart sweep and its report
#   make test   virtual environment, install with the test extra, all default tests
#   make docs   the same, and the documentation site in build/site
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := PIP_CONSTRAINT=constraints/cpu.txt $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: demo test lint docs install install-test clean
.DELETE_ON_ERROR:

demo: install
	$(BIN)/noisylabels sweep quickstart

# One thread a process: on a busy machine two threads that wait for one another are many times slower than one.
test: install-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

lint: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: install-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

install: $(VENV)/.installed
install-test: $(VENV)/.installed-test

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints/cpu.txt | $(BIN)/python
	$(PIP) -e .
	touch $@

$(VENV)/.installed-test: pyproject.toml constraints/cpu.txt | $(BIN)/python
	$(PIP) -e '.[test]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
