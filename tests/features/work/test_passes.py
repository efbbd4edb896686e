"""Passes that the ledger tells of and this machine never saw, in a legal history."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gitcoord.core import codec
from gitcoord.core.errors import RefusedError
from gitcoord.core.layout import check_path, gate_path
from gitcoord.core.operations.gates import check_of, definition_of
from gitcoord.core.refs import landing_ref
from gitcoord.core.sentences import text_of_escalation
from gitcoord.features.land import landings
from gitcoord.features.land.target_moves import finish_for_agent, finish_pending
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, passes, results
from gitcoord.features.work.checks import prove
from gitcoord.features.workspace import Workspace
from gitcoord.git.merges import tree_of
from gitcoord.host.user_folder import user_folder
from tests.support.gates import checked, gated, ops, refusal, trusted
from tests.support.world import do, git, record, write

FAILS = "exit 1"


def passed(work: Workspace, commit: str, definition: str) -> dict[str, object]:
    return {
        "definition": definition,
        "tree": tree_of(work.git, commit),
        "commit": commit,
        "verdict": "passed",
        "millis": 1,
        "reason": "",
        "log": None,
    }


def forge_gate(work: Workspace) -> landings.PhaseCheck:
    """Write the entry that a run of the gate would have written."""
    check = landings.check_phase(work, "default")
    phase = work.ledger.snapshot().phase("default")
    assert phase is not None
    assert check.new is not None
    facts = passed(work, check.new, definition_of(phase["spec"]["gates"][0]))
    work.ledger.execute(
        {"op": "gate", "phase": "default", "gate": "g", **facts}, agent="orchestrator"
    )
    return check


def forge_landing(work: Workspace) -> str:
    """Write the entry that begins a landing after the pass, and make its candidate."""
    check = forge_gate(work)
    results = codec.dump(check.results)
    old, new = check.tips[0], check.tips[-1]
    work.ledger.hints.keep(landing_ref("ledger", "default", new), new)
    command = {
        "op": "land-begin",
        "phase": "default",
        "target": "refs/heads/main",
        "old": old,
        "new": new,
        "results": work.store.write_blob(results),
        "count": len(check.results),
        "tree": tree_of(work.git, new),
        "without": [],
    }
    work.ledger.execute(command, agent="orchestrator", inputs=[results])
    return old


def test_a_forged_pass_of_a_gate_is_legal_and_does_not_keep_the_gate_from_running(
    repo: Path,
) -> None:
    work = trusted(repo, gated("a", run=FAILS), "x")
    do(work, "x", "a")
    forge_gate(work)
    verify.verify(work)
    assert [gate["passed"] for gate in landings.check_phase(work, "default").gates] == [False]
    assert refusal(work).reason == "gate"


def test_a_forged_pass_runs_nothing_that_is_not_trusted(repo: Path, tmp_path: Path) -> None:
    work = trusted(repo, gated("a", run=f"touch {tmp_path}/ran"), "x")
    do(work, "x", "a")
    forge_gate(work)
    (user_folder() / "trust.json").unlink()
    assert refusal(work).reason == "trust"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("finish", [finish_pending, finish_for_agent])
def test_a_landing_that_was_begun_on_a_forged_pass_moves_nothing(
    repo: Path, finish: object
) -> None:
    work = trusted(repo, gated("a", run=FAILS), "x")
    do(work, "x", "a")
    old = forge_landing(work)
    verify.verify(work)
    finish(work)  # type: ignore[operator]
    assert git("rev-parse", "main", cwd=repo) == old
    assert ops(work)[0] == "land-abort"
    (escalation,) = work.ledger.snapshot().escalations()
    assert escalation["values"]["reason"] == {"code": "gates-unseen", "values": {"gates": ["g"]}}
    assert text_of_escalation(escalation).endswith("this machine did not see its gates pass: g")
    assert refusal(work).reason == "gate"


def test_a_pass_that_a_machine_saw_is_not_worth_a_run_to_another(
    repo: Path, tmp_path: Path
) -> None:
    work = trusted(repo, gated("a", run=f"echo x >> {tmp_path}/runs"), "x")
    do(work, "x", "a")
    check = landings.check_phase(work, "default")
    phase = work.ledger.snapshot().phase("default")
    assert phase is not None
    assert check.new is not None
    prove(work, work.ledger.snapshot(), phase, check.new)
    prove(work, work.ledger.snapshot(), phase, check.new)
    assert (tmp_path / "runs").read_text() == "x\n"
    # On another machine there is no such memory, and the entry is there.
    shutil.rmtree(user_folder() / "passes")
    landings.land(work, "default")
    assert (tmp_path / "runs").read_text() == "x\nx\n"


def test_a_forged_pass_of_a_check_does_not_keep_it_from_running(repo: Path) -> None:
    work = trusted(repo, checked(FAILS), "x")
    claimed = claims.claim(work, "x", "a")
    oid = write(Path(claimed.worktree or ""), "a/file.txt")
    spec = check_of(record(work, "a")["spec"])
    assert spec is not None
    fenced = {"agent": "x", "task": "a", "token": claimed.claim["token"]}
    facts = passed(work, oid, definition_of(spec))
    work.ledger.execute({"op": "check", **fenced, **facts}, agent="x")
    verify.verify(work)
    with pytest.raises(RefusedError) as caught:
        results.complete(work, "x", "a", claimed.claim["token"])
    assert caught.value.reason == "check"
    assert record(work, "a")["state"] == "claimed"


def test_a_pass_is_for_one_scope_one_definition_and_one_tree(repo: Path) -> None:
    work = trusted(repo, gated("a"))
    gate, check = gate_path("default", "g"), check_path("default")
    passes.remember_pass(work, gate, "d", "t")
    assert passes.has_passed_here(work, gate, "d", "t")
    for other in ((check, "d", "t"), (gate, "e", "t"), (gate, "d", "u")):
        assert not passes.has_passed_here(work, *other)


def test_a_pass_that_cannot_be_written_is_no_error_and_no_pass(repo: Path) -> None:
    work = trusted(repo, gated("a"))
    (user_folder() / "passes").write_text("in the way")
    passes.remember_pass(work, "s", "d", "t")
    assert not passes.has_passed_here(work, "s", "d", "t")


def test_the_oldest_passes_are_forgotten(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "MAX_PASSES", 3)
    work = trusted(repo, gated("a"))
    for number in range(5):
        passes.remember_pass(work, "s", "d", str(number))
    kept = [passes.has_passed_here(work, "s", "d", str(number)) for number in range(5)]
    assert kept == [False, False, True, True, True]


def test_a_link_in_a_pass_s_place_is_none(repo: Path) -> None:
    work = trusted(repo, gated("a"))
    passes.remember_pass(work, "s", "d", "t")
    (path,) = (user_folder() / "passes").glob("*/*")
    path.unlink()
    path.symlink_to(user_folder() / "trust.json")
    assert not passes.has_passed_here(work, "s", "d", "t")
