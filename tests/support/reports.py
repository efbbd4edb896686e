"""The facts of reports: of any size, and with whatever text."""

from __future__ import annotations

from typing import Any

HOSTILE = (
    '</script><script>alert(1)</script>"><img src=x onerror=alert(1)> \u202e | `x` [a](b) #<b>'
)


def report_of(count: int, words: str = "Do it") -> dict[str, Any]:
    """Return the facts of a report with some tasks, each of which was tried twice."""
    names = [f"t{number}" for number in range(count)]
    tasks = [
        {
            "id": name,
            "title": words,
            "phase": "one",
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
        }
        for number, name in enumerate(names)
        for attempt in (1, 2)
    ]
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
        "agents": [
            {
                "name": words,
                "tasks": 1,
                "attempts": 1,
                "standing": 1,
                "setbacks": 0,
                "work_ms": 1,
                "wasted_ms": None,
                "waiting_ms": None,
            }
        ],
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
        "marks": [{"at": 1_700_000_030, "op": "land-done", "phase": words}],
        "progress": [[1_700_000_060 + 60 * number, number + 1] for number in range(count)],
    }
