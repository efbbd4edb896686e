"""Read from strace's own words what is synced, and before what.

A power cut spares what was synced: an object before the ref that names it,
a folder after a name was put in it.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import strace
from tests.support.fault_rows import ROWS
from tests.support.world import environment

pytestmark = pytest.mark.skipif(strace.STRACE is None, reason="there is no strace")


class Trace(NamedTuple):
    """The changing calls of one claim, in their order, below one repository."""

    calls: list[strace.Call]
    git_dir: Path

    def at(self, name: str, place: Path) -> list[int]:
        """Say when a call was made on a place."""
        return [
            number
            for number, call in enumerate(self.calls)
            if call.name == name and call.place == str(place)
        ]

    def arrivals(self, folder: Path) -> dict[str, tuple[int, str]]:
        """Say when each name below a folder came to be, and from what file."""
        return {
            call.other: (number, call.place)
            for number, call in enumerate(self.calls)
            if call.name in {"link", "rename"} and Path(call.other).is_relative_to(folder)
        }

    def syncs(self) -> list[str]:
        return [call.place for call in self.calls if call.name in {"fsync", "fdatasync"}]


@pytest.fixture
def claim(tmp_path: Path) -> Path:
    ROWS["claim"].setup(tmp_path / "live")
    return tmp_path / "live" / "repo"


def traced(repo: Path, **more: str) -> Trace:
    file = repo.parent / "trace"
    argv = strace.command("-C", str(repo), "--agent", "x", "claim", "a", "--no-checkout")
    env = environment(GITCOORD_UPKEEP="off", **more)
    subprocess.run([*strace.trace_file(file), *argv], env=env, check=True, capture_output=True)
    return Trace(strace.parse_trace(file.read_text("utf-8", "replace"), repo), repo / ".git")


def test_a_claim_syncs_every_object_and_its_folder_before_the_ref_moves(claim: Path) -> None:
    trace = traced(claim)
    ref = trace.git_dir / "refs" / "heads" / "gitcoord" / "ledger"
    swapped, _ = trace.arrivals(trace.git_dir / "refs")[str(ref)]
    objects = trace.arrivals(trace.git_dir / "objects")
    assert 1 <= len(objects) <= 8
    for name, (arrived, origin) in objects.items():
        synced = trace.at("fsync", Path(origin))
        assert synced, f"{name} was never synced"
        assert synced[0] < arrived, f"{name} got its name before its content was synced"
        folder = [when for when in trace.at("fsync", Path(name).parent) if when > arrived]
        assert folder, f"the folder of {name} was not synced after it came"
        assert folder[0] < swapped, f"the ref moved before {name} was safe"
    new_folders = [
        call.place for call in trace.calls if call.name == "mkdir" and "/objects/" in call.place
    ]
    for made in new_folders:
        assert [when for when in trace.at("fsync", Path(made)) if when < swapped], (
            f"{made} was not synced"
        )
    lock = trace.at("fsync", ref.with_name("ledger.lock"))
    assert lock, "the ref's new value was not synced"
    assert lock[0] < swapped, "the ref moved before its value was synced"
    assert [when for when in trace.at("fsync", ref.parent) if when > swapped], (
        "the ref's folder was not synced after the move"
    )
    print(
        f"\na claim: {len(trace.syncs())} syncs, {len(objects)} objects, {len(new_folders)} new "
        "folders"
    )


def test_a_claims_token_is_on_the_disk_before_the_claim_can_be(claim: Path) -> None:
    trace = traced(claim)
    ref = trace.git_dir / "refs" / "heads" / "gitcoord" / "ledger"
    swapped, _ = trace.arrivals(trace.git_dir / "refs")[str(ref)]
    tokens = [
        (arrived, name)
        for name, (arrived, _) in trace.arrivals(trace.git_dir / "gitcoord" / "agents").items()
        if "/claims/" in name
    ]
    assert len(tokens) == 1
    arrived, name = tokens[0]
    synced = trace.at("fsync", Path(name))
    assert synced, "the token was never synced"
    assert arrived < synced[0] < swapped


def test_a_claim_that_need_not_survive_a_power_cut_syncs_nothing(claim: Path) -> None:
    trace = traced(claim, GITCOORD_DURABILITY="process")
    assert trace.arrivals(trace.git_dir / "objects")
    assert trace.syncs() == []
