"""Work that is handed in with its commit, or only tried."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.features.setup import trust
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace
from tests.support.cli import Cli
from tests.support.world import environment, found, git

PLAN = """
[[task]]
id = "a"
title = "Do a"
paths = ["a/"]
check = "test -e a/good"
[[task]]
id = "b"
title = "Do b"
paths = ["b/"]
"""


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, PLAN, "one", "two")
    trust.trust(work, work.ledger.snapshot())
    yield work
    work.close()


@pytest.fixture
def place(work: Workspace) -> Path:
    return Path(claims.claim(work, "one", "a").worktree or "")


@pytest.fixture
def cli(place: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(place, capsys)


def put(place: Path, *names: str) -> None:
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("x\n")


def refs(place: Path) -> str:
    return git("for-each-ref", cwd=place) + git("status", "--porcelain", cwd=place)


def test_what_lies_inside_is_committed_and_handed_in(cli: Cli, place: Path) -> None:
    put(place, "a/good", "a/deep/more", "b/other", "scratch")
    assert "a is done: 1 commit(s), 2 file(s), check passed" in cli(
        "complete", "--commit", "Do it all"
    )
    assert "left alone, outside the boundary: b/other, scratch" in cli.err
    assert git("status", "--porcelain", cwd=place) == "?? b/\n?? scratch"
    assert (
        git(
            "log", "-1", "--format=%s|%an|%(trailers:key=Gitcoord-Task,valueonly)", cwd=place
        ).strip()
        == "Do it all|one|a"
    )


def test_only_the_named_paths_are_committed(cli: Cli, place: Path) -> None:
    put(place, "a/good", "a/later")
    error = cli.json("complete", "--commit", "part", "a/good", status=14)
    assert error["reason"] == "uncommitted"
    assert git("show", "--name-only", "--format=", "HEAD", cwd=place) == "a/good"


def test_a_named_path_outside_is_refused_and_nothing_is_committed(cli: Cli, place: Path) -> None:
    put(place, "a/good", "b/other")
    before = refs(place)
    assert cli.json("complete", "--commit", "x", "b/other", status=14)["reason"] == "boundary"
    assert cli.json("complete", "--commit", "x", "../elsewhere", status=14)["reason"] == "boundary"
    assert refs(place) == before


def test_what_the_user_staged_outside_stays_staged(cli: Cli, place: Path) -> None:
    put(place, "a/good", "b/other")
    git("add", "b/other", cwd=place)
    cli("complete", "--commit", "x")
    assert git("status", "--porcelain", cwd=place) == "A  b/other"


def test_a_hook_of_the_users_that_refuses_is_told(cli: Cli, place: Path, repo: Path) -> None:
    hook = repo / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\necho too bad >&2\nexit 1\n")
    hook.chmod(0o755)
    put(place, "a/good")
    error = cli.json("complete", "--commit", "x", status=14)
    assert error["reason"] == "commit"
    assert "too bad" in error["message"]


def test_trying_says_what_would_be_said_and_changes_nothing(
    cli: Cli, place: Path, work: Workspace
) -> None:
    put(place, "a/good", "b/other")
    before, tip = refs(place), work.ledger.tip()
    told = cli("complete", "--dry-run", "--commit", "x")
    assert "would commit a/good" in told
    assert "would leave alone b/other" in told
    assert "a would be handed in: 1 commit(s), 1 file(s), check passed" in told
    assert (refs(place), work.ledger.tip()) == (before, tip)
    facts = cli.json("complete", "--dry-run", "--commit", "x")
    assert (facts["dry_run"], facts["inside"], facts["outside"]) == (True, ["a/good"], ["b/other"])


@pytest.mark.parametrize(
    ("names", "words", "reason"),
    [
        (["a/bad"], ["--commit", "x"], "check"),
        (["a/good"], [], "uncommitted"),
        ([], [], "empty-result"),
        (["a/good", "b/x"], ["--commit", "x", "b/x"], "boundary"),
    ],
)
def test_trying_tells_each_refusal(
    cli: Cli, place: Path, names: list[str], words: list[str], reason: str
) -> None:
    put(place, *names)
    before = refs(place)
    out = cli("complete", "--dry-run", *words, "--json", status=18)
    assert f'"reason": "{reason}"' in out
    assert refs(place) == before


def test_a_commit_outside_the_boundary_is_found_by_trying(cli: Cli, place: Path) -> None:
    put(place, "a/good", "b/x")
    git("add", "-A", cwd=place)
    git("commit", "-q", "--no-verify", "-m", "too much", cwd=place)
    assert '"reason": "boundary"' in cli("complete", "--dry-run", "--json", status=18)


def test_a_task_is_still_named_as_ever(cli: Cli, place: Path) -> None:
    put(place, "a/good")
    git("add", "-A", cwd=place)
    git("commit", "-q", "-m", "x", cwd=place)
    assert cli.json("complete", "a", "b", status=2)["code"] == "usage"
    assert cli.json("complete", "--commit", "x", "--no-result", status=2)["code"] == "usage"
    assert "a is done" in cli("complete", "a")


def _with_stubs(place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command where devices hide files, as in a sandbox of Claude's."""
    script = (
        'cd "$0" && for f in a/.bashrc a/.mcp.json .gitconfig; do '
        'touch "$f" && mount --bind /dev/null "$f" || exit 99; done; '
        '"$@"; s=$?; umount a/.bashrc a/.mcp.json .gitconfig; '
        "rm -f a/.bashrc a/.mcp.json .gitconfig; exit $s"
    )
    flags = "-m" if os.geteuid() == 0 else "-rm"
    return subprocess.run(
        ["unshare", flags, "sh", "-c", script, str(place), *command],
        env=environment(GITCOORD_UPKEEP="off"),
        capture_output=True,
        text=True,
        check=False,
    )


def test_devices_that_a_sandbox_planted_are_no_uncommitted_work(
    place: Path, work: Workspace
) -> None:
    put(place, "a/good")
    if shutil.which("unshare") is None or _with_stubs(place, "true").returncode != 0:
        pytest.skip("no mount namespace of our own here")
    listed = _with_stubs(place, "git", "status", "--porcelain", "-uall").stdout
    assert "?? a/.bashrc" in listed, "git takes them for files"
    done = _with_stubs(place, sys.executable, "-m", "gitcoord", "complete", "--commit", "Do a")
    assert done.returncode == 0, done.stderr
    assert "a is done: 1 commit(s), 1 file(s)" in done.stdout
    assert "bashrc" not in done.stderr
