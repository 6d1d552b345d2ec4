# `make demo` and `make test` are a new user's whole set-up: Python 3.11 or later, and make.

PYTHON ?= python3
VENV := .venv
# Processes that run tests.
WORKERS ?= auto
BIN := $(VENV)/bin
SOURCES := flask_jwtsession tests examples docs/conf.py

.PHONY: demo test coverage matrix lint ruff mypy pyright docs bench clean

demo: $(VENV)/.installed
	$(BIN)/python -m examples.demo

test: $(VENV)/.installed-test
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

# The same tests, and what of the package they reach. It takes half as long again.
coverage: $(VENV)/.installed-test
	$(BIN)/pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term

# The same tests with every Python that is there, and with the oldest versions of what is needed.
matrix: $(VENV)/.installed-test
	$(BIN)/python -m tests.packaging -n $(WORKERS) --dist worksteal

lint: ruff mypy pyright

ruff: $(VENV)/.installed-lint
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

mypy: $(VENV)/.installed-lint
	$(BIN)/mypy

# Also that every public name has a type; for that pyright looks into the Python of the PATH.
pyright: $(VENV)/.installed-lint
	$(BIN)/pyright
	PATH="$(CURDIR)/$(BIN):$$PATH" pyright --verifytypes flask_jwtsession --ignoreexternal

docs: $(VENV)/.installed-docs
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

bench: $(VENV)/.installed-bench
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf $(VENV) build docs/_build

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.installed: $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet -e '.[oauth]'
	touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(BIN)/pip install --quiet -e '.[async,oauth,redis]' --group $*
	touch $@
