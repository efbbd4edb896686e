from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core.errors import CorruptError, RefusedError
from gitcoord.core.messages import parse, render
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
    assert lines[8] == "Gitcoord-Format: 1"
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
            "--format=%(trailers:key=Gitcoord-Agent,valueonly)|%(trailers:key=Gitcoord-Task,valueonly)",
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
    except CorruptError:
        return
    # Another event, then, and not this one: check and the tree refuse it.
    assert changed != event
    assert render(changed) != message


@given(st.text(max_size=400))
def test_any_message_is_parsed_or_refused(text: str) -> None:
    with pytest.raises((CorruptError, RefusedError)):
        parse(text + "\nGitcoord-Event: " + json.dumps({"op": text, "format": 1}))


def test_a_newer_format_says_what_to_do() -> None:
    with pytest.raises(CorruptError, match="ledger format 2") as caught:
        parse('x\n\nGitcoord-Event: {"format":2,"op":"claim"}\n')
    assert caught.value.hint == "install a newer gitcoord"
