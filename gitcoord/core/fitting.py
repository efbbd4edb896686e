"""Make an answer fit a size: its longest lists and texts are cut, and named.

Pure. What an assistant reads of a tool's answer costs it context, so that an
answer has a size; what says how it ended is short, and is never cut.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

__all__ = ["CUT", "fit_facts", "fit_text"]

CUT = "cut"
"""The key under which an answer names what was cut."""
MIN_CUT_BYTES = 160
"""Shorter lists and texts stay whole: codes, ids, messages."""
_Place = tuple[str | int, ...]


def fit_facts(facts: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    """Return facts in at most ``max_bytes`` of JSON; what was cut is under ``cut``.

    The longest list or text is halved until all of it fits. Of a list the
    first items stay, of a text its beginning.
    """
    fitted = json.loads(json.dumps(facts))
    cut: list[str] = []
    while _size(fitted) > max_bytes:
        places = [place for place in _long_ones(fitted) if place[0] != CUT]
        if not places:
            return {key: value for key, value in fitted.items() if _size(value) < MIN_CUT_BYTES}
        place = max(places, key=lambda one: _size(_at(fitted, one)))
        _halve(fitted, place)
        name = ".".join(str(step) for step in place if isinstance(step, str))
        if name not in cut:
            cut.append(name)
        fitted[CUT] = cut
    return dict(fitted)


def fit_text(text: str, max_bytes: int, advice: str) -> str:
    """Return a text in at most ``max_bytes``; where it was cut, it says so."""
    whole = text.encode("utf-8", "surrogatepass")
    if len(whole) <= max_bytes:
        return text
    end = f"\n[cut here: {advice}]"
    kept = whole[: max_bytes - len(end.encode())].decode("utf-8", "ignore")
    return kept.rsplit("\n", 1)[0] + end


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _long_ones(value: object, place: _Place = ()) -> Iterator[_Place]:
    """Return the places of all lists and texts that are long enough to be cut."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _long_ones(part, (*place, key))
        return
    if place and isinstance(value, list | str) and len(value) > 1 and _size(value) > MIN_CUT_BYTES:
        yield place
    if isinstance(value, list):
        for index, part in enumerate(value):
            yield from _long_ones(part, (*place, index))


def _at(value: Any, place: _Place) -> Any:  # any JSON, by whichever steps lead there
    for step in place:
        value = value[step]
    return value


def _halve(facts: dict[str, Any], place: _Place) -> None:
    parent = _at(facts, place[:-1])
    long = parent[place[-1]]
    parent[place[-1]] = long[: len(long) // 2]
