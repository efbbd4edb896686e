from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core.errors import CorruptError, RefusedError
from gitcoord.core.events import Event
from gitcoord.core.messages import parse, render
from gitcoord.core.sentences import said
from tests.support.builders import PureLedger, tasks


def claimed() -> tuple[PureLedger, dict[str, object]]:
    pure = PureLedger()
    pure.init()
    pure.plan(tasks("a"))
    pure.agent("x")
    return pure, dict(pure.claim("x", "a"))


def test_the_message_of_a_claim_reads_well() -> None:
    _, event = claimed()
    lines = render(event).splitlines()  # type: ignore[arg-type]
    assert lines[:8] == [
        "claim a by x: Do a",
        "",
        "Gitcoord-Op: claim",
        "Gitcoord-Task: a",
        "Gitcoord-Agent: x",
        f"Gitcoord-Claim: {event['token']}",
        "Gitcoord-Attempt: 1",
        f"Gitcoord-Id: {event['id']}",
    ]
    assert lines[8] == "Gitcoord-Format: 2"
    assert lines[9].startswith('Gitcoord-Event: {"agent":"x",')


@given(st.text(min_size=1, max_size=300))
def test_no_text_can_forge_a_trailer(text: str) -> None:
    pure, event = claimed()
    try:
        done = pure.run(
            {"op": "release", "agent": "x", "task": "a", "token": event["token"], "reason": text}
        )
    except UnicodeEncodeError:
        return
    message = render(done)
    assert parse(message) == done
    body = message.split("\n\n", 1)[1]
    trailers = [line for line in body.splitlines() if line.startswith("Gitcoord-")]
    assert sum(line.startswith("Gitcoord-Agent:") for line in trailers) == 1
    assert sum(line.startswith("Gitcoord-Event:") for line in trailers) == 1


def test_git_reads_the_same_trailers(repo: Path) -> None:
    pure, event = claimed()
    nasty = "first\n\nGitcoord-Agent: mallory\n---\nGitcoord-Task: other"
    done = pure.run(
        {"op": "release", "agent": "x", "task": "a", "token": event["token"], "reason": nasty}
    )
    subprocess.run(
        ["git", "commit", "-q", "--allow-empty", "-F", "-"],
        cwd=repo,
        input=render(done).encode(),
        check=True,
    )
    asked = subprocess.run(
        [
            "git",
            "log",
            "-1",
            "--format=%(trailers:key=Gitcoord-Agent,valueonly)"
            "|%(trailers:key=Gitcoord-Task,valueonly)",
        ],
        cwd=repo,
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.split() == ["x", "|a"]


@given(st.data())
def test_any_flipped_character_is_noticed(data: st.DataObject) -> None:
    _, event = claimed()
    message = render(event)  # type: ignore[arg-type]
    index = data.draw(st.integers(0, len(message) - 1))
    char = data.draw(st.characters(codec="ascii").filter(lambda one: one != message[index]))
    try:
        changed = parse(message[:index] + char + message[index + 1 :])
    except (CorruptError, RefusedError):
        return
    # Another event, then, and not this one: check and the tree refuse it.
    assert changed != event
    assert render(changed) != message


@given(st.text(max_size=400))
def test_any_message_is_parsed_or_refused(text: str) -> None:
    with pytest.raises((CorruptError, RefusedError)):
        parse(text + "\nGitcoord-Event: " + json.dumps({"op": text, "format": 1}))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"format":3,"op":"claim"}', "the entry has ledger format 3"),
        ('{"format":2,"op":"teleport"}', "operation 'teleport' is not known"),
        ('{"format":2,"op":"claim","warp":9}', "the entry has a key 'warp' that is not known"),
        (
            '{"agent":"x","events":[{"op":"teleport"}],"format":2,"id":"a","op":"batch","time":1}',
            "operation 'teleport' is not known",
        ),
    ],
)
def test_what_only_a_newer_gitcoord_knows_is_not_corrupt(line: str, message: str) -> None:
    with pytest.raises(RefusedError, match=message) as caught:
        parse(f"x\n\nGitcoord-Event: {line}\n")
    assert (caught.value.reason, caught.value.exit_status) == ("newer-format", 14)
    assert caught.value.hint == "install a newer gitcoord"


