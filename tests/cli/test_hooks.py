"""The commands that install the hooks, take them away and look."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.features.setup import hooks
from tests.support.hooked import answer_of, frozen, use_this_code, with_agent


@pytest.fixture(autouse=True)
def _ours(monkeypatch: pytest.MonkeyPatch) -> None:
    use_this_code(monkeypatch)


def test_an_agent_may_not_install_or_take_away_and_may_look(repo: Path) -> None:
    work = with_agent(repo)
    place = work.worktree_of("x")
    assert place is not None
    for verb in ("install", "uninstall"):
        status, answer = answer_of(place, "hooks", verb)
        assert (status, answer["error"]["reason"]) == (14, "role")  # type: ignore[index]
    assert answer_of(place, "hooks", "status")[0] == 0
    assert answer_of(place, "hooks", "install", "--as-orchestrator")[0] == 0


def test_uninstall_works_without_a_ledger(repo: Path) -> None:
    work = with_agent(repo)
    before = frozen(repo)
    hooks.install(work)
    (repo / ".git" / "refs" / "heads" / "gitcoord" / "ledger").unlink()
    assert answer_of(repo, "hooks", "uninstall")[0] == 0
    assert frozen(repo) == before
