"""Landings that come late, and results that went round the checks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.core.operations.landings import merge_order, wholeness
from gitcoord.features.land import landings
from gitcoord.features.maintain import verify
from gitcoord.features.setup import agents
from gitcoord.features.work import claims, results
from tests.support.builders import tasks
from tests.support.world import do, found, git, record, write


def test_a_lander_that_slept_does_not_move_the_target_again(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a"), "x")
    do(work, "x")
    old = git("rev-parse", "main", cwd=repo)
    stale: list[Any] = []
    finish: Callable[..., object] = landings._finish

    def remembered(*args: object) -> object:
        stale.append(args)
        return finish(*args)

    monkeypatch.setattr(landings, "_finish", remembered)
    landings.land(work, "default")
    # The landing is done; then somebody takes the target back on purpose.
    git("reset", "-q", "--hard", old, cwd=repo)
    assert finish(*stale[0]) is None
    assert git("rev-parse", "main", cwd=repo) == old


@pytest.mark.parametrize("is_taken_back", [False, True])
def test_a_result_that_went_round_complete_is_refused_at_the_landing(
    repo: Path, is_taken_back: bool
) -> None:
    work = found(repo, tasks("a"), "x")
    claimed = claims.claim(work, "x", "a")
    place = Path(claimed.worktree or "")
    oid = write(place, "outside.txt")
    if is_taken_back:
        (place / "outside.txt").unlink()
        oid = write(place, "a/file.txt")
    facts = {
        "oid": oid,
        "tree": git("rev-parse", f"{oid}^{{tree}}", cwd=repo),
        "base": claimed.claim["base"],
        "built_on": {},
        "commits": 1,
        "files": 1,
    }
    work.ledger.execute(
        {
            "op": "complete",
            "agent": "x",
            "task": "a",
            "token": claimed.claim["token"],
            "result": facts,
        },
        agent="x",
    )
    verify.verify(work)
    before = git("rev-parse", "main", cwd=repo)
    with pytest.raises(RefusedError) as caught:
        landings.land(work, "default")
    assert caught.value.reason == "boundary"
    assert caught.value.message.startswith("task a cannot land: ")
    assert (caught.value.facts["task"], caught.value.hint) == (
        "a",
        "`gitcoord phase land default --without a` lands the rest",
    )
    assert git("rev-parse", "main", cwd=repo) == before


def test_a_result_lands_after_what_it_was_built_on_and_is_judged_without_it(repo: Path) -> None:
    plan = '[[task]]\nid="later"\ntitle="L"\npaths=["s/x/"]\n[[task]]\nid="first"\ntitle="F"\npaths=["s/", "f/"]\n'
    work = found(repo, plan, "x")
    do(work, "x", "first", name="s/one.txt")
    claimed = do(work, "x", "later", name="s/x/two.txt")
    assert set(claimed.claim["built_on"]) == {"first"}
    order = merge_order(wholeness(work.ledger.snapshot(), "default").tasks)
    assert [name for name, _ in order] == ["first", "later"]
    landings.land(work, "default")
    assert git("rev-list", "--count", "main", cwd=repo) == "5"


def test_a_candidate_that_cannot_be_had_does_not_hide_the_next(repo: Path) -> None:
    rows = [("a", "s/"), ("b", "s/x/"), ("c", "c/")]
    text = '[plan]\nselection = "round-robin"\n' + "".join(
        f'[[task]]\nid="{name}"\ntitle="T"\npaths=["{path}"]\n' for name, path in rows
    )
    work = found(repo, text, "x", worktrees=False)
    agents.add(work, "y", no_worktree=True)
    assert claims.claim(work, "x", checkout=False).task["id"] == "a"
    assert claims.claim(work, "y", checkout=False).task["id"] == "c"
    assert record(work, "b")["state"] == "open"


def test_giving_back_counts_as_no_failure_and_failing_does(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    for count in (0, 1):
        held = claims.claim(work, "x", "a", checkout=False)
        (results.fail if count else results.release)(
            work, "x", "a", held.claim["token"], reason="enough"
        )
        assert (record(work, "a")["failures"], record(work, "a")["attempt"]) == (count, count + 1)
