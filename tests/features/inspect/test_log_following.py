"""The output of an attempt is told while it is written, and ends with the attempt."""

from __future__ import annotations

from pathlib import Path

from gitcoord.core.ids import AgentId, TaskId
from gitcoord.features.inspect.log_following import Reader, follow_log
from gitcoord.features.work import claims, results
from tests.support.builders import tasks
from tests.support.world import found


def test_what_comes_is_told_and_the_end_of_the_attempt_ends_it(repo: Path) -> None:
    work = found(repo, tasks("a"), "ada")
    claim = claims.claim(work, AgentId("ada"), TaskId("a")).claim
    path = work.logs.of_attempt(TaskId("a"), claim["attempt"], claim["token"], "run")
    with work.logs.open(path) as log:
        log.write(b"one\ntwo\nhalf")
        parts = follow_log(work, TaskId("a"))
        assert next(parts).text == "one\ntwo"
        log.write(b" a line\n")
        assert next(parts).text == "half a line"
        log.write(b"last")
        results.release(work, AgentId("ada"), TaskId("a"), claim["token"], "enough")
    assert [part.text for part in parts] == ["last"]
    whole = [part.text for part in follow_log(work, TaskId("a"))]
    assert "\n".join(whole) == "one\ntwo\nhalf a line\nlast"


def test_a_log_whose_middle_was_cut_out_goes_on_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 1000 + b"\n")
    reader = Reader(path)
    assert list(reader.read()) == ["x" * 1000]
    path.write_bytes(b"short\n")
    assert list(reader.read()) == []
    with path.open("ab") as file:
        file.write(b"after\nno end")
    assert list(reader.read(is_last=True)) == ["after", "no end"]
