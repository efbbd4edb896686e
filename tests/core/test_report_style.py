"""The report's colours are read on their grounds, in light and in dark, and on paper."""

from __future__ import annotations

import re

import pytest

from gitcoord.core.report_drawing import CLASSES
from gitcoord.core.report_style import DARK, LIGHT, stylesheet


def test_both_schemes_have_the_same_colours_and_every_class_has_one() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert set(CLASSES.values()) <= LIGHT.keys()
    used = set(re.findall(r"var\(--([a-z]+)\)", stylesheet()))
    assert used == LIGHT.keys()


def test_dark_is_for_screens_alone() -> None:
    before, _, after = stylesheet().partition(DARK["ground"])
    assert "@media screen and (prefers-color-scheme: dark)" in before
    assert after.count(DARK["ground"]) == 1


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_every_colour_is_read_on_the_ground(colours: dict[str, str]) -> None:
    grounds = ("ground", "raised")
    for name in colours.keys() - {*grounds}:
        for ground in grounds:
            assert _contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    # What is said where somebody points stands on the ink.
    assert _contrast(colours["ground"], colours["ink"]) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_no_two_colours_are_the_same(colours: dict[str, str]) -> None:
    assert len(set(colours.values())) == len(colours)


def _contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, by the web's guidelines."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
