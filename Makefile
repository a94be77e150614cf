# `make demo` and `make test` need Python 3.11-3.13 and make, nothing else: they create .venv.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
TOOL := .venv/.tool
STAMP := .venv/.installed

.PHONY: demo test lint types layers docs check clean

demo: $(TOOL)
	$(BIN)/wikidata5m demo --out demo-output --overwrite

test: $(STAMP)
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict  # --quiet would hide warnings from --strict

check: lint types layers docs

# What the commands need, and what the tests need beside it: pip tells what it fetches, and how much.
$(TOOL): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; name it with make PYTHON=..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[train,explore]'
	@touch $@

$(STAMP): $(TOOL)
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[test]'
	@touch $@

clean:
	rm -rf .venv demo-output site build dist *.egg-info
