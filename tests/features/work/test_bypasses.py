"""No way round a boundary is accepted by ``complete``, nor landed.

Each row of the tables in ``tests/support`` is built in a real
repository and handed in. It is then written into the ledger as if it had
been accepted, past everything that looks at it, and the phase is landed:
what counts is checked in both places.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gitcoord.core.errors import NotFoundError, PlanFinishedError, RefusedError
from gitcoord.features.land import landings
from gitcoord.features.maintain import verify
from gitcoord.features.setup import agents, plans
from gitcoord.features.work import claims, results
from tests.git.building import commit, git
from tests.support.broken import BROKEN
from tests.support.bypass_tools import ENVIRONMENT, TOOLS, elsewhere
from tests.support.bypasses import HISTORIES, NAMES, TREES
from tests.support.lab import Lab, Way, changing
from tests.support.lookalikes import LOOKALIKES
from tests.support.world import found


def _inside(make: Callable[[Path, str], str]) -> Way:
    return lambda lab: make(lab.repo, lab.base)


WAYS: dict[str, Way] = {
    **{name: changing(files) for name, files in TREES.items()},
    **{name: changing({path: "x\n"}) for name, path in NAMES.items()},
    **HISTORIES,
    **TOOLS,
    **{name: _inside(make) for name, make in BROKEN.items()},
}
IN_THE_TARGET = {"the target itself", "a commit that went to the target directly"}
REASONS = {"boundary", "empty-result", "broken-objects"}


@pytest.fixture
def lab(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A copy of a repository with a claim: made once, and again for each process."""
    template = tmp_path_factory.getbasetemp() / "template"
    if not template.exists():
        template.mkdir()
        git(template, "init", "-q", "-b", "main")
        git(template, "commit", "-q", "--allow-empty", "-m", "first")
        Lab.equip(template)
    return Lab(Path(shutil.copytree(template, tmp_path / "repo", symlinks=True)))


