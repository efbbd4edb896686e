"""A gate that passes over a syntax error is named, with the folder."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.features.land.gate_trials import source_folders, try_gates
from gitcoord.features.setup import trust
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import found, git, write

PYTHON = shlex.quote(sys.executable)
TESTS = f"PYTHONPATH=src {PYTHON} -m unittest discover -s tests -t ."


def world(repo: Path, *runs: str) -> Workspace:
    write(repo, "src/shop/__init__.py", "PRICE = 1\n")
    write(repo, "src/tools/__init__.py", "TOOL = 1\n")
    write(repo, "tests/__init__.py", "")
    case = "import unittest\nimport shop\nclass T(unittest.TestCase):\n"
    write(repo, "tests/test_shop.py", f"{case}    def test(self): assert shop.PRICE\n")
    gates = ", ".join(f'{{ name = "g{at}", run = """{run}""" }}' for at, run in enumerate(runs))
    work = found(repo, tasks("a", head=f'[[phase]]\nname = "default"\ngates = [{gates}]\n'))
    trust.trust(work, work.ledger.snapshot())
    return work


def test_the_folders_that_a_gate_passes_over_are_named(repo: Path) -> None:
    elsewhere = f"PYTHONPATH={shlex.quote(str(repo / 'src'))} {PYTHON} -B -c 'import shop, tools'"
    work = world(repo, TESTS, elsewhere)
    tip, refs = work.ledger.tip(), git("for-each-ref", cwd=repo)
    folders, tried = try_gates(work, "default")
    assert folders == ["src/shop/", "src/tools/", "tests/"]
    assert [one.passed for one in tried] == [True, True]
    assert tried[0].blind == ["src/tools/"]
    # It imports the main checkout, whatever commit it is given.
    assert tried[1].blind == folders
    assert work.ledger.tip() == tip
    assert git("for-each-ref", cwd=repo) == refs
    assert git("status", "--porcelain", cwd=repo) == ""


def test_a_gate_that_fails_on_the_target_is_tried_no_further(repo: Path) -> None:
    _, (tried,) = try_gates(world(repo, "exit 3"), "default")
    assert (tried.passed, tried.reason, tried.blind) == (False, "it ended with status 3", [])


def test_a_phase_without_a_gate_is_refused(repo: Path) -> None:
    with pytest.raises(RefusedError, match="has no gate"):
        try_gates(found(repo, tasks("a")), "default")


def test_folders_in_src_count_for_themselves_and_files_at_the_top_for_none() -> None:
    names = [
        "docs/conf.py",
        ".github/run.py",
        "setup.py",
        "src/a/x.py",
        "src/b/c/y.py",
        "src/z.py",
        "tests/unit/t.py",
    ]
    assert source_folders(names) == ["src/", "src/a/", "src/b/", "tests/"]
