# make demo         install into .venv and run a real workflow of 103 tasks in about 12 seconds
# make test         every check: format, lint, types, import rules, tests
# make coverage     the tests, and which lines and branches they reach
# make torture      try to break every promise, in ten minutes (MINUTES=, SEED=); torture-nightly: 8 h
# make kill-test    the part of it that kills runs, all who share a file, and clients, in three
# make conformance  let the official suite and inspector of MCP test the endpoint (needs npm)
# make bench        measure everything against references of the same run, in just under ten minutes,
#                   and write the report benchmarks/results/report.md
# make bench-quick  a smoke run of the same in about a minute, into build/bench; judges no figure
# make bench-peers  other task queues on the same tasks, in about six minutes, into build/bench
# make clean        remove what the above made

PYTHON ?= python3
VENV ?= .venv
DEMO := build/demo
CONFORMANCE ?= build/conformance
BENCH_RESULTS ?= build/bench
MINUTES ?= 10
MONTAGE := examples/workflows/montage-chameleon-2mass-01d-001.jsonl

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

.PHONY: demo test coverage torture torture-nightly kill-test bench bench-quick bench-peers conformance clean

demo: $(INSTALLED)
	rm -rf $(DEMO) && mkdir -p $(DEMO)
	$(BIN)/headrace run $(MONTAGE) --speed 4 --workers 8 --db $(DEMO)/tasks.db
	@echo
	$(BIN)/headrace status --db $(DEMO)/tasks.db

test: $(INSTALLED_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --numprocesses 2

coverage: $(INSTALLED_DEV)
	$(BIN)/pytest --numprocesses 2 --cov --cov-report=term:skip-covered

torture: $(INSTALLED_DEV)
	$(BIN)/python -m torture --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

torture-nightly: $(INSTALLED_DEV)
	$(BIN)/python -m torture --nightly $(if $(SEED),--seed $(SEED))

kill-test: $(INSTALLED)
	$(BIN)/python -m torture --minutes 3 --only kills resumed_runs endings

conformance: $(INSTALLED)
	$(BIN)/python -m tests.conformance.run --folder $(CONFORMANCE) $(CONFORMANCE_OPTIONS)

bench: $(INSTALLED_DEV)
	$(BIN)/python -m benchmarks

bench-quick: $(INSTALLED_DEV)
	$(BIN)/python -m benchmarks --quick --results $(BENCH_RESULTS)

bench-peers: $(INSTALLED_DEV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[peers]'
	$(BIN)/python -m benchmarks --only peers --results $(BENCH_RESULTS)

clean:
	rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The stamps are younger than pyproject.toml: a change of the dependencies installs again.
$(INSTALLED): pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(INSTALLED_DEV): pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(INSTALLED)
