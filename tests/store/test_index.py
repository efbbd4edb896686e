"""The ready index equals its definition."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitcoord.store.index import ReadyIndex
from gitcoord.store.index_tables import connect
from gitcoord.store.memory import MemoryStore
from tests.support.indexed import RECORDS, commit, counted, ready, tally, task


@pytest.mark.long
@settings(max_examples=80)
@given(
    st.lists(RECORDS, min_size=1, max_size=5),
    st.sampled_from(["random", "round-robin", "priority", "directory", "critical-path"]),
    st.floats(0, 1, exclude_max=True),
)
def test_the_index_equals_its_definition_after_any_jumps(
    states: list[dict[str, Any]], selection: str, start: float
) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = MemoryStore(Path(folder))
        index = ReadyIndex(Path(folder) / "index" / "l.sqlite")
        for records in states:
            index.update(store, commit(store, records))
            for pools in (["m", "n"], ["m"]):
                found = list(
                    index.candidates(
                        pools=pools, agent="x", phases=["p"], selection=selection, start=start
                    )
                )
                assert len(found) == len(set(found))
                assert set(found) == ready(records, ["p"], pools)
                if selection == "round-robin":
                    assert found == sorted(found, key=lambda name: records[name]["order"])
            done = {
                name
                for name, one in records.items()
                if one["state"] == "done" and one["spec"]["phase"] == "p"
            }
            assert set(index.overlapping("p", ["shared/a/"])) == done
            assert index.all_ids() == sorted(records, key=lambda name: records[name]["order"])
            assert counted(index) == tally(records)
        index.close()


def test_a_broken_index_is_closed_again(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(sqlite3.DatabaseError) as caught:
        connect(str(path))
    assert caught.tb is not None, "the error keeps whatever its frames name"
    handles = Path("/proc/self/fd")
    if not handles.is_dir():
        pytest.skip("this system does not list open files")
    assert str(path) not in {os.path.realpath(handle) for handle in handles.iterdir()}


def test_a_broken_or_missing_index_is_made_again(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path)
    path = tmp_path / "index" / "l.sqlite"
    tip = commit(store, {"a": task("a", 0, "open", [], "p", "m", 0)})
    for content in (None, b"not a database at all" * 100):
        if content is not None:
            path.write_bytes(content)
        index = ReadyIndex(path)
        index.update(store, tip)
        assert index.all_ids() == ["a"]
        index.close()
