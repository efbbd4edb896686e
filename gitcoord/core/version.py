"""Say which ledgers this version of gitcoord can read, and which it cannot.

What a newer gitcoord wrote is not corrupt. It is refused in one way, with
the version to install where the ledger names one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gitcoord.core.codec import printable
from gitcoord.core.errors import CorruptError, RefusedError
from gitcoord.core.ids import Oid
from gitcoord.core.model import FORMAT

__all__ = ["VERSION", "later", "newer_format", "refuse_format", "require_readable"]

VERSION = "0.1.0"
_VERSION = r"(?a)\d{1,6}(?:\.\d{1,6}){0,3}"


def newer_format(what: str, needs: str = "", **facts: str) -> RefusedError:
    """Return the refusal of what only a newer gitcoord can read."""
    wanted = "a newer gitcoord"
    if needs:
        wanted = f"gitcoord {needs} or newer"
    return RefusedError(
        f"{what}; this is gitcoord {VERSION}",
        reason="newer-format",
        hint=f"install {wanted}",
        **facts,
    )


def refuse_format(found: int, what: str, **facts: str) -> RefusedError:
    """Return the refusal of a format that is not ours."""
    if found > FORMAT:
        return newer_format(
            f"{what} has ledger format {found}, and format {FORMAT} is read", **facts
        )
    return RefusedError(
        f"{what} has ledger format {found}, which no release wrote; this gitcoord reads {FORMAT}",
        reason="older-format",
        hint="`gitcoord --ledger NAME init` begins another ledger beside it",
        **facts,
    )


def require_readable(settings: object, entry: Oid) -> None:
    """Refuse a ledger that needs a newer gitcoord, by its settings.

    Raises:
        CorruptError: They are not the settings of a ledger.
        RefusedError: Reason ``newer-format`` or ``older-format``.

    """
    found = None
    if isinstance(settings, Mapping):
        found = settings.get("format")
    if type(found) is not int or not isinstance(settings, Mapping):
        raise CorruptError(
            f"entry {entry[:12]} is not an entry of a gitcoord ledger",
            hint="`gitcoord verify` names the first bad entry",
            entry=entry,
        )
    if found != FORMAT:
        raise refuse_format(found, "the ledger", entry=entry)
    needs: Any = settings.get("needs", "")
    if needs != "" and later(VERSION, str(needs)) != VERSION:
        needs = printable(str(needs)[:40])
        raise newer_format(f"the ledger needs gitcoord {needs} or newer", needs, entry=entry)


def later(one: str, other: str) -> str:
    """Return the later of two versions; what cannot be read is later."""
    if re.fullmatch(_VERSION, other) is None or _order(other) > _order(one):
        return other
    return one


def _order(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in version.split(".")]
    return tuple([*numbers, 0, 0, 0][:4])
