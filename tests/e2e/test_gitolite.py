"""A real forge that knows who may push what: gitolite, as docs/how-to/forges.md sets it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gitcoord.features.land import rollbacks
from gitcoord.features.work import claims
from tests.support.builders import tasks
from tests.support.machines import made
from tests.support.pages import ROOT
from tests.support.servers import gitolite
from tests.support.world import git

PAGE = (ROOT / "docs/how-to/forges.md").read_text()
(RULES,) = re.findall(r"```text\n(repo shop\n.*?)```", PAGE, re.DOTALL)
STRICT = RULES.replace("repo shop", "repo strict").replace("RW+  gitcoord/", "RW   gitcoord/")


@pytest.mark.long
@pytest.mark.parametrize("name", ["shop", "strict"])
def test_a_ledger_lives_on_gitolite_with_the_rules_of_the_page(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with gitolite(tmp_path / "forge", RULES + STRICT, monkeypatch) as start:
        bare = tmp_path / "forge/gitolite/repositories" / f"{name}.git"
        work = made(repo, f"{start}/{name}", tasks("a"), "x", worktrees=False)
        begun = work.ledger.snapshot().oid
        held = claims.claim(work, "x", "a", checkout=False)
        for _ in range(2):
            work.ledger.beat("x", held.claim["token"])
        before = git("rev-parse", "gitcoord/ledger", cwd=bare)
        assert before == held.entry
        if name == "shop":
            done = rollbacks.rollback(work, rollbacks.choose(work, to=begun))
            assert git("rev-parse", "gitcoord/ledger", cwd=bare) == done.entry
            return
        # Without the plus sign the ledger only grows, and the rollback is appended.
        appended = rollbacks.rollback(work, rollbacks.choose(work, to=begun))
        assert git("rev-parse", "gitcoord/ledger", cwd=bare) == appended.entry
        assert git("rev-parse", "gitcoord/ledger^", cwd=bare) == before
        assert work.ledger.snapshot().claims() == []
