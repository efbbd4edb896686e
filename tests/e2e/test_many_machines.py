"""The model of many machines keeps its own rules: the ledger's, the network's, the server's."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.counted_time import Seats, Step, Time
from benchmarks.many_machines import HEAD, Counts, Work, World, main, row, work_through

BUSY = Work(agents=12, machines=4, task_s=60.0, progress_s=20.0, minutes=5.0, round_trip_s=0.2)


def begun(work: Work) -> int:
    """Count the entries that stand before the time begins."""
    return sum(books.tip for books in World(work).books)


def test_what_is_published_is_what_the_ledgers_hold_and_each_task_has_one_holder() -> None:
    world = work_through(BUSY)
    counts = world.counts
    assert counts.entries > 50
    assert sum(books.tip for books in world.books) == begun(BUSY) + counts.entries
    assert counts.pushes == counts.entries + counts.refused
    held = [(agent.held["task"], agent) for agent in world.agents if agent.held is not None]
    assert len({task for task, _ in held}) == len(held) > 0
    assert {agent.clone.books.holder(task) for task, agent in held} == {
        agent.name for _, agent in held
    }


def test_the_same_seed_gives_the_same_and_another_another() -> None:
    first, again, other = (work_through(BUSY._replace(seed=seed)).counts for seed in (1, 1, 2))
    assert first == again
    assert first.claims_s != other.claims_s


def test_who_is_alone_waits_for_one_fetch_and_one_push_and_is_never_refused() -> None:
    work = BUSY._replace(agents=1, machines=1, beat_s=1e6, round_trip_s=0.02)
    counts = work_through(work).counts
    costs = work.costs
    rounds_s = (costs.fetch_rounds + costs.push_rounds) * work.round_trip_s
    beside_s = costs.fetch_s + costs.push_s + costs.fetch_server_s + costs.push_server_s
    assert counts.claims_s == pytest.approx([rounds_s + beside_s] * len(counts.claims_s))
    assert (counts.refused, counts.late) == (0, 0)
    served_s = counts.entries * (costs.fetch_server_s + costs.push_server_s)
    assert counts.server_s == pytest.approx(served_s, rel=0.05)


def test_clones_are_in_each_other_s_way_and_ledgers_are_not() -> None:
    apart = World(BUSY._replace(agents=4, machines=2, ledgers=2))
    ledgers = [apart.books.index(agent.clone.books) for agent in apart.agents]
    assert ledgers == [0, 0, 1, 1]
    few, many = (work_through(BUSY._replace(agents=n, machines=n)).counts for n in (2, 12))
    assert many.refused / many.pushes > few.refused / few.pushes
    split = work_through(BUSY._replace(agents=12, machines=1, ledgers=12)).counts
    assert split.refused == 0


def test_shared_turns_publish_more_entries_with_fewer_pushes() -> None:
    crowd = BUSY._replace(agents=16, machines=1)
    single, shared = (
        work_through(crowd).counts,
        work_through(crowd._replace(shares_turns=True)).counts,
    )
    assert shared.entries > single.entries
    assert shared.pushes < shared.entries
    assert single.pushes == single.entries


def test_a_server_with_one_core_does_one_thing_at_a_time() -> None:
    slow = BUSY.costs._replace(push_server_s=5.0)
    counts = work_through(BUSY._replace(cores=1, costs=slow, beat_s=1e6)).counts
    assert counts.server_s <= BUSY.minutes * 60
    assert counts.pushes * 5.0 <= BUSY.minutes * 60
    assert counts.late > 0


def test_seats_are_given_to_who_waits_the_longest() -> None:
    time, seats, order = Time(), Seats(1), []

    def sit(name: str) -> Step[None]:
        yield seats
        yield 10.0
        order.append((name, time.now_s))
        time.leave(seats)

    for after_s, name in ((2.0, "b"), (1.0, "a"), (3.0, "c")):
        time.begin(sit(name), after_s)
    time.run(25.0)
    assert (order, time.now_s, seats.free) == ([("a", 11.0), ("b", 21.0)], 25.0, 0)


def test_a_row_says_what_came_of_it() -> None:
    counts = Counts(entries=300, pushes=400, refused=100, wanted=600, late=3, server_s=1200.0)
    counts.claims_s, counts.silences_s = [1.0, 2.0, 30.0], [60.0, 90.0]
    told = row("x", Work(), counts)
    assert told == "| x | 1.0, 0.5 | 25% | 2.0 s, 30.0 s | 3 | 1.5 min, 15 min | 2.0 of 8 |"
    assert told.count("|") == HEAD.count("|")
    assert "| none |" in row("x", Work(), Counts())


def test_the_command_prints_a_row_for_each_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["--agents", "20", "--machines", "2", "--minutes", "1"]
    monkeypatch.setattr("sys.argv", ["many_machines", *words])
    main()
    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) == 12
    assert rows[4].startswith("| 20 agents on 2 machines | ")
