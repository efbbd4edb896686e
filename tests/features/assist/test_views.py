"""What is kept beside the tokens, and when it is still true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.features.assist.events import fresh_view
from gitcoord.features.assist.standing import Standing, standing_at
from gitcoord.features.assist.views import (
    ClaimView,
    View,
    as_json,
    kept_view,
    quick_view,
    tokens_in,
    view_file,
)
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import found

SECOND = 1_000_000_000
HELD = ClaimView(
    "one", "a", "t", "", "", (("task a", ("a/",)),), 300_000, 900_000, 10 * SECOND, 310 * SECOND
)


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, tasks("a", "b", "c"), "one", "two")
    yield work
    work.close()


@pytest.fixture
def standing(work: Workspace) -> Standing:
    claims.claim(work, "one", "a")
    standing = standing_at(str(work.worktree_of("one")))
    assert standing is not None
    return standing


def kept(work: Workspace, standing: Standing) -> View:
    view = fresh_view(work, "one", standing)
    file = Path(view_file(standing.git_dir))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(as_json(view)))
    return view


def test_what_is_kept_is_read_back_as_it_was(work: Workspace, standing: Standing) -> None:
    view = kept(work, standing)
    assert kept_view(standing.git_dir) == view
    assert [claim.task for claim in view.current] == ["a"]
    assert tokens_in(standing.git_dir) == {view.claims[0].token}


@pytest.mark.parametrize(
    "torn", ["", "{", "{}", "[]", '{"claims": 3}', '{"claims": [{"layers": [["x"]]}]}']
)
def test_a_view_that_is_not_whole_is_none(standing: Standing, torn: str) -> None:
    file = Path(view_file(standing.git_dir))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(torn)
    assert kept_view(standing.git_dir) is None
    assert quick_view(standing, 0) is None


def test_an_entry_about_others_leaves_a_view_true(work: Workspace, standing: Standing) -> None:
    view = kept(work, standing)
    now_ns = view.renewed_ns + SECOND
    assert quick_view(standing, now_ns) == view
    held = claims.claim(work, "two", "b")
    assert quick_view(standing, now_ns) == view
    results.progress(work, "two", "b", held.claim["token"], "half", 50)
    assert quick_view(standing, now_ns) == view


def test_an_entry_about_the_claim_makes_it_untrue(work: Workspace, standing: Standing) -> None:
    view = kept(work, standing)
    results.progress(work, "one", "a", view.claims[0].token, "half", 50)
    assert quick_view(standing, view.renewed_ns + SECOND) is None


def test_another_token_beside_it_makes_it_untrue(work: Workspace, standing: Standing) -> None:
    view = kept(work, standing)
    folder = Path(standing.git_dir) / "gitcoord/claims/ledger"
    (folder / "ffff.json").write_text("{}")
    assert quick_view(standing, view.renewed_ns + SECOND) is None


def test_a_renewal_is_due_after_a_fifth_of_what_is_shorter() -> None:
    view = View("ledger", "tip", 10 * SECOND, (HELD,))
    assert not view.is_renewal_due(70 * SECOND)
    assert view.is_renewal_due(70 * SECOND + 1)
    assert not View("ledger", "tip", 0, ()).is_renewal_due(10**18)


def test_a_report_is_due_from_the_time_that_is_kept() -> None:
    view = View("ledger", "tip", 10 * SECOND, (HELD,))
    assert not view.is_report_due(310 * SECOND - 1)
    assert view.is_report_due(310 * SECOND)


def test_a_claim_that_its_holder_ended_is_neither_current_nor_lost() -> None:
    done, lost = HELD._replace(ended="complete"), HELD._replace(ended="lost")
    view = View("ledger", "tip", 0, (HELD, done, lost))
    assert view.current == (HELD,)
    assert view.lost == (lost,)