def clear(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take back what a row did to the environment."""
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.mark.parametrize("way", WAYS)
def test_no_way_round_a_boundary_is_accepted_or_landed(
    lab: Lab, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = lab.repo
    result = WAYS[way](lab)
    tip = lab.work.ledger.tip()
    with pytest.raises(RefusedError) as caught:
        lab.complete(result)
    assert caught.value.reason in REASONS
    assert lab.work.ledger.tip() == tip, "a refusal changes nothing"
    clear(monkeypatch)
    lab.slip(result)
    before = git(repo, "rev-parse", "main")
    if way in IN_THE_TARGET:
        landed = landings.land(lab.work, "default")
        assert git(repo, "rev-parse", f"{landed.new}^{{tree}}") == git(
            repo, "rev-parse", f"{before}^{{tree}}"
        )
        return
    with pytest.raises(RefusedError) as caught:
        landings.land(lab.work, "default")
    assert caught.value.reason in REASONS
    assert git(repo, "rev-parse", "main") == before


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len(WAYS) >= 64
    assert len(LOOKALIKES) >= 10


@pytest.mark.parametrize("way", LOOKALIKES)
def test_what_only_looks_like_a_way_round_is_accepted_and_lands(lab: Lab, way: str) -> None:
    repo = lab.repo
    result = LOOKALIKES[way](lab)
    lab.complete(result)
    for name in ("o", "n", "u", "t"):
        if lab.work.ledger.snapshot().require_task(name)["state"] == "open":
            lab.work.ledger.execute(
                {"op": "cancel", "task": name, "reason": ""}, agent="orchestrator"
            )
    landed = landings.land(lab.work, "default")
    assert git(repo, "rev-parse", "main") == landed.new
    git(repo, "merge-base", "--is-ancestor", result, landed.new)
    verify.verify(lab.work)


@pytest.mark.parametrize(
    "revision",
    ["--output=/tmp/x", "^main", "main^{tree}", "-x", "", "main\n", "0" * 40, "HEAD@{5}"],
)
def test_what_names_no_commit_is_no_result(lab: Lab, revision: str) -> None:
    with pytest.raises(NotFoundError):
        lab.complete(revision)


def test_objects_that_only_an_environment_shows_are_not_there(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = elsewhere(lab)
    monkeypatch.setenv(
        "GIT_ALTERNATE_OBJECT_DIRECTORIES", str(lab.repo.parent / "other" / ".git" / "objects")
    )
    with pytest.raises(NotFoundError):
        lab.complete(made)


@pytest.mark.parametrize("is_symbolic", [False, True])
def test_the_tip_of_the_claims_branch_is_looked_at_however_it_was_written(
    lab: Lab, is_symbolic: bool
) -> None:
    TOOLS["a branch that is another's name" if is_symbolic else "a branch written as a file"](lab)
    with pytest.raises(RefusedError) as caught:
        lab.complete(None)
    assert caught.value.reason == "boundary"


def test_a_task_that_may_write_nothing_hands_in_no_commit(repo: Path) -> None:
    work = found(repo, '[[task]]\nid = "t"\ntitle = "T"\npaths = []\n', "x", worktrees=False)
    held = claims.claim(work, "x", "t", checkout=False).claim
    made = commit(repo, {"x": "x"}, held["base"])
    for result in (made, None):
        git(repo, "update-ref", f"refs/heads/{held['branch']}", made)
        with pytest.raises(RefusedError) as caught:
            results.complete(work, "x", "t", held["token"], result=result)
        assert caught.value.reason == "boundary"
    git(repo, "update-ref", f"refs/heads/{held['branch']}", held["base"])
    done = results.complete(work, "x", "t", held["token"])
    assert done.task["result"] is not None
    assert done.task["result"]["oid"] is None


LAYERS = """
[plan]
target = "main"
[[pool]]
name = "default"
paths = ["src/"]
[[phase]]
name = "default"
paths = ["src/", "tests/"]
[[task]]
id = "t"
title = "T"
paths = ["src/a/", "tests/a/", "docs/a/", "etc/"]
"""
WIDER = LAYERS.replace('paths = ["src/"]', 'paths = ["src/", "tests/", "docs/"]')


@pytest.mark.parametrize(
    ("plan", "path", "layer"),
    [
        (LAYERS, "src/b/x", "outside"),
        (LAYERS, "tests/a/x", "outside of pool default"),
        (WIDER, "docs/a/x", "outside of phase default"),
        (WIDER, "tests/a/x", "outside of agent x"),
    ],
)
def test_each_layer_is_asked_by_complete_and_at_landing(
    repo: Path, plan: str, path: str, layer: str
) -> None:
    git(repo, "switch", "-q", "-c", "bench")
    work = found(repo, LAYERS)
    agents.add(work, "x", no_worktree=True, paths=["src/"])
    held = claims.claim(work, "x", "t", checkout=False).claim
    if plan != LAYERS:
        plans.apply_plan(work, plan, "plan.toml")
    made = commit(repo, {path: "x"}, held["base"])
    with pytest.raises(RefusedError, match=layer) as caught:
        results.complete(work, "x", "t", held["token"], result=made)
    assert caught.value.reason == "boundary"
    work.ledger.hints.keep(f"refs/gitcoord/ledger/results/t/{made}", made)
    facts = {
        "oid": made,
        "tree": made,
        "base": held["base"],
        "built_on": {},
        "commits": 1,
        "files": 1,
    }
    work.ledger.execute(
        {"op": "complete", "agent": "x", "task": "t", "token": held["token"], "result": facts},
        agent="x",
    )
    agents.remove(work, "x")
    with pytest.raises(RefusedError, match="outside of" if layer != "outside" else layer):
        landings.land(work, "default")
    assert git(repo, "rev-parse", "main") == held["base"]


def test_an_agent_whose_paths_cover_no_task_is_told_that_the_plan_is_over_for_it(
    repo: Path,
) -> None:
    work = found(repo, LAYERS.replace('target = "main"', ""))
    agents.add(work, "x", no_worktree=True, paths=["other/"])
    with pytest.raises(PlanFinishedError):
        claims.claim(work, "x", checkout=False)


def test_a_twin_of_what_another_task_of_the_phase_adds_does_not_land(repo: Path) -> None:
    git(repo, "switch", "-q", "-c", "bench")
    plan = '[plan]\ntarget = "main"\n'
    for name, folder in (("a", "src/a/"), ("b", "src/A/")):
        plan += f'[[task]]\nid = "{name}"\ntitle = "T"\npaths = ["{folder}"]\n'
    work = found(repo, plan, "x", worktrees=False)
    for name, folder in (("a", "src/a"), ("b", "src/A")):
        held = claims.claim(work, "x", name, checkout=False).claim
        tip = git(repo, "rev-parse", "main")
        results.complete(
            work, "x", name, held["token"], result=commit(repo, {f"{folder}/x": name}, tip)
        )
    with pytest.raises(RefusedError, match="the same file as src/a"):
        landings.land(work, "default")
