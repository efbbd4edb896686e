"""Times as people type them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.cli.app import App
from gitcoord.cli.times import entry_or_time, read_time
from gitcoord.core.errors import UsageError
from tests.support.builders import tasks
from tests.support.world import found


def app_in(repo: Path) -> App:
    return App(start=str(repo), ledger=None, agent=None, as_json=False, as_orchestrator=False)


def test_a_time_is_read_as_utc_unless_it_says_otherwise(repo: Path) -> None:
    app = app_in(repo)
    assert read_time(app, "1970-01-02T00:00:00Z") == 86_400
    assert read_time(app, "1970-01-02") == 86_400
    assert read_time(app, "1970-01-02T01:00:00+01:00") == 86_400
    with pytest.raises(UsageError, match="is not a time"):
        read_time(app, "yesterday")


def test_a_duration_is_so_long_ago(repo: Path) -> None:
    app = app_in(repo)
    assert app.work.clock.seconds() - 7200 - read_time(app, "2h") in {0, 1}


def test_what_names_an_entry_is_told_apart_from_a_time(repo: Path) -> None:
    work = found(repo, tasks("a"), worktrees=False)
    tip = work.ledger.snapshot().oid
    app = app_in(repo)
    assert entry_or_time(app, None) == (None, None)
    assert entry_or_time(app, tip[:12]) == (tip, None)
    assert entry_or_time(app, "gitcoord/ledger") == (tip, None)
    assert entry_or_time(app, "1970-01-02") == (None, 86_400)
