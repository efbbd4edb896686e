"""The command brief: on a real ledger, also where nothing can be written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.cli.main import run
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.features.work import claims, notes, results, reviews
from gitcoord.features.workspace import Workspace
from tests.support.cli import Cli
from tests.support.world import do, environment, found, git, write

PLAN = """
[plan]
heartbeat = "5m"
[[pool]]
name = "builders"
context = \"\"\"
Write C.
Keep it short.
\"\"\"
[[phase]]
name = "default"
[[task]]
id = "base"
title = "Lay the base"
paths = ["base/"]
pool = "builders"
[[task]]
id = "lexer"
title = "Build the lexer"
description = "Tokens first."
paths = ["lexer/"]
reads = ["base/"]
needs = ["base"]
pool = "builders"
check = "true"
context = "Tokens are in base/tokens.h."
[[task]]
id = "parser"
title = "Build the parser"
paths = ["parser/"]
pool = "builders"
[[task]]
id = "last"
title = "Put it together"
paths = ["all/"]
needs = ["lexer"]
pool = "builders"
"""


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, PLAN, "one", "two")
    do(work, "one", "base", name="base/tokens.h")
    yield work
    work.close()


def at(work: Workspace, agent: str, capsys: pytest.CaptureFixture[str]) -> Cli:
    place = work.worktree_of(agent)
    assert place is not None
    return Cli(place, capsys)


def test_a_brief_of_a_real_claim(work: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    first = claims.claim(work, "one", "lexer")
    results.fail(
        work,
        "one",
        "lexer",
        first.claim["token"],
        "no flex here",
        "transient",
        b"line\nflex: not found\n",
    )
    notes.note(work, "two", "tabs are evil", path="lexer/")
    claims.claim(work, "two", "parser")
    work.ledger.execute(
        {"op": "cancel", "agent": ORCHESTRATOR, "task": "lexer", "reason": "x"}, agent=ORCHESTRATOR
    )
    work.ledger.execute(
        {"op": "retry", "agent": ORCHESTRATOR, "task": "lexer", "reason": ""}, agent=ORCHESTRATOR
    )
    claims.claim(work, "one", "lexer")
    text = at(work, "one", capsys)("brief")
    for part in (
        "agent one holds task lexer",
        "> Build the lexer",
        "> Tokens first.",
        "> Write C.",
        "> Tokens are in base/tokens.h.",
        "lexer/ (task lexer)",
        "Need base is done",
        "> work",
        "Files of base: base/tokens.h.",
        "two works on parser in parser/",
        "(1): last",
        "> no flex here",
        "> flex: not found",
        "> tabs are evil",
        "expected at least every 5m",
        "git stash",
    ):
        assert part in text, f"{part}: {text}"
    facts = at(work, "one", capsys).json("brief", "--format", "json")
    assert facts["task"]["id"] == "lexer"
    assert facts["boundary"] == [{"name": "task lexer", "patterns": ["lexer/"]}]
    assert facts["text"] == text


def test_a_brief_without_a_claim_and_of_a_named_task(
    work: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = at(work, "two", capsys)
    assert "It holds no claim" in cli("brief")
    assert "> Build the parser" in cli("brief", "parser")
    assert cli.json("brief", "nothing", status=2)["code"] == "not-found"
    assert cli.json("brief", "--budget", "5", status=2)["code"] == "usage"
    assert Cli(work.place.worktree or Path(), capsys).json("brief", status=2)["code"] == "usage"


def test_a_written_brief_is_seen_by_no_git_and_goes_with_the_claim(
    work: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Path(claims.claim(work, "two", "parser").worktree or "")
    (place / "AGENTS.md").write_text("rules\n")
    cli = at(work, "two", capsys)
    cli("brief", "--write")
    cli("brief", "--write-local")
    assert "> Build the parser" in (place / ".claude/rules/gitcoord.md").read_text()
    assert (place / "CLAUDE.local.md").read_text().startswith("@AGENTS.md\n")
    assert git("status", "--porcelain", cwd=place) == "?? AGENTS.md"
    (place / "AGENTS.md").unlink()
    write(place, "parser/a.c")
    cli("complete")
    assert not (place / ".claude/rules/gitcoord.md").exists()
    assert not (place / "CLAUDE.local.md").exists()


def test_a_file_of_somebody_elses_is_not_written_over(
    work: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Path(claims.claim(work, "two", "parser").worktree or "")
    (place / "CLAUDE.local.md").write_text("mine\n")
    error = at(work, "two", capsys).json("brief", "--write-local", status=14)
    assert error["reason"] == "exists"
    assert (place / "CLAUDE.local.md").read_text() == "mine\n"
    (place / ".claude").symlink_to(work.place.common_dir)
    assert at(work, "two", capsys).json("brief", "--write", status=2)["code"] == "usage"


def test_a_reviewers_brief_has_the_diff_and_the_gates(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = (
        '[[phase]]\nname = "default"\nreviews = 1\ngates = [{ name = "tests", run = "true" }]\n'
        '[[task]]\nid = "a"\ntitle = "A"\npaths = ["a/"]\n'
    )
    work = found(repo, plan, "author", "judge")
    do(work, "author", "a", text="int main;\n")
    reviews.claim(work, "judge", "a")
    reviews.judge(work, "judge", "a", "reject", "no comment in it")
    do(work, "author", "a", text="/* yes */\n")
    reviews.claim(work, "judge", "a")
    text = at(work, "judge", capsys)("brief")
    for part in (
        "agent judge reviews task a",
        "+/* yes */",
        "Gate tests",
        "> true",
        "judge rejected the result: no comment in it",
        "gitcoord review approve",
        "a/ (task a)",
    ):
        assert part in text, f"{part}: {text}"
    work.close()


def _read_only_shell(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command where a folder can only be read, as in a sandbox."""
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    flags = "-m" if os.geteuid() == 0 else "-rm"
    return subprocess.run(
        ["unshare", flags, "sh", "-c", script, str(folder), *command],
        env=environment(GITCOORD_UPKEEP="off"),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def read_only() -> None:
    if shutil.which("unshare") is None or _read_only_shell(Path("/usr"), "true").returncode != 0:
        pytest.skip("no mount namespace of our own here")


@pytest.mark.usefixtures("read_only")
def test_reading_needs_no_writing_and_a_write_names_the_way_out(work: Workspace) -> None:
    claims.claim(work, "two", "parser")
    place = work.worktree_of("two")
    assert place is not None
    program = [sys.executable, "-m", "gitcoord", "-C", str(place)]
    shutil.rmtree(work.place.common_dir / "gitcoord" / "index")
    for words in (["brief"], ["status"], ["show", "parser"], ["tasks"], ["log"]):
        done = _read_only_shell(work.place.common_dir, *program, *words)
        assert done.returncode == 0, (words, done.stderr)
        assert "Traceback" not in done.stderr
    for words in (
        ["progress", "on"],
        ["beat"],
        ["release"],
        ["note", "hello"],
        ["escalate", "help"],
    ):
        done = _read_only_shell(work.place.common_dir, *program, *words, "--json")
        error = json.loads(done.stdout)["error"]
        assert (done.returncode, error["code"], error["reason"]) == (
            15,
            "unavailable",
            "sandbox",
        ), words
        assert "sandbox" in error["hint"]
        assert "Traceback" not in done.stderr


def test_the_command_line_names_the_command() -> None:
    assert run(["brief", "--help"]) == 0


@pytest.mark.usefixtures("read_only")
def test_a_beat_from_beside_that_cannot_write_prints_no_traceback(
    work: Workspace, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gitcoord.features.work import beating
    from gitcoord.features.workspace import open_workspace

    claimed = claims.claim(work, "two", "parser")
    monkeypatch.setattr(beating, "beat_every_s", lambda _work: 0.05)

    def broken(*_args: object, **_more: object) -> Workspace:
        tried.set()
        raise OSError(30, "Read-only file system")

    import threading

    tried = threading.Event()
    with beating.beating(work, "two", claimed.claim["token"]) as lost:
        monkeypatch.setattr(beating, "open_workspace", broken)
        assert tried.wait(20)
    monkeypatch.setattr(beating, "open_workspace", open_workspace)
    assert not lost.is_set()
    assert "Traceback" not in capfd.readouterr().err
