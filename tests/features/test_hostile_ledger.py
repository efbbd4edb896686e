"""What others wrote into the ledger, its hints or private files is only input."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core import codec
from gitcoord.core.layout import task_path
from gitcoord.features.land import rollbacks
from gitcoord.features.work import claims, escalations, locks, notes
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import do, found, git

READS = (
    ("status",),
    ("tasks",),
    ("show", "a"),
    ("impact", "a"),
    ("why", "a"),
    ("log",),
    ("locks",),
    ("inbox",),
    ("agent", "list"),
    ("agent", "show", "x"),
    ("phase", "list"),
    ("phase", "check", "default"),
    ("plan", "show"),
    ("review", "list"),
    ("rollback", "list"),
    ("--agent", "y", "brief"),
)
SEEING = (
    ("watch", "--once"),
    ("stats",),
    ("simulate",),
    ("events", "--once"),
    *(("report", "--format", kind) for kind in ("html", "md", "mermaid", "json")),
)
WRITES = (
    ("--agent", "y", "claim", "--no-checkout"),
    ("--agent", "x", "beat"),
    ("--agent", "x", "progress", "on"),
    ("--agent", "x", "complete", "--no-result"),
    ("--agent", "x", "lock", "d/"),
    ("reap",),
    ("cancel", "a"),
    ("assign", "b", "y"),
    ("phase", "land", "default"),
    ("upkeep",),
    ("checkpoint", "now"),
)
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]")


@pytest.fixture
def cli(repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(repo, capsys)


@pytest.fixture
def work(repo: Path) -> Workspace:
    """A ledger with a bit of everything."""
    work = found(repo, tasks("a", "b"), "x", "y", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    locks.lock(work, "x", ["c/"])
    escalations.escalate(work, "x", "may I?")
    notes.note(work, "x", "mind the gap")
    return work


def rewrite(work: Workspace, path: str, content: bytes) -> None:
    """Replace a file of the newest entry's tree, by an illegal entry."""
    tip = work.ledger.snapshot()
    entry = work.store.read_entry(tip.oid)
    tree = work.store.write_tree(entry.tree, {path: content})
    author = (entry.author, entry.author_email)
    oid = work.store.write_entry(tree, (tip.oid,), entry.message, author, entry.time)
    work.store.swap(work.ledger.ref, tip.oid, oid)
    work.close()


def path_of(work: Workspace, kind: str) -> str:
    snapshot = work.ledger.snapshot()
    if kind == "tasks":
        return task_path("a")
    if kind.endswith(".json"):
        return kind
    return f"{kind}/{snapshot.names(kind)[0]}"


KINDS = ["plan.json", "settings.json", "tasks", "live", "agents", "phases", "locks"]
CONTENTS = {"a list": b"[]\n", "nothing": b"{}\n", "a number": b"1\n", "not JSON": b"\xff{"}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("kind", [*KINDS, "escalations", "notes"])
def test_what_is_no_record_is_damage_of_the_ledger_and_never_a_bug(
    work: Workspace, cli: Cli, kind: str, content: str
) -> None:
    rewrite(work, path_of(work, kind), CONTENTS[content])
    for words in (*READS, *WRITES, ("verify",)):
        answer = cli.status_of(*words)
        assert answer != 1, (words, cli.err)
    assert cli.status_of("verify") == 16


def change(record: Any, key: str, value: object) -> Any:
    return {**record, key: value}


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("tasks", "spec", "x"),
        ("tasks", "claim", {"token": 1}),
        ("tasks", "setbacks", [5]),
        ("live", "reviews", [None]),
        ("phases", "spec", {}),
        ("phases", "landing", [1]),
        ("agents", "capacity", "many"),
        ("locks", "paths", "c/"),
        ("plan.json", "pools", []),
        ("settings.json", "pending", "soon"),
        ("settings.json", "epoch", None),
    ],
)
def test_a_record_with_a_value_of_another_type_is_told_as_damage(
    work: Workspace, cli: Cli, kind: str, key: str, value: object
) -> None:
    path = path_of(work, kind)
    record = work.ledger.snapshot().record(path)
    rewrite(work, path, codec.dump(change(record, key, value)))
    answers = {words: cli.status_of(*words) for words in (*READS, *WRITES)}
    assert 1 not in answers.values(), answers
    assert 16 in answers.values()


NASTY = "x\x1b]0;owned\x07\x1b[31m\x7f\x9b31m\u202eoops\u200b\r\nnext"


