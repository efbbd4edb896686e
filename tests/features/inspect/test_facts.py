"""Views of the ledger: phases, logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import NotFoundError, RefusedError
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings
from gitcoord.features.setup import trust
from gitcoord.features.work import claims, results
from gitcoord.ledger.logs import Logs
from tests.support.builders import tasks
from tests.support.world import do, found

GATE = '[[phase]]\nname = "default"\ngates = [{ name = "tests", run = "exit 3" }]\n'


def test_a_phase_names_its_failed_gates_and_the_command_that_helps(repo: Path) -> None:
    work = found(repo, GATE + tasks("a"), "x")
    trust.trust(work, work.ledger.snapshot())
    do(work, "x")
    with pytest.raises(RefusedError):
        landings.land(work, "default")
    phase = facts.status(work)["phases"][0]
    assert [one["gate"] for one in phase["failed_gates"]] == ["tests"]
    assert "status 3" in phase["failed_gates"][0]["reason"]


def test_a_phase_with_a_failed_task_waits_for_its_retry(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x")
    held = claims.claim(work, "x", "a")
    results.fail(work, "x", "a", held.claim["token"], "no", "permanent")
    phase = facts.status(work)["phases"][0]
    assert (phase["failed"], phase["next"]) == (["a"], "gitcoord retry a")
    assert not phase["is_landable"]


def test_the_log_of_an_attempt_on_this_machine_comes_before_what_the_ledger_kept(
    repo: Path,
) -> None:
    work = found(repo, tasks("a"), "x")
    with pytest.raises(NotFoundError):
        facts.log_of(work, "a")
    held = claims.claim(work, "x", "a")
    logs = Logs(work.ledger.files.root, work.ledger.name)
    path = logs.of_attempt("a", 1, held.claim["token"], "run")
    with logs.open(path).file as file:
        file.write(b"first\nall of it \x1b[31mred\n")
    results.fail(work, "x", "a", held.claim["token"], "no", "transient", b"the end of it\n")
    name, text = facts.log_of(work, "a")
    assert name == str(path)
    assert text.startswith("first\nall of it")
    assert "\x1b" not in text
    path.unlink()
    assert facts.log_of(work, "a")[1] == "the end of it\n"


def test_the_output_of_a_failed_check_is_kept_whole_on_this_machine(repo: Path) -> None:
    checked = tasks("a").replace('"Do a"', '"Do a"\ncheck = "seq 1 40000; exit 1"')
    work = found(repo, checked, "x")
    trust.trust(work, work.ledger.snapshot())
    with pytest.raises(RefusedError):
        do(work, "x")
    held = facts.show(work, "a")["task"]["claim"]
    name, text = facts.log_of(work, "a")
    assert name.endswith(f"/logs/ledger/tasks/a/1-{held['token'][:6]}/check.log")
    assert text.splitlines()[:2] == ["1", "2"]
    assert text.splitlines()[-1] == "40000"
