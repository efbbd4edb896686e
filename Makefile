# Everything runs in .venv, which is made on first use from Python 3.11 or newer.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# The tests start thousands of commands, which are read faster as bytecode; it stays out of the tree.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX = $(CURDIR)/.venv/bytecode

.PHONY: demo test test-long assistants-test assistants-nightly assistants-cost assistants-move hook-tools cover soak-ci soak test-git test-bounds test-python lint types contracts wheel-test bench bench-full bench-rivals bench-machines bench-model figures docs pictures clean

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "gitcoord needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q -e '.[dev]'
	@touch $@

demo: $(READY)
	@$(BIN)/gitcoord demo

# Three workers on two cores: many tests wait for something to happen.
EVERY_TIME := not long and not soak and not wheel and not assistants
test: $(READY)
	@$(BIN)/python -m pytest -q -n 3 -m '$(EVERY_TIME)'

# Searches and races that take many seconds each.
test-long: $(READY)
	@$(BIN)/python -m pytest -q -n 2 -m long

# Managers of git hooks, for the tests beside them; without it those skip.
hook-tools: $(READY)
	@$(PYTHON) -m venv .venv/hook-tools/venv
	@.venv/hook-tools/venv/bin/python -m pip install -q pre-commit prek
	@npm install --silent --no-audit --no-fund --ignore-scripts --prefix .venv/hook-tools husky@9 lefthook@1

cover: $(READY)
	@$(BIN)/coverage run -m pytest -q -p no:randomly -m 'not soak and not wheel and not assistants'
	@$(BIN)/coverage report --skip-covered

soak-ci: $(READY)
	@GITCOORD_SOAK=ci $(BIN)/python -m pytest -q -s -p no:randomly -m soak

# What another git can do otherwise, with the git that stands first on the path; a short soak too.
# GITCOORD_TEST_REFS=reftable and GITCOORD_TEST_OBJECTS=sha256 make the repositories in other formats.
# Left out, for it is the same with any git: what reads and writes no repository through git (parsers,
# beats, logs, the index, the memory store), and the search for culprits, which merges as landings do.
# Crash points kill between two calls of git; here the soak kills within them.
TOUCHES_GIT := tests/git tests/store tests/ledger tests/features/land tests/features/test_doors.py \
	tests/features/maintain/test_litter.py tests/features/setup/test_hooks.py \
	tests/features/setup/test_hook_verdicts.py tests/cli/test_hook.py tests/features/run/test_demo.py
SAME_WITH_ANY_GIT := tests/git/test_fuzz.py tests/store/test_index.py tests/store/test_index_tables.py \
	tests/store/test_memory.py tests/store/test_queue.py tests/ledger/test_beats.py tests/ledger/test_crash_points.py \
	tests/ledger/test_files.py tests/ledger/test_fuzz.py tests/ledger/test_logs.py tests/features/land/test_culprits.py
test-git: $(READY)
	@git --version
	@$(BIN)/python -m pytest -q -n 2 -m '$(EVERY_TIME)' $(TOUCHES_GIT) $(SAME_WITH_ANY_GIT:%=--ignore=%)
	@GITCOORD_SOAK=short $(BIN)/python -m pytest -q -s -p no:randomly -m soak tests/soak/test_soak.py -k killed_and_stopped

