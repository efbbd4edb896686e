"""The facts of reports: of any size, and with whatever text."""

from __future__ import annotations

from typing import Any

HOSTILE = (
    '</script><script>alert(1)</script>"><img src=x onerror=alert(1)> \u202e | `x` [a](b) #<b>'
)


USED = {
    "told": 1,
    "input_tokens": None,
    "cached_tokens": None,
    "output_tokens": None,
    "cost_micros": None,
}


def _item(words: str) -> dict[str, Any]:
    return {"kind": "claim", "task": "t0", "text": words, "command": f"gitcoord show {words}"}


def _run(kind: str, of: str, gate: str) -> dict[str, Any]:
    keys = {"kind": kind, "of": of, "gate": gate, "agent": "x0", "at": 1_700_000_030}
    return {**keys, "verdict": "passed", "millis": 4_000}


def report_of(count: int, words: str = "Do it") -> dict[str, Any]:
    """Return the facts of a report with some tasks, each of which was tried twice."""
    names = [f"t{number}" for number in range(count)]
    tasks = [
        {
            "id": name,
            "title": words,
            "phase": "one",
            "pool": "default",
            "needs": names[number - 1 : number] if number % 5 else [],
            "state": "done",
            "agent": f"x{number % 8}",
            "attempts": 2,
            "took_ms": 60_000,
        }
        for number, name in enumerate(names)
    ]
    attempts = [
        {
            "task": name,
            "agent": f"x{number % 8}",
            "attempt": attempt,
            "since": 1_700_000_000 + 60 * number,
            "until": 1_700_000_060 + 60 * number,
            "end": ("failed", "completed")[attempt - 1],
            "undone": "",
            "took_ms": 60_000,
            "wait_ms": 5_000 * (attempt - 1),
            "limit_ms": None,
        }
        for number, name in enumerate(names)
        for attempt in (1, 2)
    ]
    group = {
        "name": words,
        "tasks": 1,
        "attempts": 1,
        "standing": 1,
        "setbacks": 0,
        "work_ms": 1,
        "wasted_ms": None,
        "waiting_ms": None,
        "usage": {**USED, "input_tokens": 1200, "output_tokens": 34, "cost_micros": 1_230_000},
    }
    return {
        "ledger": "ledger",
        "plan": words,
        "tip": "1" * 40,
        "until": "2026-11-24T10:00:00Z",
        "conditions": [
            {
                "name": "efficiency",
                "value": 0.7,
                "threshold": 0.6,
                "is_met": True,
                "how": words,
            },
            {"name": "recovery", "value": None, "threshold": 2.0, "is_met": None, "how": words},
        ],
        "counts": {"tasks": count},
        "times": {"work_ms": None, "task_ms": 60_000},
        "usage": {**USED, "told": 0},
        "git": "git log --reverse gitcoord/ledger",
        "groups": {name: [group] for name in ("agents", "pools", "phases", "assistants")},
        "now": {
            "needs_you": [_item(words)],
            "stuck": [],
            "running": [_item(words)],
            "next": [],
            "eta": {"from": None, "to": None, "basis": words},
        },
        "begun": 1_700_000_000,
        "ended": 1_700_000_060 + 60 * count,
        "phases": [{"id": "one", "state": "open", "after": []}],
        "tasks": tasks,
        "chain": names[:3],
        "attempts": attempts,
        "reviews": [
            {"task": name, "agent": "x0", "since": 1_700_000_000, "until": None, "verdict": ""}
            for name in names[:1]
        ],
        "runs": [_run("gate", "one", words), *(_run("check", name, "") for name in names[:1])],
        "landings": [
            {
                "phase": "one",
                "since": 1_700_000_030,
                "until": 1_700_000_050,
                "end": "landed",
                "count": count,
            }
        ],
        "rollbacks": [1_700_000_030],
        "progress": [[1_700_000_060 + 60 * number, number + 1] for number in range(count)],
    }
