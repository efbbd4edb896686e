# Everything runs in .venv, which is made on first use from Python 3.11 or newer.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: demo test hook-tools cover soak-ci soak lint types contracts wheel-test bench bench-full bench-rivals figures docs clean

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "gitcoord needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q -e '.[dev]'
	@touch $@

demo: $(READY)
	@$(BIN)/gitcoord demo

test: $(READY)
	@$(BIN)/python -m pytest -q -n 2 -m 'not soak and not wheel'

# Managers of git hooks, for the tests beside them; without it those skip.
hook-tools: $(READY)
	@$(PYTHON) -m venv .venv/hook-tools/venv
	@.venv/hook-tools/venv/bin/python -m pip install -q pre-commit prek
	@npm install --silent --no-audit --no-fund --ignore-scripts --prefix .venv/hook-tools husky@9 lefthook@1

cover: $(READY)
	@$(BIN)/coverage run -m pytest -q -p no:randomly -m 'not soak and not wheel'
	@$(BIN)/coverage report --skip-covered

soak-ci: $(READY)
	@GITCOORD_SOAK=ci $(BIN)/python -m pytest -q -s -p no:randomly -m soak

soak: $(READY)
	@GITCOORD_SOAK=long $(BIN)/python -m pytest -q -s -p no:randomly -m soak

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .

types: $(READY)
	@$(BIN)/mypy

contracts: $(READY)
	@$(BIN)/lint-imports

wheel-test: $(READY)
	@$(BIN)/python -m pytest -q -m wheel

bench: $(READY)
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks.rivals --local

bench-full: bench
	@$(BIN)/python -m benchmarks.scale

# Installs others from the package registries, each in a temporary folder.
bench-rivals: $(READY)
	@$(BIN)/python -m benchmarks.rivals

# How the code reads, in figures.
figures: $(READY)
	@$(BIN)/python .ci/figures.py

docs: $(READY)
	@$(BIN)/python docs/generate.py

clean:
	@rm -rf .venv build dist
