from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import gitcoord
from gitcoord.core.errors import Reason
from gitcoord.core.reasons import REASONS

PACKAGE = Path(gitcoord.__file__).parent


def test_every_reason_has_a_meaning() -> None:
    assert set(REASONS) == set(get_args(Reason))


def test_no_reason_is_listed_that_nothing_gives() -> None:
    given = {
        reason
        for path in PACKAGE.rglob("*.py")
        for reason in re.findall(r'reason="([a-z-]+)"', path.read_text("utf-8"))
    }
    assert set(REASONS) == given
