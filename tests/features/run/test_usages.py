"""What was used is read from every entry, and held to the narrowest budget."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitcoord.core.assistant_output import Told
from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.core.sentences import said
from gitcoord.features.land import rollbacks
from gitcoord.features.run.assistants import Assistant
from gitcoord.features.run.usages import Spending, load_prices
from gitcoord.features.setup import machines
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import tasks
from tests.support.machines import clone, made, server
from tests.support.world import found

CLAUDE = Assistant("claude", "/bin/true", ("{prompt}",), (), "", "claude")
COPILOT = CLAUDE._replace(name="copilot", output="copilot")


def claimed(repo: Path, head: str = "") -> tuple[Workspace, str]:
    work = found(repo, tasks("a", head=head), "x", worktrees=False)
    return work, claims.claim(work, "x", "a", checkout=False).claim["token"]


def told(session: str, cost_micros: int) -> Told:
    return Told(session, input_tokens=10, cost_micros=cost_micros, is_total=True)


def test_each_run_sees_what_every_other_used(repo: Path) -> None:
    work, token = claimed(repo)
    one = Spending({"cost_micros": 100}, {})
    other = Spending({"cost_micros": 70}, {})
    one.record(work, "x", "a", token, told("s", 60), CLAUDE)
    assert one.used_up(work) == ""
    assert other.used_up(work) == ""
    one.record(work, "x", "a", token, told("s", 75), CLAUDE)
    assert other.used_up(work) == "0.00 of 0.00 US dollars"
    assert one.used_up(work) == "", "75 in all: the session tells totals"
    work.close()


def test_what_a_rollback_abandons_was_spent_all_the_same(repo: Path) -> None:
    work, token = claimed(repo, "[plan]\nbudget = { tokens = 10 }\n")
    before = work.ledger.tip()
    assert before is not None
    Spending({}, {}).record(work, "x", "a", token, told("s", 5), CLAUDE)
    rollbacks.rollback(work, rollbacks.Choice(before, said("at-entry", entry=before)))
    assert Spending({}, {}).used_up(work) == "10 of 10 tokens"
    work.close()


def test_a_stale_token_keeps_nobody_from_telling(repo: Path) -> None:
    work, _ = claimed(repo)
    spending = Spending({"tokens": 10}, {})
    spending.record(work, "x", "a", "f" * 32, told("s", 5), CLAUDE)
    assert spending.used_up(work) == "10 of 10 tokens"
    work.close()


def test_tokens_that_nobody_counts_are_not_bounded(repo: Path) -> None:
    work, _ = claimed(repo)
    with pytest.raises(RefusedError, match="copilot does not say how many tokens") as raised:
        Spending({"tokens": 5}, {}).require_countable(work, [CLAUDE, COPILOT])
    assert raised.value.reason == "budget"
    Spending({"tokens": 5}, {}).require_countable(work, [CLAUDE])
    Spending({}, {}).require_countable(work, [COPILOT])
    work.close()


def test_a_table_of_prices_that_is_none_is_named() -> None:
    assert load_prices() == {}
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "gitcoord"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prices.toml").write_text("= x")
    with pytest.raises(UsageError, match=r"prices\.toml"):
        load_prices()


def test_a_budget_needs_the_whole_history(repo: Path, tmp_path: Path) -> None:
    bare = server(tmp_path)
    made(repo, str(bare), tasks("a", head="[plan]\nbudget = { tokens = 10 }\n"))
    second = clone(f"file://{bare}", tmp_path / "second", "--single-branch")
    work = open_workspace(second)
    machines.join(work, depth=1)
    with pytest.raises(RefusedError, match="a budget counts what was used before it") as refused:
        Spending({}, {}).require_countable(work, [CLAUDE])
    assert refused.value.reason == "budget"
    work.close()
