"""Plans with checks and gates, and what their refusals leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings
from gitcoord.features.setup import trust
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import found, git

GOOD = "! grep -rq bad [a-z]/"


def gated(*names: str, run: str = GOOD, head: str = "", more: str = "", **needs: Any) -> str:
    gate = f"gates = [{{ name = 'g', run = '''{run}'''{more} }}]"
    return f'{head}\n[[phase]]\nname = "default"\n{gate}\n' + tasks(*names, **needs)


def checked(run: str, head: str = "") -> str:
    return head + "\n" + tasks("a") + f"check = '''{run}'''\n"


def trusted(repo: Path, plan: str, *names: str) -> Workspace:
    work = found(repo, plan, *names)
    trust.trust(work, work.ledger.snapshot())
    return work


def refusal(work: Workspace, **more: Any) -> RefusedError:
    tip = git("rev-parse", "main", cwd=work.place.common_dir)
    with pytest.raises(RefusedError) as caught:
        landings.land(work, "default", **more)
    assert git("rev-parse", "main", cwd=work.place.common_dir) == tip, "nothing moves"
    return caught.value


def ops(work: Workspace) -> list[str]:
    return [entry["op"] for entry in facts.history(work, work.ledger.tip(), limit=1000)]


def clean(repo: Path) -> None:
    assert not repo.with_name("repo.gates").exists()
    assert not list((repo / ".git/gitcoord/checks").glob("*"))
