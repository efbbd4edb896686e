"""Two versions on one ledger: each understands the other, or says why not."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import tasks
from tests.support.world import git

pytestmark = pytest.mark.wheel
ROOT = Path(__file__).parents[2]
BEFORE = "4961f5534ed7b5705cdeaebe1f31ccdca3c289d7"
"""The last commit with format 1; from the first release on, the last release."""

Gitcoord = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Install the wheels of then and now, each in a folder of its own."""
    top = tmp_path_factory.mktemp("versions")
    packed = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode != 0:
        pytest.skip("the commit of the earlier version is not in this clone")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(top / "source", filter="data")
    return {
        "then": installed(top / "source", top / "then"),
        "now": installed(ROOT, top / "now"),
    }


def installed(source: Path, site: Path) -> Path:
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(site)]
    pip = [sys.executable, "-m", "pip", "install", "-q", *options, str(source)]
    subprocess.run(pip, check=True, capture_output=True)
    return site


@pytest.fixture
def run(versions: dict[str, Path], repo: Path) -> Gitcoord:
    """Run a command of either version in the repository."""

    def run(version: str, *args: str) -> subprocess.CompletedProcess[str]:
        places = [str(versions[version]), sysconfig.get_path("purelib")]
        code = "import sys; sys.path[:0] = sys.argv.pop(1).split(':'); "
        code += "from gitcoord.__main__ import main; sys.exit(main())"
        return subprocess.run(
            [sys.executable, "-S", "-c", code, ":".join(places), *args],
            cwd=repo,
            env={**os.environ, "GITCOORD_AGENT": "x", "GITCOORD_UPKEEP": "off"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def begin(run: Gitcoord, version: str, repo: Path) -> str:
    """Make a ledger with one version; return its tip."""
    (repo / "plan.toml").write_text(tasks("a", "b"))
    for args in (["init", "plan.toml"], ["agent", "add", "x", "--no-worktree"]):
        done = run(version, *args)
        assert done.returncode == 0, done.stderr
    return git("rev-parse", "gitcoord/ledger", cwd=repo)


def refusal(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(done.stdout)["error"]
    return error


COMMANDS = [["status"], ["claim", "--no-checkout"], ["log"], ["verify"]]


@pytest.mark.parametrize("args", COMMANDS, ids=lambda args: args[0])
def test_an_earlier_version_leaves_a_ledger_of_ours_alone(
    run: Gitcoord, repo: Path, args: list[str]
) -> None:
    tip = begin(run, "now", repo)
    done = run("then", *args, "--json")
    assert done.returncode == 16, done.stdout + done.stderr
    assert "format 2" in refusal(done)["message"]
    assert refusal(done)["hint"] == "install a newer gitcoord"
    assert git("rev-parse", "gitcoord/ledger", cwd=repo) == tip
    assert run("now", "verify").returncode == 0


@pytest.mark.parametrize("args", COMMANDS, ids=lambda args: args[0])
def test_a_ledger_of_an_earlier_version_is_told_apart_and_left_alone(
    run: Gitcoord, repo: Path, args: list[str]
) -> None:
    tip = begin(run, "then", repo)
    done = run("now", *args, "--json")
    assert done.returncode == 14, done.stdout + done.stderr
    assert refusal(done)["reason"] == "older-format"
    assert git("rev-parse", "gitcoord/ledger", cwd=repo) == tip
    assert run("then", "verify").returncode == 0
