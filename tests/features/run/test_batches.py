"""A batch is one entry, or nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import ClaimLostError, GitcoordError, RefusedError, UsageError
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.features.maintain import verify
from gitcoord.features.run import batches
from gitcoord.features.setup import trust
from gitcoord.features.work import claims, results, tokens
from tests.support.builders import tasks
from tests.support.world import environment, found, git, record, write


def lines(*rows: dict[str, object]) -> list[batches.Line]:
    return batches.parse_lines("\n".join(json.dumps(row) for row in rows))


def test_a_batch_is_one_entry_that_names_every_task(repo: Path) -> None:
    work = found(repo, tasks("a", "b", "c"), "x", worktrees=False)
    before = work.ledger.tip()
    done = batches.batch(
        work,
        lines(
            {"op": "cancel", "task": "a", "reason": "not wanted"},
            {"op": "assign", "task": "b", "to": "x"},
            {"op": "note", "text": "mind the gap", "task": "c"},
            {"op": "checkpoint", "name": "sorted"},
            {"op": "agent add", "id": "y", "pool": "default"},
        ),
        agent=ORCHESTRATOR,
    )
    assert work.store.read_entry(done.entry).parents == (before,)
    named = git(
        "log", "-1", "--format=%(trailers:key=Gitcoord-Task,valueonly)", "gitcoord/ledger", cwd=repo
    )
    assert named.split() == ["a", "b", "c"]
    assert record(work, "a")["state"] == "cancelled"
    assert record(work, "b")["assigned"] == "x"
    assert [agent["id"] for agent in work.ledger.snapshot().agents()] == ["x", "y"]
    verify.verify(work)


def test_the_first_refusal_names_its_line_and_nothing_is_applied(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    before = work.ledger.tip()
    text = (
        '{"op": "cancel", "task": "a"}\n\n{"op": "retry", "task": "b"}\n{"op": "cancel", "task": '
        '"zz"}\n'
    )
    with pytest.raises(GitcoordError) as caught:
        batches.batch(work, batches.parse_lines(text), agent=ORCHESTRATOR)
    assert caught.value.facts["line"] == 3
    assert caught.value.message.startswith("line 3: task b is open")
    assert work.ledger.tip() == before


def test_later_lines_see_what_earlier_ones_did(repo: Path) -> None:
    work = found(repo, tasks("a", "b", b=["a"]), "x", worktrees=False)
    git("checkout", "-q", "-b", "mine", cwd=repo)
    oid = write(repo, "a/file.txt")
    done = batches.batch(
        work,
        lines(
            {"op": "claim", "task": "a"},
            {"op": "progress", "message": "begun", "percent": 5},
            {"op": "complete", "task": "a", "result": oid},
            {"op": "claim", "task": "b"},
        ),
        agent="x",
    )
    assert record(work, "a")["state"] == "done"
    held = record(work, "b")["claim"]
    assert held["built_on"] == {"a": oid}
    claim_ids = [one["token"] for one in done.event["events"] if one["op"] == "claim"]
    assert len(set(claim_ids)) == 2
    # The token was kept before the swap: the holder can go on.
    results.release(work, "x", *tokens.current_claim(work, work.ledger.snapshot(), "x", "b"))
    verify.verify(work)


def test_a_batch_runs_the_checks_of_what_it_completes_before_its_entry(repo: Path) -> None:
    plan = (
        '[[task]]\nid = "a"\ntitle = "A"\npaths = ["a/"]\ncheck = "test -f a/good"\n[[task]]\nid = '
        '"b"\ntitle = "B"\npaths = ["b/"]\n'
    )
    work = found(repo, plan, "x", worktrees=False)
    trust.trust(work, work.ledger.snapshot())
    claims.claim(work, "x", "a", checkout=False)
    git("checkout", "-q", "-b", "mine", cwd=repo)
    wrong = write(repo, "a/bad")
    rows: tuple[dict[str, object], ...] = (
        {"op": "note", "text": "hello"},
        {"op": "complete", "task": "a", "result": "mine"},
    )
    with pytest.raises(RefusedError, match="the check of task a failed") as caught:
        batches.batch(work, lines(*rows), agent="x")
    assert caught.value.message.startswith("line 2: the check of task a failed")
    assert (caught.value.reason, caught.value.facts["line"]) == ("check", 2)
    assert (record(work, "a")["state"], work.ledger.snapshot().notes()) == ("claimed", [])
    right = write(repo, "a/good")
    batches.batch(work, lines(*rows), agent="x")
    assert (record(work, "a")["state"], record(work, "a")["result"]["oid"]) == ("done", right)
    assert wrong != right
    verify.verify(work)


def test_a_stale_token_in_a_batch_refuses_it_whole(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", "y", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    work.ledger.execute({"op": "assign", "task": "a", "to": "y", "reason": ""}, agent=ORCHESTRATOR)
    with pytest.raises(ClaimLostError) as caught:
        batches.batch(
            work,
            lines(
                {"op": "note", "text": "hello"}, {"op": "progress", "task": "a", "message": "on"}
            ),
            agent="x",
        )
    assert caught.value.facts["line"] == 2
    assert not work.ledger.snapshot().notes()


def test_prefixes_and_defaults_are_those_of_the_commands(repo: Path) -> None:
    work = found(repo, tasks("lexer", "parser"), "ada", worktrees=False)
    batches.batch(
        work,
        lines(
            {"op": "assign", "task": "lex", "to": "ad"},
            {"op": "agent add", "id": "bob", "pool": ["def", "default"], "path": "src/"},
            {"op": "agent remove", "id": "bo"},
            {"op": "escalate", "text": "may I?", "task": "pars", "agent": "ada"},
        ),
        agent=ORCHESTRATOR,
    )
    assert record(work, "lexer")["assigned"] == "ada"
    asked = work.ledger.snapshot().escalations()[0]
    assert (asked["task"], asked["code"], asked["agent"]) == ("parser", "question", "ada")
    rows = lines(
        {"op": "resolve", "escalation": asked["id"][:6], "answer": "yes"},
        {"op": "assign", "task": "lexer", "to": None},
    )
    batches.batch(work, rows, agent=ORCHESTRATOR)
    assert work.ledger.snapshot().escalations()[0]["state"] == "resolved"
    assert record(work, "lexer")["assigned"] is None
    verify.verify(work)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ('{"op": "unlock", "path": []}', "wrong type"),
        ('{"op": "unlock", "path": ["a/", 7]}', "wrong type"),
        ('{"op": "lock", "path": "a/", "shared": 1}', "wrong type"),
        ("{", "not valid JSON"),
        ("[1]", "not an object"),
        ('{"op": "rollback"}', "no operation"),
        ('{"op": "cancl", "task": "a"}', "no operation"),
        ('{"op": "cancel"}', "needs task"),
        ('{"op": "cancel", "task": "a", "reson": "x"}', "no key"),
        ('{"op": "cancel", "task": 25}', "wrong type"),
        ('{"op": "progress", "message": "m", "percent": true}', "wrong type"),
        ('{"op": "cancel", "task": "a", "task": "b"}', "duplicate key"),
    ],
)
def test_a_line_that_is_wrong_is_named_before_anything_happens(row: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        batches.parse_lines('{"op": "reap"}\n' + row)
    assert caught.value.facts["line"] == 2
    assert what in caught.value.message


def test_batches_are_bounded() -> None:
    with pytest.raises(UsageError):
        batches.parse_lines("\n")
    with pytest.raises(UsageError):
        batches.parse_lines('{"op": "reap"}\n' * 1001)
    with pytest.raises(UsageError):
        batches.parse_lines("x" * (5 << 20))


def test_the_command_reads_standard_input_and_keeps_agents_in_their_role(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", "y")
    place = work.worktree_of("x")
    assert place is not None

    def run(cwd: Path, text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gitcoord", "batch", "--json"],
            cwd=cwd,
            env=environment(),
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run(place, '{"op": "claim", "task": "a"}\n{"op": "note", "text": "mine"}\n')
    assert json.loads(done.stdout)["results"][0]["token"] == record(work, "a")["claim"]["token"]
    assert run(place, '{"op": "cancel", "task": "b"}\n').returncode == 14
    assert run(place, '{"op": "note", "text": "as y", "agent": "y"}\n').returncode == 14
    assert run(repo, '{"op": "cancel", "task": "b"}\n').returncode == 0
    wrong = run(repo, '{"op": "cancel", "task": "b"}\n')
    assert wrong.returncode == 14
    assert json.loads(wrong.stdout)["error"]["line"] == 1