def test_no_view_prints_what_steers_a_terminal(
    repo: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a", "b"), "x", "y", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    snapshot = work.ledger.snapshot()
    task = snapshot.require_task("a")
    nasty = {**task, "spec": {**task["spec"], "title": NASTY, "description": NASTY}}
    agent = {**(snapshot.agent("x") or {}), "worktree": NASTY}
    for path, record in ((task_path("a"), nasty), ("agents/x.json", agent)):
        rewrite(work, path, codec.dump(record))
    escalation = {
        "id": "e1",
        "kind": NASTY,
        "task": "a",
        "agent": "x",
        "text": NASTY,
        "state": "open",
        "answer": NASTY,
        "at": 1,
    }
    rewrite(work, "escalations/e1.json", codec.dump(escalation))
    note = {"id": "n1", "task": "a", "path": None, "agent": "x", "text": NASTY, "at": 1}
    rewrite(work, "notes/n1.json", codec.dump(note))
    for is_coloured in ("", "1"):
        monkeypatch.setenv("FORCE_COLOR", is_coloured)
        for words in (*READS, *SEEING, ("verify",)):
            for more in ((), ("--json",)):
                cli.status_of(*words, *more)
                bare = (
                    re.sub(r"\x1b\[[0-9;]*m", "", cli.out) if is_coloured and not more else cli.out
                )
                assert not CONTROL.search(bare), (words, more, cli.out)
                assert not CONTROL.search(cli.err), (words, more, cli.err)


# hints


def torn(repo: Path, ref: str) -> Path:
    """Leave a ref as a full disk or a crash does."""
    path = repo / ".git" / ref
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def test_a_torn_beat_stops_nobody_and_is_mended_by_its_holder(
    work: Workspace, repo: Path, cli: Cli
) -> None:
    claim = work.ledger.snapshot().require_task("a")["claim"]
    assert claim is not None
    work.ledger.beat("x", claim["token"])
    path = torn(repo, "refs/gitcoord/ledger/beats/x")
    for words in (*READS, ("reap",), ("--agent", "y", "claim", "--no-checkout")):
        assert cli.status_of(*words) in {0, 18}, (words, cli.err)
    path.write_text("torn again")
    assert work.ledger.beat("x", claim["token"]).stamps.keys() == {claim["token"]}
    assert git("for-each-ref", "refs/gitcoord/ledger/beats", cwd=repo) != ""


def test_doctor_mends_the_torn_refs_whose_value_is_known(repo: Path, cli: Cli) -> None:
    work = found(repo, tasks("a"), "x")
    before = work.ledger.snapshot().oid
    do(work, "x", "a")
    rollbacks.rollback(work, rollbacks.choose(work, to=before))
    refs = work.store.list_refs("refs/gitcoord/ledger/")
    assert {ref.split("/")[3] for ref in refs} >= {"results", "attic"}
    for ref in refs:
        torn(repo, ref)
    assert cli.status_of("status") == 0
    assert cli.status_of("--agent", "x", "beat") != 16
    assert cli.status_of("doctor") == 18
    assert all(ref in cli.out for ref in refs)
    cli.status_of("doctor", "--fix")
    mended = open_workspace(repo).store.list_refs("refs/gitcoord/ledger/")
    assert {ref: oid for ref, oid in mended.items() if "/beats/" not in ref} == {
        ref: oid for ref, oid in refs.items() if "/beats/" not in ref
    }


# private files

PRIVATE = (
    "pending/ledger/x/1.json",
    "pending/ledger/orchestrator/1.json",
    "pending/ledger/.refs/1.json",
    "follow/ledger/default.json",
    "observed/ledger.json",
    "verified/ledger.json",
    "upkeep/ledger.json",
    "agents/ledger/x/losses.json",
    "agents/ledger/x/removing.json",
    "agents/ledger/x/worktree.json",
    "checks/0123456789ab.marker",
    "locks/ledger.queue",
    "locks/ledger.landing",
    "worktrees.lock",
    "index/ledger.sqlite",
)
PLACED: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to nowhere": lambda path: path.symlink_to("nowhere/at/all"),
    "a list": lambda path: path.write_text("[]"),
    "an empty object": lambda path: path.write_text("{}"),
    "wrong types": lambda path: path.write_text(
        json.dumps(
            {
                "process": 5,
                "tip": [],
                "verified": 7,
                "op": {},
                "token": [],
                "path": 1,
                "private": 2,
                "seen": {"a": "b"},
                "boot": None,
                "count": "x",
                "met": 5,
                "since_ns": [],
                "packed": 1,
                "target": {},
                "old": 1,
                "new": [],
                "locks": "x",
            }
        )
    ),
    "bytes": lambda path: path.write_bytes(b"\xff\x00" * 500),
}


@pytest.mark.parametrize("kind", PLACED)
@pytest.mark.parametrize("name", PRIVATE)
def test_whatever_lies_in_a_private_files_place_neither_hangs_nor_crashes_a_command(
    work: Workspace, repo: Path, cli: Cli, name: str, kind: str
) -> None:
    work.close()
    path = repo / ".git" / "gitcoord" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    PLACED[kind](path)
    for words in (
        ("--agent", "x", "beat"),
        ("--agent", "y", "claim", "b", "--no-checkout"),
        ("status",),
        ("reap",),
        ("upkeep",),
        ("doctor", "--fix"),
    ):
        assert cli.status_of(*words) != 1, (words, cli.err)


def test_a_pending_record_names_no_file_but_locks_of_refs(
    work: Workspace, repo: Path, cli: Cli, tmp_path: Path
) -> None:
    theirs = [tmp_path / "theirs.lock", tmp_path / "token.json", repo / ".git" / "index.lock"]
    for path in theirs:
        path.touch()
    up = "../" * 12 + str(tmp_path).lstrip("/")
    facts = {
        "process": "another-boot:1:1:1",
        "id": "1",
        "op": "claim",
        "task": "b",
        "tip": "1" * 40,
        "token": f"{up}/token",
        "verified": [f"{up}/theirs", "refs/../index", "index"],
    }
    record = repo / ".git" / "gitcoord" / "pending" / "ledger" / "x" / "1.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(facts))
    for words in (("--agent", "x", "beat"), ("doctor", "--fix"), ("upkeep",)):
        cli.status_of(*words)
    assert all(path.exists() for path in theirs)
    assert not record.exists(), "it was settled"
