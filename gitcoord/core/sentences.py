"""Put into words what records say by a code and its values.

The ledger holds no sentences: these may be written better, or in another
language, and every older entry still replays byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitcoord.core import codec
from gitcoord.core.model import Escalation, Said, Setback, Why
from gitcoord.core.texts import MAX_LISTED, fill

__all__ = [
    "REASONS",
    "SENTENCES",
    "answer_of",
    "given",
    "reason_of",
    "said",
    "sentence",
    "text_of_escalation",
    "words",
]

MAX_NAME_BYTES = 500

REASONS = {
    # the target was not moved
    "target-elsewhere": "{target} moved to {place:12} meanwhile",
    "target-gone": "{target} moved to nothing meanwhile",
    "gates-unseen": "this machine did not see its gates pass: {gates}[ and {more} more]",
    "results-conflict": "its results conflict in {files}[ and {more} more]",
    "other-candidate": "it leads to {wanted:12}, and the candidate is {found:12}",
    # a result was taken back
    "result-conflicts": "its result conflicts with {other} in {files}[ and {more} more]",
    "result-renamed": (
        "{other} renamed what its result writes to, and it would land in {files}[ and {more} more]"
    ),
    "gate-fails": "gate {gate} fails with it: {verdict}[\n{output}]",
    # the ledger went back
    "back-to": "back to {choice}",
    "undo-of": "undo of rollback {entry:12}",
    "at-checkpoint": "checkpoint {name}",
    "at-entry": "entry {entry:12}",
    "steps-back": "{steps} entries back",
    "before-time": "the newest entry before that time",
    "before-landing": "before the last landing of phase {phase}",
    "before-claim": "before the first claim of phase {phase}",
    # an agent asks
    "may-widen": "may attempt {attempt} at task {task} write {paths}, too?",
    "may-add": "shall task {task} be added, {title}? {spec}",
    # an agent was taken away
    "no-worktree": "its worktree could not be made",
    # a run gave a task back, or its command failed
    "no-checkout": "its branch could not be checked out",
    "interrupted": "the run was interrupted",
    "run-broke": "the run ended with an error",
    "claimed-beside": "it was claimed beside the task of a run",
    "not-handed-in": "{reason}\nmoved aside: {moved}[ and {more} more]",
    "command-failed": "the command ended with status {status}[:\n{output}]",
    "command-too-long": "the command took longer than {limit} and was ended[:\n{output}]",
    "command-hung": (
        "the command printed, reported and committed nothing for {limit} and was ended[:\n{output}]"
    ),
    "changed-nothing": "the command changed nothing that could be handed in",
    "left-unfinished": "the command left {unfinished} behind",
    "left-branch": "the command left HEAD where the commits of {branch} are missing",
    "made-repositories": (
        "the command made another repository inside this one: {paths}[ and {more} more]"
    ),
    "wrote-outside": "the command wrote outside the task's paths: {paths}[ and {more} more]",
    "usage-limit": "{assistant} has reached its usage limit[, until {until}]",
    "claim-left-open": "{assistant} ended with the claim open, status {status}",
    # a check or a gate failed
    "ended-with": "it ended with status {status}",
    "not-found": "a command was not found (status 127)",
    "not-executable": "a command could not be executed (status 126)",
    "no-tests": "no tests ran ({runner})",
    "died": "it died by signal {signal}",
    "too-long": "it took longer than {limit}",
    "stopped": "it was stopped",
    "cannot-run": "it cannot be run[: {error}]",
    "output-not-kept": "its output cannot be kept: {error}",
}
"""The sentence of each reason that gitcoord itself gives.

They stand in the messages of entries, which are compared byte for byte: what
is to read otherwise becomes a code of its own.
"""

SENTENCES = {
    # setbacks
    "expired": "the lease of {holder} ran out[, and {by} took the task over]",
    "rejected": "{by} rejected the result: {reason}",
    "base-redone": "task {task}, which it was built on, is no longer done ({by})",
    "left-out": "phase {phase} landed without it",
    # escalations
    "task-failed": "task {task} failed (failures: {failures}): {last}",
    "landing-aborted": "the landing of phase {phase} was given up: {reason}",
    "rollback-aborted": "the target was not rolled back: {reason}",
    # answers
    "granted": "granted: {reason}",
    "retried": "retried[: {reason}]",
    "cancelled": "cancelled[: {reason}]",
    **REASONS,
}
"""The sentence of each code; what has none was said by somebody: ``reason``."""


def sentence(code: str, values: Mapping[str, Any]) -> str:
    """Return what a code and its values say, in full."""
    told = {key: _told(value) for key, value in values.items()}
    template = SENTENCES.get(code)
    if template is None:
        return str(told.get("reason", ""))
    return fill(template, told, is_cut=False)


def _told(value: Any) -> Any:
    if isinstance(value, Mapping):
        return sentence(str(value.get("code", "")), value.get("values", {}))
    return value


def said(code: str, **values: Any) -> Said:
    """Return what gitcoord says: a code of ``REASONS``, and its values but the empty ones.

    Of a list it names the first, and ``more`` counts the others.

    Raises:
        TypeError: A value would read otherwise once it was written as JSON.

    """
    told: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, tuple):
            raise TypeError(f"{key} of {code} is a tuple, which JSON makes a list of")
        if value is None or value in ("", []):
            continue
        told[key] = value
        if isinstance(value, list):
            names = [codec.printable(str(one)) for one in value[:MAX_LISTED]]
            told[key] = [codec.cut(name, MAX_NAME_BYTES) for name in names]
            if len(value) > MAX_LISTED:
                told["more"] = len(value) - MAX_LISTED
    return {"code": code, "values": told}


def words(why: Why) -> str:
    """Return a reason in words."""
    if isinstance(why, str):
        return why
    return sentence(why["code"], why["values"])


def given(why: Why) -> dict[str, Any]:
    """Return the key of a command that gives a reason."""
    if isinstance(why, str):
        return {"reason": why}
    return {"said": why}


def reason_of(setback: Setback) -> str:
    """Return why an earlier attempt did not make it."""
    return sentence(setback["code"], setback["values"])


def text_of_escalation(escalation: Escalation) -> str:
    """Return what an escalation is about."""
    return sentence(escalation["code"], escalation["values"])


def answer_of(escalation: Escalation) -> str:
    """Return what was answered, nothing while it is open."""
    answer: Said | None = escalation.get("answer")
    if answer is None:
        return ""
    return words(answer)
