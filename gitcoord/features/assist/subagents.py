"""Make a coordinated agent of each subagent that Claude isolates.

Claude tells the prompt and the worktree of a subagent in two events that
nothing links. So the task is claimed where the prompt is known, for a new
agent whose name is added to the prompt; and the worktree, made plain, is
bound to it at the subagent's first tool call, where the subagent's own
transcript starts with that prompt. Nothing is guessed from an order, so that
any number of them at once cannot cross.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from gitcoord.core import ids
from gitcoord.core.errors import GitcoordError, NotFoundError
from gitcoord.core.hashing import sha256
from gitcoord.core.hook_answers import SILENT, HookAnswer
from gitcoord.core.hook_calls import HookCall
from gitcoord.core.ids import AgentId, TaskId, Token
from gitcoord.core.refs import branch_name
from gitcoord.core.sessions import named_session, with_own
from gitcoord.features.assist.briefs import SUBAGENT, brief_of
from gitcoord.features.assist.native_worktrees import make_plain, remove_plain
from gitcoord.features.assist.standing import Standing, agent_marker, standing_at
from gitcoord.features.setup import agents
from gitcoord.features.work import claims
from gitcoord.features.workspace import DEFAULT_LEDGER, Workspace, open_workspace
from gitcoord.git.program import GitError
from gitcoord.host.clock import Clock, Deadline
from gitcoord.ledger.files import read_json, write_json

__all__ = ["answer_of_subagent", "remove_finished"]

MAX_PROMPT_BYTES = 4 * 1024 * 1024
PROMPT_S = 2.0
"""For how long the first tool waits for the transcript; the next ones look once."""
POLL_S = 0.02
_TASK = re.compile(r"\bgitcoord:([A-Za-z0-9][A-Za-z0-9._-]{0,63})")
_MARK = "gitcoord-agent:"
_SESSION = "subagent.json"
_MARKED = re.compile(re.escape(_MARK) + r"\s*([A-Za-z0-9][A-Za-z0-9._-]{0,63})")


def answer_of_subagent(call: HookCall, standing: Standing) -> HookAnswer | None:
    """Answer what has to do with a subagent; None leaves the event to others."""
    if call.kind == "worktree-create":
        return HookAnswer(path=str(_created(call, standing)))
    if call.kind == "worktree-remove":
        remove_plain(Path(call.worktree))
        return SILENT
    if call.kind == "before-tool" and call.is_isolated:
        return _claimed_for(call, standing)
    if call.kind == "before-tool" and call.subagent:
        return _bound(call, standing)
    return None


# where the prompt is known


def _claimed_for(call: HookCall, standing: Standing) -> HookAnswer | None:
    """Claim the task that a prompt names, for a new agent; add its brief."""
    found = _TASK.search(call.prompt)
    if found is None:
        return None
    task = TaskId(found[1].rstrip(".-_"))
    session = _session(call)
    name = AgentId(f"{SUBAGENT}{sha256(call.call_id.encode()).hexdigest()[:10]}")
    try:
        work = _opened(standing)
    except GitcoordError as error:
        return _left_plain(task, error)
    try:
        _added(work, name, session)
        claims.claim(work, name, task, checkout=False, session=session)
        brief = brief_of(work, name).text
    except GitcoordError as error:
        with suppress(GitcoordError, GitError):
            agents.remove(work, name, "its task could not be claimed")
        return _left_plain(task, error)
    finally:
        work.close()
    prompt = f"{call.prompt}\n\n{_MARK} {name}\n\n{brief}"
    return HookAnswer(updated_input={**call.tool_input, "prompt": prompt})


def _left_plain(task: TaskId, error: GitcoordError) -> HookAnswer:
    told = (
        f"gitcoord: task {task} was not claimed: {error.message}. "
        "The subagent has a plain worktree without a claim."
    )
    return HookAnswer(context=told)


def _opened(standing: Standing) -> Workspace:
    own = agent_marker(standing).get("ledger")
    ledger = os.environ.get("GITCOORD_LEDGER") or str(own or DEFAULT_LEDGER)
    return open_workspace(Path(standing.top), ledger)


def _added(work: Workspace, name: AgentId, session: str | None) -> None:
    """Add the agent of a subagent; the same call told twice adds it once."""
    if work.ledger.snapshot().agent(name) is None:
        agents.add(work, name, no_worktree=True)
        write_json(work.agent_folder(name) / _SESSION, {"session": session})


def _session(call: HookCall) -> str | None:
    return named_session(with_own(os.environ, "claude", call.session))


# where the worktree is made


def _created(call: HookCall, standing: Standing) -> Path:
    """Return the worktree for a name: a claimed task's, or a plain one.

    Raises:
        UnavailableError: git could not make it; nothing of it is left.

    """
    if not call.name.startswith("agent-"):
        claimed = _of_task(call, standing)
        if claimed is not None:
            return claimed
    main = standing_at(_main_top(standing)) or standing
    made = make_plain(Path(main.top), call.name, Path(call.cwd or standing.top))
    place = standing_at(str(made))
    if place is not None and call.name.startswith("agent-"):
        write_json(Path(place.git_dir) / "gitcoord" / "unbound", {"name": call.name})
    return made


def _main_top(standing: Standing) -> str:
    common = Path(os.path.realpath(standing.common_dir))
    if common.name == ".git":
        return str(common.parent)
    return standing.top


def _of_task(call: HookCall, standing: Standing) -> Path | None:
    """Claim the task that a worktree is named after; None where that cannot be."""
    if not ids.is_id(call.name):
        return None
    try:
        work = _opened(standing)
    except GitcoordError:
        return None
    try:
        if work.ledger.snapshot().task(TaskId(call.name)) is None:
            return None
        name = AgentId(f"w-{call.name}"[:64])
        if work.ledger.snapshot().agent(name) is None:
            agents.add(work, name)
        claims.claim(work, name, TaskId(call.name), session=_session(call))
        return work.worktree_of(name)
    except (GitcoordError, GitError) as error:
        import sys

        sys.stderr.write(
            f"gitcoord: task {call.name} was not claimed: {error}; this is a plain worktree\n"
        )
        return None
    finally:
        work.close()


# at the first tool call


def _bound(call: HookCall, standing: Standing) -> HookAnswer | None:
    """Give a subagent's worktree to the agent that its prompt names.

    The claim's branch is checked out before the first tool runs. A prompt
    that names none leaves the worktree plain, and asks no more; one that Claude
    has not written yet is looked for again at the next tool.
    """
    unbound = Path(standing.git_dir) / "gitcoord" / "unbound"
    if not unbound.exists():
        return None
    facts = read_json(unbound) or {}
    prompt = _awaited_prompt(call, 0 if "waited" in facts else PROMPT_S)
    if prompt is None:
        write_json(unbound, {**facts, "waited": True})
        return None
    found = _MARKED.search(prompt)
    if found is None:
        unbound.unlink(missing_ok=True)
        return None
    name = AgentId(found[1])
    work = _opened(standing)
    try:
        if work.ledger.snapshot().agent(name) is None:
            raise NotFoundError(f"there is no agent {name}", hint="start the subagent again")
        _moved_in(work, name, call, standing)
    finally:
        work.close()
    unbound.unlink(missing_ok=True)
    return None


def _moved_in(work: Workspace, name: AgentId, call: HookCall, standing: Standing) -> None:
    """Record the worktree as the agent's, and check its claim out there."""
    from gitcoord.git.worktrees import branch_of_worktree

    place = Path(standing.top)
    plain = branch_of_worktree(place)
    before = work.tokens(name)
    kept = before.all()
    work.record_worktree(name, place)
    marker = Path(standing.git_dir) / "gitcoord" / "agent.json"
    write_json(marker, {**agent_marker(standing), "subagent": call.subagent})
    after = work.tokens(name)
    for one in kept:
        after.write(Token(one["token"]), one)
        before.remove(Token(one["token"]))
    claims.claim(work, name, session=_session(call))
    if plain and plain.startswith("refs/heads/worktree-agent-"):
        work.git.run("branch", "-q", "-d", "--", branch_name(plain), check=False)


