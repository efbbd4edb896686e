"""The tests have teeth: each mistake of the table fails the test it names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import pytest

from tests.mutants.table import HARMLESS, MUTANTS, Mutant

pytestmark = pytest.mark.soak
TOP = Path(__file__).parents[2]
PROCESSES = 2
COPIED = ("gitcoord", "tests", "hooks", "templates", "docs", "pyproject.toml")


class Outcome(NamedTuple):
    """How one test ended: pytest's status, and the end of what it said."""

    status: int
    said: str

    @property
    def is_skipped(self) -> bool:
        """Whether the test did not run here at all."""
        return self.status == 0 and " passed" not in self.said

    @property
    def is_failed(self) -> bool:
        """Whether the test itself failed: no error of its setup, no bad import."""
        return (
            self.status == 1
            and re.search(r"\b1 failed\b", self.said) is not None
            and " error" not in self.said.splitlines()[-1]
        )


def copy(top: Path) -> Path:
    """Copy what a test needs; compiled files are made in the copy."""
    for name in COPIED:
        if (TOP / name).is_dir():
            shutil.copytree(TOP / name, top / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (TOP / name).exists():
            top.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, top / name)
    return top


def run(top: Path, test: str) -> Outcome:
    """Run one test in a copy."""
    env = {**os.environ, "PYTHONPATH": str(top)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
            f"--basetemp={top / 'tmp'}",
            "-x",
            test,
        ],
        cwd=top,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(done.returncode, (done.stdout + done.stderr).strip()[-3000:])


def mutated(top: Path, mutant: Mutant, number: int) -> Outcome:
    """Run a mutant's test with the mutant in place; put the file back."""
    path = top / mutant.file
    source = path.read_text()
    found = source.count(mutant.text)
    if found != 1:
        return Outcome(
            -1,
            f"the text of {mutant.name} stands {found} times in {mutant.file}: move the mutant to "
            "where the rule is now",
        )
    try:
        path.write_text(source.replace(mutant.text, mutant.replacement))
        # Compiled files are told apart by seconds and size: give each change its own.
        os.utime(path, (2 * number, 2 * number))
        return run(top, mutant.test)
    finally:
        path.write_text(source)
        os.utime(path, (2 * number + 1, 2 * number + 1))


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is one: disks that sync are slow."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path_factory.mktemp("mutants")
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def outcomes(memory: Path) -> dict[str, Outcome]:
    """Run every mutant, and once each test that they name, in a small pool."""
    free: SimpleQueue[Path] = SimpleQueue()
    for number in range(PROCESSES):
        free.put(copy(memory / f"copy-{number}"))

    def in_a_copy(act: Callable[[Path], Outcome]) -> Outcome:
        top = free.get()
        try:
            return act(top)
        finally:
            free.put(top)

    jobs: dict[str, Callable[[Path], Outcome]] = {
        test: partial(run, test=test) for test in nodes_of(MUTANTS)
    }
    for number, mutant in enumerate([*MUTANTS, *HARMLESS], 1):
        jobs[mutant.name] = partial(mutated, mutant=mutant, number=number)
    with ThreadPoolExecutor(PROCESSES) as pool:
        return dict(zip(jobs, pool.map(in_a_copy, jobs.values()), strict=True))


def nodes_of(mutants: Iterable[Mutant]) -> list[str]:
    """Name each test once."""
    return list(dict.fromkeys(mutant.test for mutant in mutants))


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_mutant_is_killed_by_the_test_that_it_names(
    mutant: Mutant, outcomes: dict[str, Outcome]
) -> None:
    honest, changed = outcomes[mutant.test], outcomes[mutant.name]
    if honest.is_skipped:
        pytest.skip(f"{mutant.test} does not run here")
    assert honest.status == 0, honest.said
    assert changed.is_failed, changed.said


@pytest.mark.parametrize("mutant", HARMLESS, ids=[mutant.name for mutant in HARMLESS])
def test_a_harmless_change_changes_nothing(mutant: Mutant, outcomes: dict[str, Outcome]) -> None:
    assert outcomes[mutant.name].status == 0, outcomes[mutant.name].said


def test_every_mutant_has_a_name_of_its_own_and_there_are_enough() -> None:
    names = [mutant.name for mutant in [*MUTANTS, *HARMLESS]]
    assert len(names) == len(set(names))
    assert len(MUTANTS) >= 14
