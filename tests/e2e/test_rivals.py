"""The race against others counts what it says that it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.rivals import LOCAL, Ack, Contestant, UnfitError, arena, contest, doubles


@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["SQLite, WAL, full sync", "gitcoord, Python interface", "shell script of git plumbing"]
)
def test_a_race_ends_with_acknowledged_claims_of_which_none_is_double_or_lost(name: str) -> None:
    contestant = next(one for one in LOCAL if one.name == name)._replace(tasks=60)
    with arena(contestant) as own:
        top = own.top
        race = own.race(2, 0.5)
        assert race.acks
        assert (race.doubles, own.lost(race), race.failures) == (0, 0, [])
        killing = own.race(2, 0.5, kills=True)
        assert (killing.doubles, own.lost(killing)) == (0, 0)
    assert not top.exists(), "nothing is left behind"


def test_a_claim_that_nobody_made_is_lost() -> None:
    with arena(LOCAL[2]._replace(tasks=10)) as own:
        race = own.race(1, 0.2)
        invented = race._replace(acks=[*race.acks, Ack("t49", "w77", 0.0, 1.0, 2.0)])
        assert own.lost(invented) == 1


def test_two_who_hold_one_task_at_the_same_time_are_a_double_claim() -> None:
    one, after, at_once = Ack("t", "a", 0, 1, 5), Ack("t", "b", 4, 6, 9), Ack("t", "b", 2, 3, 9)
    assert doubles([one, after], is_final=True) == 1
    assert doubles([one, after], is_final=False) == 0
    assert doubles([one, at_once], is_final=False) == 1
    assert doubles([one, at_once._replace(task="u")], is_final=True) == 0


def test_who_cannot_be_prepared_has_a_row_that_says_why() -> None:
    row, notes = contest(Contestant("nobody", "nobody", 1, "claim"))
    assert "did not race: `prepare` failed: ModuleNotFoundError" in row
    assert notes == []


def test_who_cannot_be_installed_is_unfit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(UnfitError, match="npm is not installed"),
        arena(Contestant("x", "x", 1, "claim", package="npm:x")),
    ):
        pass
