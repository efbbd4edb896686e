"""The cycle collector rests meanwhile, and is as it was afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from gitcoord.core.bulk import uncollected


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    was_enabled = gc.isenabled()
    yield
    gc.enable() if was_enabled else gc.disable()


def look(seen: list[bool]) -> None:
    seen.append(gc.isenabled())
    raise IndexError


@pytest.mark.parametrize("was_enabled", [False, True])
def test_the_collector_is_as_it_was_after_an_error_too(was_enabled: bool) -> None:
    (gc.enable if was_enabled else gc.disable)()
    seen: list[bool] = []
    with pytest.raises(IndexError), uncollected():
        look(seen)
    assert seen == [False]
    assert gc.isenabled() is was_enabled


def test_one_within_another_ends_nothing_early() -> None:
    gc.enable()
    with uncollected():
        with uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
