"""The models hold, exhaustively, and each mutant of theirs is caught."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

MODELS = Path(__file__).parents[2] / "docs" / "model"
MUTANTS = [
    (path.stem, name)
    for path in sorted(MODELS.glob("*.pml"))
    for name in dict.fromkeys(re.findall(r"MUTANT_\w+", path.read_text()))
]

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(
        not (shutil.which("spin") and shutil.which("gcc")), reason="no spin, or no C compiler"
    ),
]


def explored(model: str, folder: Path, *flags: str) -> str:
    shutil.copy(MODELS / f"{model}.pml", folder)
    subprocess.run(
        ["spin", "-a", *flags, f"{model}.pml"], cwd=folder, check=True, capture_output=True
    )
    subprocess.run(
        ["gcc", "-w", "-O2", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    done = subprocess.run(
        ["./pan", "-m200000", "-n"], cwd=folder, check=False, capture_output=True, text=True
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("model", "least"),
    [
        ("claims", 1_000_000),
        ("landing", 1_000_000),
        ("late", 30_000),
        ("pushes", 100_000),
        ("streams", 1_000_000),
        ("turns", 1_000_000),
    ],
)
def test_no_interleaving_breaks_a_promise(model: str, least: int, tmp_path: Path) -> None:
    said = explored(model, tmp_path)
    assert "errors: 0" in said
    assert "max search depth too small" not in said
    states = re.search(r"(\d+) states, stored", said)
    assert states is not None
    assert int(states[1]) > least


@pytest.mark.parametrize(("model", "mutant"), MUTANTS)
def test_a_mutant_of_the_model_is_caught(model: str, mutant: str, tmp_path: Path) -> None:
    said = explored(model, tmp_path, f"-D{mutant}")
    assert "errors: 1" in said
    assert "assertion violated" in said


def test_there_are_models_and_mutants() -> None:
    assert len(MUTANTS) >= 38
