"""A process is known by more than its pid."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.host import processes
from gitcoord.host.processes import identity, is_alive, session_identity


def test_a_process_is_known_by_more_than_its_pid() -> None:
    assert is_alive(identity()) is True
    assert is_alive(session_identity()) is not None
    child = subprocess.Popen(["sleep", "60"])
    name = identity(child.pid)
    assert is_alive(name) is True
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_alive(name) is False, "a zombie is dead"
    child.wait()
    boot, namespace, pid, start = identity().split(":")
    assert is_alive(f"{boot}:{namespace}:{pid}:{int(start) + 1}") is False
    assert is_alive(f"other:{namespace}:{pid}:{start}") is False
    assert is_alive(f"{boot}:1:{pid}:{start}") is None
    assert is_alive("nonsense") is False


def test_the_next_process_with_a_number_has_a_name_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "_stat", lambda _: ("S", "1"))
    first = identity(77)
    monkeypatch.setattr(processes, "_stat", lambda _: ("S", "2"))
    assert (is_alive(first), is_alive(identity(77))) == (False, True)


@given(
    st.lists(
        st.text(max_size=30)
        | st.sampled_from([*identity().split(":"), "9" * 5000, "-1", "0", "\u0661"]),
        max_size=5,
    ).map(":".join)
)
def test_any_text_names_a_process_or_a_dead_one(text: str) -> None:
    assert is_alive(text) in {True, False, None}
