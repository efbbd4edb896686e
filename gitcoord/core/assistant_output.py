"""Read what an assistant prints when nobody sits before it: session, usage, limit.

Four dialects, a JSON object a line; other lines are passed over. Pure. What
is read tells nothing about the task: only the ledger does. The forms are
those of Claude Code 2.1, Codex 0.169, Gemini CLI 0.61 and Copilot CLI 1.0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from gitcoord.core.codec import printable
from gitcoord.core.shapes import NamedTuple

__all__ = ["DIALECTS", "REPORTS_COST", "REPORTS_TOKENS", "Told", "read_output"]

MAX_NAME_CHARS = 200
MICROS = 1_000_000
MAX_COST = 1e9
_LIMITED = 429
_CLOCK = re.compile(
    r"try again at (?:(?P<month>[A-Z][a-z]{2}) (?P<day>\d{1,2})(?:st|nd|rd|th), (?P<year>\d{4}) )?"
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2}) (?P<half>AM|PM)",
    re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Told(NamedTuple):
    """What a session told of itself; what it did not tell is None, or empty.

    Tokens and cost are totals of the whole session where ``is_total``, else
    of this process alone. ``until`` is when a limit ends, in Unix seconds;
    ``until_local`` the same as (year, month, day, hour, minute) of the local
    clock, the first three 0 where only the time of day is known.
    """

    session: str = ""
    model: str = ""
    version: str = ""
    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    cost_micros: int | None = None
    is_total: bool = False
    is_limited: bool = False
    until: int | None = None
    until_local: tuple[int, int, int, int, int] | None = None


def read_output(dialect: str, output: bytes) -> Told:
    """Return what the last session in an output told; nothing in an unknown dialect."""
    read = DIALECTS.get(dialect)
    told = Told()
    if read is None:
        return told
    for line in _objects(output):
        told = read(told, line)
    return told


def _objects(output: bytes) -> Iterable[dict[str, Any]]:
    for line in output.splitlines():
        if not line.startswith(b"{"):
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    return value


def _name(value: object, default: str = "") -> str:
    if not isinstance(value, str) or not value:
        return default
    return printable(value)[:MAX_NAME_CHARS]


def _count(value: object) -> int | None:
    if type(value) is not int or value < 0:
        return None
    return value


def _sum(rows: Iterable[dict[str, Any]], *keys: str) -> int:
    return sum(_count(row.get(key)) or 0 for row in rows for key in keys)


# Claude Code


def _claude(told: Told, line: dict[str, Any]) -> Told:
    kind = _name(line.get("type"))
    if kind == "system" and line.get("subtype") == "init":
        model, version = _name(line.get("model")), _name(line.get("claude_code_version"))
        return Told(_name(line.get("session_id")), model, version)
    if kind == "rate_limit_event":
        info = _object(line.get("rate_limit_info"))
        if info.get("status") == "rejected":
            return told._replace(until=_count(info.get("resetsAt")))
        return told
    if kind != "result":
        return told
    models = [row for row in _object(line.get("modelUsage")).values() if isinstance(row, dict)]
    told = told._replace(
        session=_name(line.get("session_id"), told.session),
        is_limited=bool(line.get("is_error")) and line.get("api_error_status") == _LIMITED,
        is_total=True,
    )
    cost = line.get("total_cost_usd")
    if isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost < MAX_COST:
        told = told._replace(cost_micros=round(cost * MICROS))
    if not models:
        return told
    # Anthropic counts what comes from the cache, and goes into it, beside the input.
    cached = _sum(models, "cacheReadInputTokens")
    return told._replace(
        input_tokens=_sum(models, "inputTokens", "cacheCreationInputTokens") + cached,
        cached_tokens=cached,
        output_tokens=_sum(models, "outputTokens"),
    )


# Codex


def _codex(told: Told, line: dict[str, Any]) -> Told:
    kind = _name(line.get("type"))
    if kind == "thread.started":
        return Told(_name(line.get("thread_id")))
    if kind == "turn.completed":
        usage = _object(line.get("usage"))
        return told._replace(
            input_tokens=_count(usage.get("input_tokens")),
            cached_tokens=_count(usage.get("cached_input_tokens")),
            output_tokens=_count(usage.get("output_tokens")),
            is_total=True,
        )
    if kind != "turn.failed":
        return told
    text = str(_object(line.get("error")).get("message", ""))
    if "usage limit" not in text.lower():
        return told
    return told._replace(is_limited=True, until_local=_local_time(text))


def _local_time(text: str) -> tuple[int, int, int, int, int] | None:
    """Return the time of day, with its date if there is one, that a sentence names."""
    found = _CLOCK.search(text)
    if found is None:
        return None
    hour = int(found["hour"]) % 12
    if found["half"].upper() == "PM":
        hour += 12
    if found["month"] is None:
        return 0, 0, 0, hour, int(found["minute"])
    if found["month"].lower() not in _MONTHS:
        return None
    month = _MONTHS.index(found["month"].lower()) + 1
    return int(found["year"]), month, int(found["day"]), hour, int(found["minute"])


# Gemini CLI


def _gemini(told: Told, line: dict[str, Any]) -> Told:
    kind = _name(line.get("type"))
    if kind == "init":
        return Told(_name(line.get("session_id")), _name(line.get("model")))
    if kind in {"error", "result"}:
        text = f"{line.get('message', '')} {_object(line.get('error')).get('message', '')}".lower()
        if "quota" in text or "429" in text:
            told = told._replace(is_limited=line.get("status") != "success")
    if kind != "result":
        return told
    stats = _object(line.get("stats"))
    models = [name for name in _object(stats.get("models")) if name]
    if models:
        told = told._replace(model=_name(models[0]))
    return told._replace(
        input_tokens=_count(stats.get("input_tokens")),
        cached_tokens=_count(stats.get("cached")),
        output_tokens=_count(stats.get("output_tokens")),
    )


# Copilot CLI


def _copilot(told: Told, line: dict[str, Any]) -> Told:
    kind, data = _name(line.get("type")), _object(line.get("data"))
    if kind == "user.message":
        return Told()
    if kind == "session.error":
        is_limited = data.get("errorType") == "rate_limit" or data.get("statusCode") == _LIMITED
        return told._replace(is_limited=is_limited)
    if kind == "model.call_start":
        return told._replace(model=_name(data.get("model"), told.model))
    if kind == "result":
        return told._replace(session=_name(line.get("sessionId")))
    return told


DIALECTS: dict[str, Callable[[Told, dict[str, Any]], Told]] = {
    "claude": _claude,
    "codex": _codex,
    "gemini": _gemini,
    "copilot": _copilot,
}
"""How each assistant tells of itself, by the name that a recipe has for it."""
REPORTS_COST = frozenset({"claude"})
"""The dialects that say what a session cost."""
REPORTS_TOKENS = frozenset({"claude", "codex", "gemini"})
"""The dialects that say how many tokens a session used."""
