"""Parse ids, tokens, oids and durations once; trust them afterwards.

Ids name tasks, phases, pools, agents and ledgers. They become parts of ref
names and file names, so the alphabet is what every disk and every git
accepts (git itself takes far more; see docs/format.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NewType

from gitcoord.core.errors import UsageError
from gitcoord.core.hashing import sha256

__all__ = [
    "ID_RULE",
    "NO_AGENT",
    "NO_OID",
    "NO_PHASE",
    "NO_TASK",
    "ORCHESTRATOR",
    "ZERO_OID",
    "AgentId",
    "Oid",
    "PhaseId",
    "TaskId",
    "Token",
    "duration_ms",
    "is_id",
    "is_oid",
    "is_ref",
    "nearest",
    "parse_agent",
    "parse_id",
    "shard",
    "show_duration",
]

# Kinds of text that mypy keeps apart; at run time each is a plain text.
Token = NewType("Token", str)
"""What fences one claim, review or lock."""
TaskId = NewType("TaskId", str)
AgentId = NewType("AgentId", str)
PhaseId = NewType("PhaseId", str)
Oid = NewType("Oid", str)
"""The full id of a git object, in hex."""

NO_AGENT = AgentId("")
NO_OID = Oid("")
NO_PHASE = PhaseId("")
NO_TASK = TaskId("")
ORCHESTRATOR = AgentId("orchestrator")
ZERO_OID = Oid("0" * 40)
ID_RULE = (
    "an id is 1 to 64 of A-Z a-z 0-9 . _ -, starts with a letter or digit, "
    "ends in neither '.' nor '.lock' and holds no '..'"
)
MAX_ID_CHARS = 64
_HEX = "0123456789abcdef"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NOT_FIRST = "._-"
_ID_CHARS = _LETTERS + "0123456789" + _NOT_FIRST
_OID_CHARS = (40, 64)
# Not every command asks for these: they are compiled when they are first matched.
_REF = r"refs/[^\x00-\x20\x7f~^:?*\[\\]{1,1000}"
_DURATION = r"(?a)(\d{1,9})(ms|s|m|h|d)"
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def is_id(text: object) -> bool:
    """Return whether a value is an id by ``ID_RULE``."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= MAX_ID_CHARS
        and not text.strip(_ID_CHARS)
        and text[0] not in _NOT_FIRST
        and ".." not in text
        and not text.endswith(".")
        and not text.lower().endswith(".lock")
    )


def is_ref(text: object) -> bool:
    """Return whether a value is the full name of a ref, as git allows it."""
    return (
        isinstance(text, str)
        and re.fullmatch(_REF, text) is not None
        and ".." not in text
        and "//" not in text
        and "/." not in text
        and not text.endswith(("/", ".", ".lock"))
        and ".lock/" not in text
    )


def parse_agent(text: str) -> AgentId:
    """Return the id of an agent.

    Raises:
        UsageError: The text is not an id.

    """
    return AgentId(parse_id(text, "agent id"))


def parse_id(text: str, what: str = "id") -> str:
    """Return the id, or say which rule it breaks.

    Raises:
        UsageError: The text is not an id.

    """
    if not is_id(text):
        shown = text
        if len(text) > 80:
            shown = text[:77] + "..."
        raise UsageError(f"{shown!r} is not a valid {what}: {ID_RULE}", hint="choose another name")
    return text


def is_oid(text: object) -> bool:
    """Return whether a value is a full object id in hex (SHA-1 or SHA-256)."""
    return isinstance(text, str) and len(text) in _OID_CHARS and not text.strip(_HEX)


def duration_ms(text: str) -> int | None:
    """Read ``90s``, ``15m``, ``2h`` as milliseconds; None if it is none."""
    match = re.fullmatch(_DURATION, text)
    if match is None:
        return None
    return int(match[1]) * _UNIT_MS[match[2]]


def show_duration(ms: int) -> str:
    """Write milliseconds for people: ``45s``, ``3m 20s``, ``2h 5m``."""
    seconds = max(0, ms) // 1000
    if seconds < 60:
        return f"{seconds}s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}m {seconds}s".removesuffix(" 0s")
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h {minutes}m".removesuffix(" 0m")
    days, hours = divmod(hours, 24)
    return f"{days}d {hours}h".removesuffix(" 0h")


def shard(task: TaskId) -> tuple[str, str]:
    """Return the two folder names of a task's record.

    They are the first two bytes, in hex, of the SHA-256 of the case-folded
    id: one level costs 1.74 times at 100,000 tasks, two cost 1.14.
    """
    digest = sha256(task.casefold().encode()).hexdigest()
    return digest[:2], digest[2:4]


def nearest(word: str, known: Iterable[str], most: int = 3) -> list[str]:
    """List the known names that look like a word, best first."""
    from difflib import get_close_matches

    if len(word) > 128:
        return []
    by_fold = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), by_fold, n=most, cutoff=0.5)
    return [by_fold[name] for name in close]
