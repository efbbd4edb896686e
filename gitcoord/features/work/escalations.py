"""Escalations: ask the orchestrator, and hear the answer once."""

from __future__ import annotations

from gitcoord.core.ids import ORCHESTRATOR, AgentId, TaskId
from gitcoord.core.model import Escalation, Why
from gitcoord.core.operations.escalations import PROPOSAL
from gitcoord.core.sentences import given, words
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.texts import text_of
from gitcoord.features.names import named_escalation
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.files import read_json, write_json
from gitcoord.ledger.ledger import Done

__all__ = [
    "answers_for",
    "escalate",
    "escalate_once",
    "inbox",
    "resolve",
]


def escalate(
    work: Workspace, agent: AgentId, why: Why, task: TaskId | None = None, kind: str = "question"
) -> Done:
    """Hand a matter to the orchestrator; it stays open until resolved.

    Raises:
        UsageError: Its text is empty, or larger than 4 KiB.

    """
    text = text_of(words(why), "text")
    if isinstance(why, str):
        why = text
    command = {"op": "escalate", "agent": agent, "task": task or "", "kind": kind, **given(why)}
    return work.ledger.execute(command, agent=agent)


def escalate_once(
    work: Workspace, agent: AgentId, kind: str, task: TaskId | None, text: str
) -> None:
    """Escalate, unless the same matter is open already."""
    known = work.ledger.snapshot().escalations()
    if not any(
        one["state"] == "open"
        and (one["code"], one["task"]) == (kind, task)
        and (task is not None or one["agent"] == agent)
        for one in known
    ):
        escalate(work, agent, text, task, kind)


def inbox(work: Workspace, *, everything: bool = False) -> list[Escalation]:
    """List what waits for the orchestrator, oldest first."""
    return [
        one for one in work.ledger.snapshot().escalations() if everything or one["state"] == "open"
    ]


def resolve(work: Workspace, escalation: str, answer: str, *, is_granted: bool = False) -> Done:
    """Answer an escalation; its agent's next command shows the answer.

    ``is_granted`` lets the claim be widened as the escalation asks, or adds the
    task that it proposes, in the same entry.

    Raises:
        NotFoundError: There is no such escalation.
        UsageError: Several begin so.
        RefusedError: It is resolved already, or the task cannot be added any more.

    """
    snapshot = work.ledger.snapshot()
    name = named_escalation(snapshot, escalation)
    command = {
        "op": "resolve",
        "agent": ORCHESTRATOR,
        "escalation": name,
        "answer": text_of(answer, "answer"),
        "granted": is_granted,
    }
    found = snapshot.escalation(name)
    if is_granted and found is not None and found["code"] == PROPOSAL:
        from gitcoord.features.setup import planned_tasks

        return planned_tasks.accept(work, found, command)
    return work.ledger.execute(command, agent=ORCHESTRATOR)


def answers_for(work: Workspace, snapshot: Snapshot, agent: AgentId) -> list[Escalation]:
    """List the answers that this agent has not been shown yet, once.

    What was looked at is remembered beside the agent's files, so that each
    escalation is read until it is resolved, and then never again.
    """
    names = snapshot.names("escalations")
    if not names:
        return []
    file = work.agent_folder(agent) / "answers.json"
    known = read_json(file)
    seen = set((known or {}).get("seen", []))
    answers, over = [], set()
    for name in names:
        if name.removesuffix(".json") in seen:
            continue
        escalation = snapshot.escalation(name.removesuffix(".json"))
        if escalation is None:
            continue
        is_own = escalation["agent"] == agent
        if not is_own or escalation["state"] == "resolved":
            over.add(escalation["id"])
            if is_own:
                answers.append(escalation)
    if over:
        write_json(file, {"seen": sorted(seen | over)})
    return answers
