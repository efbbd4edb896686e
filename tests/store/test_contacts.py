"""Processes of one clone share what they hear from the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.host.clock import Clock
from gitcoord.store.contacts import Contacts
from tests.support.clocks import Clocks
from tests.support.machines import OtherMachine


def test_what_one_process_heard_counts_for_the_others(tmp_path: Path) -> None:
    clock = Clock()
    one, other = (Contacts(tmp_path, "ledger", clock) for _ in range(2))
    assert other.last_ns() == 0
    assert other.age_s() is None
    began_ns = clock.monotonic_ns()
    one.note(began_ns)
    assert other.last_ns() == began_ns <= other.last_end_ns() <= clock.monotonic_ns()
    assert other.age_s() is not None
    assert Contacts(tmp_path, "second", clock).last_ns() == 0


def test_a_talk_before_the_machine_started_anew_counts_for_nothing(tmp_path: Path) -> None:
    Contacts(tmp_path, "ledger", OtherMachine("then")).note(5)
    now = Contacts(tmp_path, "ledger", OtherMachine("now"))
    assert now.last_ns() == 0
    assert now.age_s() is not None


@pytest.mark.parametrize("content", ["", "[]", '{"boot": 1, "ns": "x"}', "{" * 5000])
def test_a_file_that_is_rubbish_counts_for_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "ledger.json").write_text(content)
    contacts = Contacts(tmp_path, "ledger", Clock())
    (tmp_path / "ledger.met").write_text(content)
    assert contacts.last_ns() == contacts.last_end_ns() == contacts.met_ns() == 0
    assert contacts.age_s() is None
    assert contacts.quickest_s() == contacts.round_s() == 0


def test_one_at_a_time_has_the_wire(tmp_path: Path) -> None:
    one, other = (Contacts(tmp_path, "ledger", Clock()) for _ in range(2))
    with one.hold(1.0) as handles:
        assert handles
        with pytest.raises(UnavailableError, match="has talked with the server"), other.hold(0.1):
            pass
    with other.hold(1.0):
        pass


def test_the_newest_fetch_and_the_quickest_are_known_to_all_processes(tmp_path: Path) -> None:
    clock = Clocks()
    one, other = (Contacts(tmp_path, "ledger", clock) for _ in range(2))
    for took_s in (4, 1, 3):
        began_ns = clock.monotonic_ns()
        clock.ahead_ns += took_s * 10**9
        one.note(began_ns)
    one.note(clock.monotonic_ns() - 5 * 10**9, is_fetch=False)
    assert other.round_s() == pytest.approx(6, abs=0.5)
    assert other.quickest_s() == pytest.approx(2, abs=0.5)
    for _ in range(60):
        began_ns = clock.monotonic_ns()
        clock.ahead_ns += 3 * 10**9
        one.note(began_ns)
    assert other.quickest_s() == pytest.approx(6, abs=0.5)


def test_others_that_were_met_are_forgotten_with_the_boot_and_when_told(tmp_path: Path) -> None:
    then, now = (Contacts(tmp_path, "ledger", OtherMachine(name)) for name in ("then", "now"))
    then.note_met()
    assert then.met_ns() > 0
    assert now.met_ns() == 0
    then.forget_met()
    then.forget_met()
    assert then.met_ns() == 0
