"""The built wheel works where the source is not."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.world import git

pytestmark = pytest.mark.wheel
ROOT = Path(__file__).parents[2]


def test_the_wheel_runs_and_holds_hooks_and_templates(repo: Path, tmp_path: Path) -> None:
    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(tmp_path / "dist"),
        str(ROOT),
    ]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("hooks", "templates"):
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
        assert {f"gitcoord/_shipped/{path.relative_to(ROOT)}" for path in files} <= names
    assert "gitcoord/py.typed" in names
    assert not any(name.startswith(("tests/", "docs/")) for name in names)
    place = tmp_path / "venv"
    venv.create(place, with_pip=False)
    site = next((place / "lib").glob("python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--no-index",
            "--target",
            str(site),
            str(wheel),
        ],
        check=True,
        capture_output=True,
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def gitcoord(*args: str) -> str:
        command = [
            str(place / "bin" / "python"),
            "-c",
            "import gitcoord, sys; assert gitcoord.__file__.startswith(sys.argv[1]), "
            "gitcoord.__file__\n"
            "from gitcoord.cli.main import main; main(sys.argv[2:])",
            str(site),
        ]
        return subprocess.run(
            [*command, *args], cwd=repo, env=env, check=True, capture_output=True, text=True
        ).stdout

    assert gitcoord("--version").startswith("gitcoord, version 0.")
    gitcoord("init", "--template", "minimal")
    gitcoord("init", "plan.toml")
    gitcoord("agent", "add", "x")
    assert "lexer" in gitcoord("tasks")
    assert git("rev-parse", "--verify", "gitcoord/ledger", cwd=repo)
