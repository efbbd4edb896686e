"""Two versions on one ledger: each understands the other, or says why not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import tasks
from tests.support.versions import BEFORE, BEFORE_PACKS, NOW, source_of
from tests.support.world import git

pytestmark = pytest.mark.wheel
Gitcoord = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Install the wheels of then and now, each in a folder of its own."""
    top = tmp_path_factory.mktemp("versions")
    return {
        "then": installed(source_of(BEFORE, top / "source"), top / "then"),
        "lately": installed(source_of(BEFORE_PACKS, top / "late-source"), top / "lately"),
        "now": installed(NOW, top / "now"),
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
        code = "from gitcoord.__main__ import main; sys.exit(main())"
        return subprocess.run(
            [*python(versions[version], code), *args],
            cwd=repo,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def environment() -> dict[str, str]:
    return {**os.environ, "GITCOORD_AGENT": "x", "GITCOORD_UPKEEP": "off"}


def python(version: Path, code: str) -> list[str]:
    """Return the command that runs Python with a version of gitcoord, and no other."""
    places = [str(version), sysconfig.get_path("purelib")]
    begin = "import sys; sys.path[:0] = sys.argv.pop(1).split(':')\n"
    return [sys.executable, "-S", "-c", begin + code, ":".join(places)]


def begin(run: Gitcoord, version: str, repo: Path, *names: str) -> str:
    """Make a ledger with one version; return its tip."""
    (repo / "plan.toml").write_text(tasks(*(names or "ab")))
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


WORKER = """
import gitcoord
with gitcoord.open(".") as coord:
    for line in sys.stdin:
        claim = coord.claim("x", checkout=False)
        coord.progress(claim, "at work")
        coord.release(claim)
        print(claim.task["id"], flush=True)
"""
"""An agent of the Python interface, which claims at each line that it gets."""


@pytest.mark.parametrize("engine", ["libgit2", "plumbing"])
def test_an_earlier_version_goes_on_with_what_packs_of_ours_hold(
    run: Gitcoord,
    repo: Path,
    versions: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
) -> None:
    monkeypatch.setenv("GITCOORD_ENGINE", engine)
    names = [f"t{number}" for number in range(60)]
    begin(run, "lately", repo, *names)
    assert packs_of_ours(repo) == []
    worker = subprocess.Popen(
        python(versions["lately"], WORKER),
        cwd=repo,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def works_on() -> bool:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
        return worker.stdout.readline().strip() in names

    assert works_on()
    for whom in ("x", "-", "x"):
        before = packs_of_ours(repo)
        rows = [f'{{"op": "assign", "task": "{name}", "to": "{whom}"}}\n' for name in names]
        (repo / "rows").write_text("".join(rows))
        done = run("now", "batch", "rows")
        assert done.returncode == 0, done.stderr
        assert set(packs_of_ours(repo)) - set(before)
        assert works_on(), "what was open before the pack was made reads it"
        for args in (["claim", "--no-checkout"], ["release"], ["verify"]):
            done = run("lately", *args)
            assert done.returncode == 0, done.stderr
        git("repack", "-q", "-a", "-d", cwd=repo)
        assert run("lately", "upkeep").returncode == 0
        assert works_on(), "and goes on when it went into another"
    worker.communicate()
    assert worker.returncode == 0
    assert run("now", "verify").returncode == 0
    git("fsck", "--strict", "--no-dangling", cwd=repo)


def packs_of_ours(repo: Path) -> list[Path]:
    return sorted((repo / ".git/objects/pack").glob("gitcoord-pack-*.pack"))
