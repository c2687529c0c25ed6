# Every target needs only Python 3.11 or newer: the environment is created when it is missing or outdated.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALLED := .venv/installed

.PHONY: install peers upgrade lint test test-lowest coverage notebooks demo

install: $(INSTALLED)

# torchattacks requires requests 2.25, which it never imports and which has published advisories; W&B's sweeps, with which
# the tests check our sweeps, requires NumPy below 2. Both are installed without their dependencies, so `pip check` reports
# these two requirements.
$(INSTALLED): setup.cfg constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"expected Python 3.11 or newer, found {v[0]}.{v[1]}; say which with make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test]'
	$(PIP) install --quiet --constraint constraints.txt --no-deps torchattacks sweeps
	touch $@

# The optional libraries too, without which their tests are skipped.
peers: install
	$(PIP) install --quiet --constraint constraints.txt --editable '.[peers,tensorboard,adv-lib]'

upgrade:
	$(PIP) install --quiet --upgrade --upgrade-strategy eager --editable '.[test,peers,tensorboard,adv-lib]'
	$(PIP) install --quiet --upgrade --no-deps torchattacks sweeps
	{ head -n 1 constraints.txt; $(PIP) freeze --exclude-editable | grep '=='; } > constraints.new
	mv constraints.new constraints.txt
	touch $(INSTALLED)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# One process per core, each with one thread, because the tests are many and small; the tests of one file share a process.
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

# The fast tests under the lowest versions that setup.cfg allows, in an environment of their own; run by hand, not by CI.
test-lowest:
	test -x .venv-lowest/bin/python || $(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --constraint constraints-lowest.txt --editable '.[test]'
	.venv-lowest/bin/python -m pip install --quiet --no-deps torchattacks sweeps
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -m "not slow" --numprocesses auto --dist loadfile

# The share of lines that the fast tests run, in one line; apart from `make test` because tracing slows the tests. What a test
# starts as another process is not seen.
coverage: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" --numprocesses auto --dist loadfile --cov --cov-report=
	@echo "coverage of the fast tests: $$($(BIN)/coverage report --format=total) %"

# Runs the notebooks from top to bottom and keeps what they print and draw.
notebooks: install
	$(PIP) install --quiet --constraint constraints.txt --editable '.[notebooks]'
	$(BIN)/jupyter-execute --inplace notebooks/*.ipynb

# One thread per process; finished points are skipped.
demo: install
	OMP_NUM_THREADS=1 $(BIN)/python sweep.py configs/sweeps/demo.yaml --jobs 2 -- --runs_dir runs/demo
	$(BIN)/python report.py runs/demo --output report
