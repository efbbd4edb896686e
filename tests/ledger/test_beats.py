"""Beats keep a lease, and nothing but beats."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    NothingReadyError,
    UnavailableError,
)
from gitcoord.core.leases import Beat, Context
from gitcoord.core.refs import beat_ref
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.inspect import facts
from gitcoord.features.work import claims
from gitcoord.features.workspace import open_workspace
from gitcoord.host.clock import Clock
from gitcoord.ledger.beats import BROKEN, Beats, beat_text, parse_beat
from tests.support.builders import tasks
from tests.support.formats import needs_ref_files
from tests.support.moments import before_swap
from tests.support.world import LONGER, SHORT, found


def test_a_beating_holder_keeps_its_task_far_beyond_its_lease(repo: Path) -> None:
    work = found(repo, LONGER + tasks("a"), "x", "y", worktrees=False)
    held = claims.claim(work, "x")
    for _ in range(4):
        time.sleep(1.5)
        work.ledger.beat("x", held.claim["token"])
        with pytest.raises(NothingReadyError):
            claims.claim(work, "y")
    assert facts.status(work)["claims"][0]["is_over"] is False


class OtherBoot(Clock):
    """The clock of another machine that shares the repository."""

    def boot_id(self) -> str:
        return "another-boot"


def test_a_lease_of_another_boot_ends_only_after_it_was_watched_that_long(repo: Path) -> None:
    found(repo, SHORT + tasks("a"), "x", "y", worktrees=False).close()
    held = claims.claim(open_workspace(repo, clock=OtherBoot()), "x", session="s")
    time.sleep(1.1)
    with pytest.raises(NothingReadyError):
        claims.claim(open_workspace(repo), "y")
    time.sleep(1.1)
    # Another command, another process as it were: it remembers what was seen.
    taken = claims.claim(open_workspace(repo), "y")
    entry = open_workspace(repo).store.read_entry(taken.entry)
    assert '"rule":"observed"' in entry.message
    with pytest.raises(ClaimLostError):
        open_workspace(repo).ledger.beat("x", held.claim["token"])


def test_a_beat_that_came_before_the_takeover_stops_it(repo: Path) -> None:
    plan = '[plan]\nlease = "3s"\nheartbeat = "1s"\n' + tasks("a")
    work = found(repo, plan, "x", "y", worktrees=False)
    held = claims.claim(work, "x", "a", checkout=False)
    work.clock.sleep(3.1)
    other = open_workspace(repo)
    beats = iter([held.claim["token"]])

    def claim_a(snapshot: Snapshot, _context: Context) -> dict[str, object]:
        command: dict[str, object] = {
            "op": "claim",
            "agent": "y",
            "task": "a",
            "session": "s",
            "base": other.target_tip(snapshot),
            "built_on": {},
        }
        from gitcoord.core.machine import decide

        decide(snapshot, command, work.ledger.context())
        return command

    def beat_now(_event: object) -> None:
        for token in beats:
            other.ledger.beat("x", token)

    with pytest.raises(ConflictError):
        work.ledger.execute(claim_a, agent="y", before_swap=beat_now)
    assert claims.claim(work, "x", checkout=False).task["id"] == "a"


def test_a_beat_that_came_after_the_takeover_is_told_that_the_claim_is_lost(repo: Path) -> None:
    work = found(repo, SHORT + tasks("a"), "x", "y", worktrees=False)
    held = claims.claim(work, "x", "a", checkout=False)
    time.sleep(1.05)
    other = open_workspace(repo)
    before_swap(
        work, beat_ref("ledger", "x"), lambda: claims.claim(other, "y", "a", checkout=False)
    )
    with pytest.raises(ClaimLostError):
        work.ledger.beat("x", held.claim["token"])


def _unreadable(path: Path) -> None:
    """Let every open of a file fail, for whoever asks: a link to itself."""
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize("engine", ["libgit2", "plumbing"])
def test_a_beat_that_cannot_be_read_now_is_unavailable(
    repo: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITCOORD_ENGINE", engine)
    work = found(repo, SHORT + tasks("a"), "x", "y", worktrees=False)
    held = claims.claim(work, "x")
    time.sleep(1.1)
    oid = work.ledger.beat("x", held.claim["token"]).oid
    tip = work.ledger.tip()
    _unreadable(repo / ".git" / "objects" / oid[:2] / oid[2:])
    with pytest.raises(UnavailableError, match="cannot be read"):
        claims.claim(open_workspace(repo), "y")
    assert work.ledger.tip() == tip


@pytest.mark.parametrize("content", [b"", b"rubbish", None])
def test_a_torn_beat_holds_for_a_lease_and_no_longer(repo: Path, content: bytes | None) -> None:
    work = found(repo, SHORT + tasks("a"), "x", "y", worktrees=False)
    held = claims.claim(work, "x")
    time.sleep(1.1)
    oid = work.ledger.beat("x", held.claim["token"]).oid
    path = repo / ".git" / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(NothingReadyError):
        claims.claim(open_workspace(repo), "y")
    time.sleep(1.1)
    assert claims.claim(open_workspace(repo), "y").task["id"] == "a"


@needs_ref_files
def test_to_a_reader_a_beat_whose_ref_is_torn_is_a_torn_beat(repo: Path) -> None:
    work = found(repo, SHORT + tasks("a"), "x", worktrees=False)
    work.ledger.beat("x", claims.claim(work, "x").claim["token"])
    ref = repo / ".git" / "refs" / "gitcoord" / "ledger" / "beats" / "x"
    ref.write_text("rubbish\n")
    assert Beats(work.store, "ledger")["x"] == Beat(BROKEN, {}, is_torn=True)
    assert ref.read_text() == "rubbish\n", "who only reads repairs nothing"


def test_a_holder_whose_beat_is_torn_beats_on(repo: Path) -> None:
    work = found(repo, LONGER + tasks("a"), "x", worktrees=False)
    token = claims.claim(work, "x").claim["token"]
    oid = work.ledger.beat("x", token).oid
    (repo / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
    assert token in work.ledger.beat("x", token).stamps


WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


STAMPS = st.dictionaries(WORD, st.tuples(WORD, st.integers(0, 10**20)), max_size=5)


@given(STAMPS)
def test_a_beat_comes_back(stamps: dict[str, tuple[str, int]]) -> None:
    assert parse_beat(beat_text(stamps)) == stamps


@given(STAMPS, st.data())
def test_a_beat_that_is_cut_or_changed_proves_nothing_that_was_not_said(
    stamps: dict[str, tuple[str, int]], data: st.DataObject
) -> None:
    content = beat_text(stamps)
    for end in range(len(content)):
        for token, (boot, ns) in parse_beat(content[:end]).items():
            assert token in stamps
            assert str(stamps[token][1]).startswith(str(ns)), "an earlier time at the most"
            assert boot == stamps[token][0]
    raw = bytearray(content)
    for _ in range(data.draw(st.integers(0, 3))):
        raw.insert(data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, 255)))
    for token, (boot, ns) in parse_beat(bytes(raw)).items():
        assert token
        assert boot
        assert ns >= 0