def _awaited_prompt(call: HookCall, wait_s: float) -> str | None:
    """Return what a subagent was asked; None where that is still not written after a while.

    Claude may run the first tool before the transcript has its first line.
    """
    clock = Clock()
    deadline = Deadline(clock, wait_s)
    prompt = _first_prompt(call)
    while prompt is None and not deadline.expired:
        clock.sleep(POLL_S)
        prompt = _first_prompt(call)
    return prompt


def _first_prompt(call: HookCall) -> str | None:
    """Return what a subagent was asked, from the first line of its transcript; None: none yet."""
    folder = call.transcript.removesuffix(".jsonl")
    file = Path(folder) / "subagents" / f"agent-{call.subagent}.jsonl"
    try:
        with file.open("rb") as lines:
            line = lines.readline(MAX_PROMPT_BYTES)
    except OSError:
        return None
    if not line.endswith(b"\n") and len(line) < MAX_PROMPT_BYTES:
        return None
    try:
        first: Any = json.loads(line)
        content = first["message"]["content"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    if isinstance(content, str):
        return content
    texts = [part.get("text", "") for part in content if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


# at the end of the lead's session


def remove_finished(work: Workspace, session: str) -> None:
    """Take away the subagents of a session whose claims have ended.

    What would be lost stays: a worktree with uncommitted or unmerged work.
    """
    for file in work.agent_folder(AgentId("any")).parent.glob(f"{SUBAGENT}*/{_SESSION}"):
        if (read_json(file) or {}).get("session") == session:
            with suppress(GitcoordError, GitError):
                agents.remove(work, AgentId(file.parent.name), "its session ended")
