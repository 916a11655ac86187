# pixcl_bench: `make` lists the targets. Everything runs in .venv, made on first use.

PROFILE ?= quick
ARGS ?=
PYTHON ?= python3
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1
# Packages are installed without bytecode, which is then written where it is first needed. A shell
# that forbids this (PYTHONDONTWRITEBYTECODE=1) would compile torch anew in each of some hundred
# processes.
export PYTHONDONTWRITEBYTECODE :=

BIN := .venv/bin
STAMP := .venv/.installed
# PYTHON given by the caller is taken as it is; otherwise the first Python >= 3.10 of these.
PYTHONS = $(if $(filter file,$(origin PYTHON)),$(PYTHON) python3.13 python3.12 python3.11 python3.10 python,$(PYTHON))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help venv bench smoke test lint sync notebooks notebooks-all pytest pytest-all coverage lab preview docs clean FORCE

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo "  PROFILE=smoke|quick|study|paper chooses the profile of 'bench'; ARGS='...' adds options to bench, pytest or lab."

# A virtual environment does not survive being moved: the stamp holds the folder that it was made in.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
$(STAMP): FORCE
endif

$(STAMP): settings.ini setup.py
	@set -e; \
	if [ ! -f $(STAMP) ] || [ "$$(cat $(STAMP))" != "$(CURDIR)" ]; then \
	  found=; for p in $(PYTHONS); do \
	    if "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then found="$$p"; break; fi; done; \
	  if [ -z "$$found" ]; then \
	    echo "pixcl_bench needs Python 3.10 or newer; tried: $(PYTHONS)" >&2; \
	    echo "Install one, or name it: make venv PYTHON=/path/to/python3" >&2; exit 1; fi; \
	  if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "$$found cannot make virtual environments: install its venv package (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; fi; \
	  if [ -f $(STAMP) ] || ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then \
	    "$$found" -m venv --clear .venv; fi; \
	fi; \
	echo "Installing pixcl_bench and what it needs into .venv (two to four minutes, once) ..."; \
	rm -f $(STAMP); \
	$(BIN)/python -m pip install -qq --no-compile --editable '.[dev,app]'; \
	printf '%s\n' "$(CURDIR)" > $(STAMP)

venv: $(STAMP) ## the environment .venv with the package and its development tools

bench: $(STAMP) ## install, fetch the data, run the grid of PROFILE (default quick), print the tables
	@$(BIN)/pixcl-bench run --profile $(PROFILE) $(ARGS)

smoke: $(STAMP) ## methods of every kind for a few steps: does everything work?
	@$(BIN)/pixcl-bench run --profile smoke

test: lint sync notebooks smoke pytest ## all checks: lint, sync, notebooks, smoke grid, pytest

lint: $(STAMP) ## ruff, mypy, the layers contract, benchmarks.yaml
	@$(BIN)/ruff check -q pixcl_bench tests tools setup.py nbs
	@$(BIN)/ruff format -q --check pixcl_bench tests tools setup.py nbs
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pixcl-bench check

sync: $(STAMP) ## are notebooks, modules and README.md in step?
	@$(BIN)/python -m tools.sync --check
	@$(BIN)/python -m tools.readme --check

# The benchmark notebooks take papermill's parameters: they are run by the smoke grid instead. It
# trains baselines and floors too, and the tests repeat the checks of their notebooks and of those
# that draw data. Cells that train for longer are marked slow: the grid trains these methods.
notebooks: $(STAMP) ## the notebooks, but for cells marked slow, baselines, floors and drawn data
	@OMP_NUM_THREADS=1 $(BIN)/nbdev_test --n_workers 2 --path nbs --skip_folder_re '^([_.].*|benchmarks|baselines|floors|synthetic)$$' --timing

notebooks-all: $(STAMP) ## every cell of every notebook
	@OMP_NUM_THREADS=1 $(BIN)/nbdev_test --flags slow --n_workers 2 --path nbs --skip_folder_re '^([_.].*|benchmarks)$$' --timing

pytest: $(STAMP) ## the tests, without those that repeat what notebooks check
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(ARGS)

pytest-all: $(STAMP) ## every test
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 $(ARGS)

coverage: $(STAMP) ## the tests, with the coverage of pixcl_bench (slower)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --cov=pixcl_bench --cov-report=term $(ARGS)

lab: $(STAMP) ## JupyterLab on nbs/ (executed notebooks under results/)
	@$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/nbs/index.ipynb $(ARGS)

preview: $(STAMP) ## the pages of the site without quarto, in _preview/
	@$(BIN)/python -m tools.preview $(ARGS)

docs: $(STAMP) ## the site, in _docs/ (needs quarto)
	@PATH="$(CURDIR)/$(BIN):$$PATH"; export PATH; \
	if ! command -v quarto >/dev/null 2>&1; then \
	  echo "make docs needs the program quarto, which is not on PATH. Get it from https://quarto.org/docs/get-started/" >&2; \
	  echo "or, where its release page can be reached, with: $(BIN)/python -m pip install quarto-cli" >&2; exit 1; fi; \
	quarto render && echo "The site: _docs/index.html"

clean: ## remove caches and the built site; results/ and .venv stay
	@rm -rf _docs _preview _proc .quarto build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache htmlcov .coverage .coverage.*
	@find pixcl_bench tests tools nbs -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf
	@echo "Kept: results/ and .venv. Remove them by hand if you mean to."
