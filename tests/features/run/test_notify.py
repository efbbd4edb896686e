"""The user's program is told what happened, at least once, from where it stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.errors import UsageError
from gitcoord.features.inspect.chain import entries
from gitcoord.features.land import landings, rollbacks
from gitcoord.features.run import batches, runner
from gitcoord.features.run.notify import Notifier, Notify, configured, kinds_of, notifying
from gitcoord.features.work import claims, results
from gitcoord.features.work.escalations import escalate_once
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import do, found


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / "config" / "gitcoord" / "notify.toml"
    path.parent.mkdir(parents=True)
    return path


def told(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines()]


def newest_kinds(work: Workspace) -> list[str]:
    return kinds_of(work, next(entries(work, work.ledger.snapshot().oid)))


def test_what_needs_the_user_is_told_apart_from_the_rest(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x")
    assert newest_kinds(work) == []
    held = claims.claim(work, "x", "a")
    assert newest_kinds(work) == []
    escalate_once(work, "x", "question", "a", "which one?")
    assert newest_kinds(work) == ["needs-you"]
    results.fail(work, "x", "a", held.claim["token"], "no")
    assert newest_kinds(work) == ["failed"]
    held = claims.claim(work, "x", "b")
    results.fail(work, "x", "b", held.claim["token"], "no", "permanent")
    assert newest_kinds(work) == ["needs-you", "failed"]
    rollbacks.rollback(work, rollbacks.choose(work, steps=2))
    assert newest_kinds(work) == []


def test_a_failure_within_a_batch_is_told(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    claims.claim(work, "x", "a")
    line = {"op": "fail", "task": "a", "agent": "x", "reason": "no", "kind": "permanent"}
    batches.batch(work, batches.parse_lines(json.dumps(line)), agent="x")
    assert newest_kinds(work) == ["needs-you", "failed"]


def test_the_last_landing_is_the_end(repo: Path) -> None:
    two = '[[phase]]\nname = "one"\n[[phase]]\nname = "two"\nafter = ["one"]\n'
    plan = two + tasks("a", "b").replace('"Do a"', '"Do a"\nphase = "one"').replace(
        '"Do b"', '"Do b"\nphase = "two"'
    )
    work = found(repo, plan, "x")
    for task, phase, kinds in (("a", "one", ["landed"]), ("b", "two", ["landed", "done"])):
        do(work, "x", task)
        landings.land(work, phase)
        assert newest_kinds(work) == kinds


def test_each_event_is_told_until_the_program_ends_well(repo: Path, tmp_path: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    file, words = tmp_path / "told", list[str]()
    failing = Notifier(work, Notify(f"cat >> {file}; exit 3", ("failed",)), words.append)
    failing.begin()
    held = claims.claim(work, "x", "a")
    failed = results.fail(work, "x", "a", held.claim["token"], "no")
    failing.tell_all()
    failing.tell_all()
    assert words == ["the notify command ended with status 3"] * 2
    working = Notifier(work, Notify(f"cat >> {file}", ("failed",)), words.append)
    working.begin()
    working.tell_all()
    working.tell_all()
    lines = told(file)
    assert [line["entry"] for line in lines] == [failed.entry] * 3
    assert (lines[0]["kinds"], lines[0]["op"], lines[0]["task"]) == (["failed"], "fail", "a")


def test_what_was_before_the_first_time_is_not_told(repo: Path, tmp_path: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    held = claims.claim(work, "x", "a")
    results.fail(work, "x", "a", held.claim["token"], "no")
    notifier = Notifier(work, Notify(f"cat >> {tmp_path}/told", ("failed",)), print)
    notifier.begin()
    notifier.tell_all()
    assert told(tmp_path / "told") == []


def test_a_cursor_that_is_not_of_this_ledger_begins_anew(repo: Path, tmp_path: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    words = list[str]()
    notifier = Notifier(work, Notify(f"cat >> {tmp_path}/told", ("failed",)), words.append)
    cursor = repo / ".git" / "gitcoord" / "notify" / "ledger.json"
    cursor.parent.mkdir(parents=True)
    cursor.write_text(json.dumps({"entry": "1" * 40}))
    notifier.tell_all()
    assert "begin anew" in words[0]
    assert json.loads(cursor.read_text())["entry"] == work.ledger.snapshot().oid


def test_a_run_tells_the_user_s_program_how_it_went(
    repo: Path, tmp_path: Path, settings: Path
) -> None:
    settings.write_text(f"command = 'cat >> {tmp_path}/told'\nevents = ['landed', 'done']\n")
    work = found(repo, tasks("a"))
    words = ["sh", "-c", "mkdir -p a && date > a/x"]
    assert runner.run(work, repo, words, 1, lambda _note: None).is_landed
    (line,) = told(tmp_path / "told")
    assert (line["op"], line["kinds"]) == ("land-done", ["landed", "done"])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("command = 3\n", "command has to be"),
        ("command = 'x'\nevents = ['lunch']\n", "events has to list"),
        ("command = 'x'\nevent = []\n", "event is not a known key"),
        ("command =\n", "Invalid value"),
    ],
)
def test_a_file_that_says_something_else_is_refused(
    repo: Path, settings: Path, text: str, what: str
) -> None:
    settings.write_text(text)
    with pytest.raises(UsageError, match=what):
        configured()
    found(repo, tasks("a"), worktrees=False)
    with pytest.raises(UsageError, match=what), notifying(repo, "ledger", print):
        pass


def test_without_a_file_nothing_is_told(settings: Path) -> None:
    assert configured() is None
    settings.write_text("command = 'cat'\n")
    assert configured() == Notify("cat", ("needs-you", "failed", "landed", "done"))
