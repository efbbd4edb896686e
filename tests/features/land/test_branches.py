"""Work branches that landed go; what is unmerged or in use stays."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.land import landings
from tests.support.gates import gated, trusted
from tests.support.world import do, git


def test_landed_work_branches_go_and_what_is_unmerged_or_in_use_stays(repo: Path) -> None:
    work = trusted(repo, gated("a", "b", "c"), "x", "y")
    first = do(work, "x", "a")
    second = do(work, "x", "b")
    last = do(work, "y", "c")
    git("branch", "task/a/9-mine", first.claim["branch"], cwd=repo)
    tip = git(
        "commit-tree",
        f"{second.claim['branch']}^{{tree}}",
        "-p",
        second.claim["branch"],
        "-m",
        "unmerged",
        cwd=repo,
    )
    git("branch", "task/b/8-mine", tip, cwd=repo)
    landings.land(work, "default")
    left = git("for-each-ref", "--format=%(refname:short)", "refs/heads/task/", cwd=repo).split()
    assert sorted(left) == sorted(
        ["task/b/8-mine", second.claim["branch"], last.claim["branch"]]
    ), "two are checked out"
