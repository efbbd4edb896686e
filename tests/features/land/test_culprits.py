"""Whose result makes a gate fail: bisected, named, given back."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gitcoord.core.sentences import reason_of, said
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, results
from tests.support.gates import clean, gated, refusal, trusted
from tests.support.world import do, git, record, write


@pytest.mark.parametrize("bad", ["a", "d", "f"])
def test_the_culprit_is_named_and_given_back_with_the_log(repo: Path, bad: str) -> None:
    names = list("abcdef")
    work = trusted(repo, gated(*names, run="if grep -r bad [a-z]/; then exit 1; fi"), "x")
    for name in names:
        do(work, "x", name, "bad\n" if name == bad else "good\n")
    error = refusal(work)
    assert (error.reason, error.facts["tasks"]) == ("gate", [bad])
    for name in names:
        assert record(work, name)["state"] == ("open" if name == bad else "done")
    setback = record(work, bad)["setbacks"][-1]
    assert setback["code"] == "gate"
    why = {"gate": "g", "verdict": said("ended-with", status=1), "output": f"{bad}/file.txt:bad"}
    assert setback["values"] == {"reason": said("gate-fails", **why)}
    assert reason_of(setback) == f"gate g fails with it: it ended with status 1\n{bad}/file.txt:bad"
    assert facts.log_of(work, bad)[1] == f"{bad}/file.txt:bad\n"
    do(work, "x", bad, "good\n")
    assert landings.land(work, "default").results == 6
    verify.verify(work)
    clean(repo)


def test_a_refusal_shows_how_the_gate_fails_with_the_culprit(repo: Path) -> None:
    """The whole may fail in another way than the result that is given back."""
    run = "if test -e c; then echo whole; exit 1; fi; if test -e b; then echo alone; exit 1; fi"
    work = trusted(repo, gated("a", "b", "c", run=run), "x")
    for name in "abc":
        do(work, "x", name)
    error = refusal(work)
    assert error.facts["tasks"] == ["b", "c"]
    assert error.facts["log"] == "alone"


def test_two_culprits_are_two_names(repo: Path) -> None:
    names = list("abcdef")
    work = trusted(repo, gated(*names), "x")
    for name in names:
        do(work, "x", name, "bad\n" if name in "be" else "good\n")
    assert sorted(refusal(work).facts["tasks"]) == ["b", "e"]  # type: ignore[arg-type, type-var]
    assert [name for name in names if record(work, name)["state"] == "open"] == ["b", "e"]


def test_of_two_results_that_fail_only_together_the_later_is_named(repo: Path) -> None:
    names = list("abcde")
    work = trusted(repo, gated(*names, run="test $(cat [a-z]/file.txt | grep -c half) -lt 2"), "x")
    for name in names:
        do(work, "x", name, "half\n" if name in "bd" else "good\n")
    assert refusal(work).facts["tasks"] == ["d"]
    assert record(work, "b")["state"] == "done"


def test_what_was_built_on_a_culprit_is_done_again_and_no_culprit(repo: Path) -> None:
    work = trusted(repo, gated("a", "b", "c", b=["a"]), "x")
    for name in "abc":
        do(work, "x", name, "bad\n" if name == "a" else "good\n")
    assert refusal(work).facts["tasks"] == ["a"]
    assert [record(work, name)["state"] for name in "abc"] == ["open", "open", "done"]
    assert record(work, "b")["setbacks"][-1]["code"] == "base-redone"


def test_a_gate_that_fails_on_the_target_alone_blames_nobody(repo: Path) -> None:
    work = trusted(repo, gated("a", "b", run="exit 1"), "x")
    do(work, "x", "a")
    do(work, "x", "b")
    error = refusal(work)
    assert (error.reason, error.facts["tasks"]) == ("gate", [])
    assert [record(work, name)["state"] for name in "ab"] == ["done", "done"]


def test_a_target_that_has_no_tests_yet_is_not_to_blame(repo: Path) -> None:
    (repo / ".gitignore").write_text("__pycache__/\n")
    git("add", ".", cwd=repo)
    git("commit", "-qm", "ignore", cwd=repo)
    work = trusted(repo, gated("a", "b", run=f"{sys.executable} -m unittest discover -s ."), "x")
    claimed = claims.claim(work, "x", "a")
    place = Path(claimed.worktree or "")
    write(place, "a/__init__.py", "")
    write(
        place,
        "a/test_a.py",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.fail()\n",
    )
    results.complete(work, "x", "a", claimed.claim["token"])
    do(work, "x", "b")
    assert refusal(work).facts["tasks"] == ["a"]


def test_where_no_test_ever_ran_nobody_is_to_blame(repo: Path) -> None:
    work = trusted(repo, gated("a", "b", run=f"{sys.executable} -m unittest discover -s ."), "x")
    do(work, "x", "a")
    do(work, "x", "b")
    error = refusal(work)
    assert (error.facts["why"], error.facts["tasks"]) == ("no tests ran (unittest)", [])
