# Every target is one line to read. `make demo` and `make test` need git, make and Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo run test check audit bench

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Python 3.11 or newer is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.12 install")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: install
	$(BIN)/sweeper demo $(ARGS)

run: install
	$(BIN)/sweeper serve $(ARGS)

test: install
	$(BIN)/pytest $(ARGS)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

audit: install
	$(BIN)/pip-audit --skip-editable

bench: install
	$(BIN)/python -m benchmarks.sweep
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.prepare
	$(BIN)/python -m benchmarks.analysis
	$(BIN)/python -m benchmarks.planner
	$(BIN)/python -m benchmarks.mixed