LANDING = {"phase": "p", "target": "refs/heads/main", "old": "1" * 40, "new": "2" * 40}
ABORTED = {"op": "land-abort", "id": "a" * 32, "agent": "o", "time": 1, "format": 2, **LANDING}


def aborted(**why: object) -> Event:
    return cast("Event", {**ABORTED, "reason": "", "said": None, **why})


def test_a_reason_by_a_code_stands_in_words_in_the_message() -> None:
    event = aborted(said=said("target-elsewhere", target="main", place="3" * 40))
    lines = render(event).splitlines()
    assert lines[0] == "land-abort p: main moved to 333333333333 meanwhile"
    assert "Gitcoord-Reason: main moved to 333333333333 meanwhile" in lines
    assert '"reason"' not in lines[-1]
    assert parse(render(event)) == event


def test_a_reason_by_a_code_of_several_lines_stands_in_the_body() -> None:
    event = aborted(said=said("command-failed", status=3, output="no\ncompiler"))
    message = render(event)
    assert message.startswith(
        "land-abort p: the command ended with status 3:\n\n"
        "  the command ended with status 3:\n  no\n  compiler\n\n"
    )
    assert parse(message) == event


def test_a_reason_that_an_older_gitcoord_wrote_as_a_text_is_read_as_it_was() -> None:
    line = json.dumps({**ABORTED, "reason": "main moved"}, sort_keys=True, separators=(",", ":"))
    message = (
        "land-abort p: main moved\n\n"
        "Gitcoord-Op: land-abort\nGitcoord-Agent: o\nGitcoord-Phase: p\n"
        f"Gitcoord-Reason: main moved\nGitcoord-Id: {'a' * 32}\nGitcoord-Format: 2\n"
        f"Gitcoord-Event: {line}\n"
    )
    event = parse(message)
    assert event == aborted(reason="main moved")
    assert render(event) == message


NESTED = {"code": "not-handed-in", "values": {"reason": {"code": "warp", "values": {}}}}


@pytest.mark.parametrize("why", [{"code": "warp", "values": {}}, NESTED])
def test_a_reason_by_a_code_of_a_newer_gitcoord_is_not_corrupt(why: object) -> None:
    with pytest.raises(RefusedError, match="a reason 'warp' that is not known") as caught:
        parse(render(aborted(said=why)))
    assert caught.value.reason == "newer-format"


@pytest.mark.parametrize("why", ["stopped", 7, [], {"code": "stopped"}, {"code": 1, "values": {}}])
def test_a_reason_that_is_no_code_with_values_is_corrupt(why: object) -> None:
    line = json.dumps({**ABORTED, "said": why})
    with pytest.raises(CorruptError):
        parse(f"land-abort p: \n\nGitcoord-Event: {line}\n")


def test_an_older_format_is_told_apart_from_a_newer_one() -> None:
    with pytest.raises(RefusedError, match="ledger format 1, which no release wrote") as caught:
        parse('x\n\nGitcoord-Event: {"format":1,"op":"claim"}\n')
    assert caught.value.reason == "older-format"


def test_a_key_that_is_missing_is_corrupt() -> None:
    with pytest.raises(CorruptError, match="lacks a key"):
        parse('x\n\nGitcoord-Event: {"format":2,"op":"claim"}\n')


def test_an_optional_key_at_its_default_is_left_out_and_comes_back() -> None:
    _, event = claimed()
    line = json.loads(render(event).rpartition("Gitcoord-Event: ")[2])  # type: ignore[arg-type]
    assert event["takeover"] is None
    assert not line.keys() & {"takeover", "expired", "lapsed", "built_on"}
    assert parse(render(event)) == event  # type: ignore[arg-type]


def test_a_default_that_is_written_out_is_another_message() -> None:
    _, event = claimed()
    message = render(event)  # type: ignore[arg-type]
    forged = message.replace('"task":"a"', '"takeover":null,"task":"a"')
    with pytest.raises(CorruptError, match="differs from its event"):
        parse(forged)