# The lower bounds of pyproject.toml, in an environment of their own: the tests of the layers that
# import a dependency (pygit2 in the store, click and mcp in the commands, watchdog in wait, tomlkit in assist).
LOWER := .venv/bounds
IMPORTS_DEPENDENCY := tests/store tests/cli tests/features/work/test_wait.py tests/features/assist/test_codex_trust.py
test-bounds: $(READY)
	@$(PYTHON) -m venv $(LOWER)
	@sed -n '/^dependencies/,/^]/s/^ *"\([a-z0-9]*\)>=\([^"]*\)",/\1==\2/p' pyproject.toml >$(LOWER)/lower.txt
	@sed -n 's/^mcp = \["\(mcp\)>=\([^,]*\),.*/\1==\2/p' pyproject.toml >>$(LOWER)/lower.txt
	@sed -n 's/^watch = \["\(rich\)>=\([^"]*\)".*/\1==\2/p' pyproject.toml >>$(LOWER)/lower.txt
	@$(LOWER)/bin/python -m pip install -q -e . -r $(LOWER)/lower.txt hypothesis pyte pytest pytest-randomly pytest-xdist
	@$(LOWER)/bin/python -m pip list | grep -E '^($(shell sed -n '/^dependencies/,/^]/s/^ *"\([a-z0-9]*\)>=.*/\1/p' pyproject.toml | tr '\n' '|')-) '
	@$(LOWER)/bin/python -m pytest -q -n 2 $(IMPORTS_DEPENDENCY)

# Another Python: make test-python PYTHON=/path/to/python3.13. The rules and the commands import nearly
# every module, and the store's tests run libgit2's own build for it. Fuzzing and the laws try inputs,
# not the Python: `make test` has done that.
ANY_PYTHON := tests/core tests/store tests/cli
SAME_WITH_ANY_PYTHON := tests/core/test_fuzz.py tests/core/test_machine_laws.py
test-python:
	@rm -rf .venv/other && $(PYTHON) -m venv .venv/other
	@.venv/other/bin/python -m pip install -q -e . hypothesis pytest pytest-randomly pytest-xdist
	@.venv/other/bin/python --version
	@.venv/other/bin/python -m pytest -q -n 2 $(ANY_PYTHON) $(SAME_WITH_ANY_PYTHON:%=--ignore=%)

soak: $(READY)
	@GITCOORD_SOAK=long $(BIN)/python -m pytest -q -s -p no:randomly -m soak

# Claude Code, Codex and Copilot as npm has them, against a scripted model on loopback; versions: tests/assistants/versions.json.
assistants-test: $(READY)
	@$(BIN)/python tests/assistants/install.py claude codex copilot; status=$$?; \
	if [ $$status -eq 3 ]; then echo 'SKIPPED: no real assistant was run'; exit 0; fi; \
	[ $$status -eq 0 ] && tests/assistants/offline.sh $(BIN)/python -m pytest -q -p no:randomly -n 2 -m assistants

# For the night: Gemini and OpenCode too, which take longer to run.
assistants-nightly: $(READY)
	@$(BIN)/python tests/assistants/install.py claude codex copilot gemini opencode; status=$$?; \
	if [ $$status -eq 3 ]; then echo 'SKIPPED: not every assistant could be installed'; fi; \
	tests/assistants/offline.sh $(BIN)/python -m pytest -q -p no:randomly -n 2 -m assistants

# What briefs and instructions cost an assistant in context, as it really sends them.
assistants-cost: $(READY)
	@$(BIN)/python tests/assistants/install.py claude codex && $(BIN)/python -m tests.assistants.cost

# One command to move a version: make assistants-move NAME=claude VERSION=2.1.333
assistants-move: $(READY)
	@$(BIN)/python tests/assistants/install.py --move $(NAME) $(VERSION)

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

# Clones that share a ledger over ssh and HTTP, on lines that are made slow: FULL=--full prints every row,
# FULL="--full --rivals" also others that share work through a server (from the package registries).
bench-machines: $(READY)
	@$(BIN)/python -m benchmarks.machines $(FULL)

# A thousand agents on a hundred machines, in a model; with what a fetch and a push take here.
bench-model: $(READY)
	@$(BIN)/python -m benchmarks.many_machines --measure

# How the code reads, in figures.
figures: $(READY)
	@$(BIN)/python .ci/figures.py

docs: $(READY)
	@$(BIN)/python docs/generate.py

# The pictures of README and the report that docs keep, from a real run of the demo; needs Chromium.
pictures: $(READY)
	@$(BIN)/python docs/pictures.py

clean:
	@rm -rf .venv build dist
