"""Collect what a claimer should know beside its task.

What was noted about it, what others left of earlier attempts, which logs
they left, and who waits for it.
"""

from __future__ import annotations

from typing import Any

from gitcoord.core.ids import Oid
from gitcoord.core.model import TaskRecord
from gitcoord.core.refs import branch_ref
from gitcoord.core.sentences import answer_of, text_of_escalation
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.inspect import impact
from gitcoord.features.inspect.notes import note_facts, notes_about
from gitcoord.features.inspect.overlaps import neighbours, overlap_line
from gitcoord.features.work.claims import Claimed
from gitcoord.features.workspace import Workspace

__all__ = ["claim_answer", "lines_of", "logs_of"]


def claim_answer(work: Workspace, claimed: Claimed) -> dict[str, Any]:
    """Return the facts around a claim, for ``--json``."""
    snapshot, task, earlier = claimed.snapshot, claimed.task, claimed.earlier
    tip = None
    if earlier:
        tip = work.store.read_ref(branch_ref(earlier))
    if tip is not None and _is_bare_base(work, tip, claimed.claim["base"]):
        tip = None
    before = None
    if tip:
        before = {"branch": earlier, "tip": tip, "is_resumed": claimed.is_resumed}
    return {
        "notes": [note_facts(one) for one in notes_about(snapshot, task)],
        "answers": _answers(snapshot, task),
        "earlier": before,
        "logs": logs_of(snapshot, task),
        "neighbours": neighbours(snapshot, task),
        "would_block": impact.behind(work, snapshot, task["id"]),
    }


def _answers(snapshot: Snapshot, task: TaskRecord) -> list[dict[str, Any]]:
    """Return what was asked about a task, and answered."""
    answers = []
    for one in snapshot.escalations():
        if one["task"] == task["id"] and one["state"] == "resolved":
            text, answer = text_of_escalation(one), answer_of(one)
            answers.append({"id": one["id"], "text": text, "answer": answer})
    return answers


def _is_bare_base(work: Workspace, tip: Oid, base: Oid) -> bool:
    """Return whether a branch holds nothing that the new base lacks."""
    from gitcoord.git.merges import is_ancestor

    return is_ancestor(work.git, tip, base)


def logs_of(snapshot: Snapshot, task: TaskRecord) -> list[str]:
    """Return the logs that earlier attempts left in the ledger's tree."""
    if not task["attempt"]:
        return []
    names = {f"{task['id']}-{attempt}.txt" for attempt in range(1, task["attempt"] + 1)}
    return [f"logs/{name}" for name in snapshot.names("logs") if name in names]


def lines_of(facts: dict[str, Any]) -> list[str]:
    """Write those facts for people, each with its next step."""
    lines = [f"  note      {one['text']} ({one['agent']})" for one in facts["notes"][-10:]]
    lines += [
        f"  answered  {one['text'].splitlines()[0][:100]}: {one['answer']}"
        for one in facts["answers"][-5:]
    ]
    lines += [f"  next door {overlap_line(one)}" for one in facts["neighbours"][:5]]
    earlier = facts["earlier"]
    if earlier and not earlier["is_resumed"]:
        lines.append(
            f"  earlier   {earlier['branch']} holds an earlier attempt's commits: git merge it, or "
            "release and "
            "claim --resume"
        )
    elif earlier:
        lines.append(f"  resumed   from {earlier['branch']}")
    lines += [
        f"  log       git show gitcoord/LEDGER:{name}".replace("LEDGER", facts["ledger"])
        for name in facts["logs"][-3:]
    ]
    if facts["would_block"]["count"]:
        lines.append("  needed    " + impact.told(facts["would_block"], is_failed=False))
    return lines
