"""Answer an assistant's events that need the ledger.

A worktree's own claims are looked at, renewed and reported on; a session's
begin and end are noted; a turn that would end with an open claim is held.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from gitcoord.core import ids
from gitcoord.core.boundary import boundary_of
from gitcoord.core.errors import ClaimLostError, GitcoordError
from gitcoord.core.hook_answers import SILENT, HookAnswer
from gitcoord.core.hook_calls import HookCall
from gitcoord.core.ids import AgentId, Oid, TaskId, Token
from gitcoord.core.layout import PLAN
from gitcoord.core.leases import is_silent, leases_of, running
from gitcoord.core.messages import parse
from gitcoord.core.model import TaskRecord
from gitcoord.core.sessions import named_session, with_own
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.turn_ends import judge_end
from gitcoord.features.assist.edits import unheld
from gitcoord.features.assist.hook import is_unbound, judge_tool, lost_text, owns_worktree
from gitcoord.features.assist.records import record_oids
from gitcoord.features.assist.standing import BRIEFED, Standing, agent_marker
from gitcoord.features.assist.turn_counts import count_file, kept_count
from gitcoord.features.assist.views import ClaimView, View, as_json, kept_view, view_file
from gitcoord.features.assist.written_briefs import forget_brief
from gitcoord.features.sessions import SessionFiles
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.host.ancestors import session_above_hook
from gitcoord.ledger.files import TokenFiles, write_json

__all__ = ["answer_from_ledger", "fresh_view"]

MAX_SEARCHED = 5000


def answer_from_ledger(call: HookCall, assistant: str, standing: Standing) -> HookAnswer:
    """Answer one event with the ledger opened.

    Raises:
        GitcoordError: The ledger cannot be read: the caller fails closed
            before an edit, and says so.

    """
    if (
        call.kind in {"worktree-create", "worktree-remove"}
        or call.is_isolated
        or is_unbound(standing)
    ):
        from gitcoord.features.assist.subagents import answer_of_subagent

        told = answer_of_subagent(call, standing)
        if told is not None:
            return told
    marker = agent_marker(standing)
    agent, ledger = AgentId(str(marker.get("agent", ""))), str(marker.get("ledger", ""))
    if not ids.is_id(agent) or not ids.is_id(ledger):
        return SILENT
    work = open_workspace(Path(standing.top), ledger, is_one_shot=True, is_lazy=True)
    try:
        return _answer(work, agent, call, assistant, standing)
    finally:
        work.close()


def _answer(
    work: Workspace, agent: AgentId, call: HookCall, assistant: str, standing: Standing
) -> HookAnswer:
    if call.kind == "session-start":
        return _session_start(work, agent, call, assistant)
    if call.kind == "session-end":
        _session_end(work, call, assistant)
        return SILENT
    if call.kind in {"before-tool", "after-tool"}:
        return _tool(work, agent, call, standing)
    if call.kind == "keep":
        _keep(work, agent, standing)
        return SILENT
    if call.kind in {"stop", "subagent-stop"}:
        return _end_of_turn(work, agent, call, standing)
    return SILENT


# sessions


def _session_of(call: HookCall, assistant: str) -> str:
    return named_session(with_own(os.environ, assistant, call.session)) or ""


def _session_start(work: Workspace, agent: AgentId, call: HookCall, assistant: str) -> HookAnswer:
    """Note the session, and tell the brief of what the agent holds."""
    from gitcoord.features.assist.briefs import brief_of

    files = SessionFiles(work.place.common_dir)
    session = _session_of(call, assistant)
    if session:
        files.record(session, session_above_hook(call.cwd))
    for before in _sessions_of(work.ledger.snapshot(), agent) - {session}:
        files.settle(before)
    _export_path()
    if BRIEFED in os.environ and call.source != "compact":
        return SILENT
    return HookAnswer(context=brief_of(work, agent).text)


def _sessions_of(snapshot: Snapshot, agent: AgentId) -> set[str]:
    """Return the sessions that hold something under an agent's id."""
    found: set[str] = set()
    for task in snapshot.live():
        held = [lease for lease in leases_of(task) if lease["agent"] == agent]
        found.update(lease["session"] for lease in held)
    return found


def _export_path() -> None:
    """Let Claude's shell commands find this gitcoord, where they would not."""
    import shutil
    import sys

    file = os.environ.get("CLAUDE_ENV_FILE", "")
    folder = str(Path(sys.argv[0]).absolute().parent)
    if not file or shutil.which("gitcoord") or not (Path(folder) / "gitcoord").exists():
        return
    import shlex

    with Path(file).open("a", encoding="utf-8") as lines:
        lines.write(f'export PATH={shlex.quote(folder)}:"$PATH"\n')


def _session_end(work: Workspace, call: HookCall, assistant: str) -> None:
    """Note that a session is over, and tidy up after its subagents."""
    from gitcoord.features.assist.subagents import remove_finished

    session = _session_of(call, assistant)
    if session:
        SessionFiles(work.place.common_dir).end(session)
        remove_finished(work, session)


# tools


def _tool(work: Workspace, agent: AgentId, call: HookCall, standing: Standing) -> HookAnswer:
    """Renew what is due, and judge the call by the ledger's newest state."""
    before = kept_view(standing.git_dir)
    view = fresh_view(work, agent, standing)
    now_ns = work.clock.monotonic_ns()
    failure = ""
    if view.is_renewal_due(now_ns):
        view, failure = _renewed(work, agent, view, standing)
    verdict = judge_tool(call, standing, view)
    if verdict.denial and call.is_edit:
        view, verdict = _widened(work, agent, call, standing, view, verdict)
    reminder = ""
    if call.kind == "after-tool" or not verdict.denial:
        view, reminder = _reminded(view, now_ns)
    write_json(Path(view_file(standing.git_dir)), as_json(view))
    if verdict.denial:
        return verdict
    known: set[str] = set()
    if before:
        known = {claim.token for claim in before.lost}
    told = []
    if any(claim.token not in known for claim in view.lost):
        told.append(lost_text(view))
    told += filter(None, [_unheard(view, now_ns, failure), reminder])
    return verdict._replace(context="\n".join(told))


def _widened(
    work: Workspace,
    agent: AgentId,
    call: HookCall,
    standing: Standing,
    view: View,
    verdict: HookAnswer,
) -> tuple[View, HookAnswer]:
    """Claim what is edited first, where the plan lets claims be widened and nobody holds it."""
    if len(view.current) != 1 or not owns_worktree(call, standing):
        return view, verdict
    claim = view.current[0]
    cwd = call.cwd or standing.top
    wanted = unheld(call.paths, cwd, standing.top, standing.common_dir, claim)
    if not wanted:
        return view, verdict
    from gitcoord.features.work.first_edits import widen_by

    try:
        if not widen_by(work, agent, claim.task, claim.token, wanted):
            return view, verdict
    except GitcoordError as error:
        return view, HookAnswer(denial=f"gitcoord: {error.message}. Next: {error.hint}")
    view = fresh_view(work, agent, standing)
    return view, judge_tool(call, standing, view)


def _keep(work: Workspace, agent: AgentId, standing: Standing) -> None:
    """Renew what is due while a tool call goes on, and leave all telling to its end."""
    before = kept_view(standing.git_dir)
    view = fresh_view(work, agent, standing)
    if view.is_renewal_due(work.clock.monotonic_ns()):
        view, _ = _renewed(work, agent, view, standing)
    if before is not None and before.lost == view.lost:
        write_json(Path(view_file(standing.git_dir)), as_json(view))


def fresh_view(work: Workspace, agent: AgentId, standing: Standing) -> View:
    """Return what the ledger's newest entry says of the claims kept here."""
    snapshot = work.ledger.snapshot()
    before = kept_view(standing.git_dir)
    known = {}
    if before:
        known = {claim.token: claim for claim in before.claims}
    kept = TokenFiles(Path(standing.git_dir) / "gitcoord", work.ledger.name).all()
    claims = []
    for one in kept:
        token, name = Token(one["token"]), TaskId(one["task"])
        task = None
        if ids.is_id(name):
            task = snapshot.task(name)
        claims.append(_claim_view(work, snapshot, agent, task, name, token, known.get(token)))
    renewed_ns = 0
    if before:
        renewed_ns = before.renewed_ns
    newest_ns = max((claim.entry_ns for claim in claims if not claim.ended), default=0)
    tip = snapshot.oid
    oids = record_oids(standing.common_dir, tip, _records_of(snapshot, agent, claims)) or {}
    return View(
        work.ledger.name, tip, max(renewed_ns, newest_ns), tuple(claims), tuple(oids.items())
    )


def _records_of(snapshot: Snapshot, agent: AgentId, claims: list[ClaimView]) -> tuple[str, ...]:
    """Return the records that decide what these claims may write, and whether they stand."""
    found = [PLAN, f"agents/{agent}.json"]
    for claim in claims:
        found.append(f"live/{claim.task}.json")
        task = snapshot.task(claim.task)
        if task is not None:
            found.append(f"phases/{task['spec']['phase']}.json")
    return tuple(dict.fromkeys(found))


def _claim_view(
    work: Workspace,
    snapshot: Snapshot,
    agent: AgentId,
    task: TaskRecord | None,
    name: TaskId,
    token: Token,
    known: ClaimView | None,
) -> ClaimView:
    held = None
    if task is not None:
        held = task["claim"]
    if task is None or held is None or held["token"] != token:
        if known is not None and known.ended:
            ended = known.ended
        else:
            ended = _how_it_ended(work, snapshot, name, token)
        return ClaimView(agent, name, token, ended, held["agent"] if held else "")
    plan = snapshot.plan()
    heartbeat_ms = 300_000
    if plan:
        heartbeat_ms = plan["heartbeat_ms"]
    boundary = boundary_of(snapshot, task, snapshot.agent(agent))
    # A stamp of another boot says nothing about this clock.
    is_ours = held["boot_id"] == work.clock.boot_id()
    if is_ours:
        entry_ns = held["monotonic_ns"]
    else:
        entry_ns = work.clock.monotonic_ns()
    report_ns = entry_ns + heartbeat_ms * 1_000_000
    if known is not None and known.entry_ns == entry_ns:
        report_ns = known.report_ns
    layers = tuple((layer.name, layer.patterns) for layer in boundary.layers)
    return ClaimView(
        agent, name, token, "", "", layers, heartbeat_ms, held["lease_ms"], entry_ns, report_ns
    )


def _how_it_ended(work: Workspace, snapshot: Snapshot, task: TaskId, token: Token) -> str:
    """Return which operation of its holder ended a claim; ``lost`` if none did."""
    oid: Oid | None = snapshot.oid
    for _ in range(MAX_SEARCHED):
        if oid is None:
            break
        entry = work.store.read_entry(oid)
        if f"\nGitcoord-Task: {task}\n" in entry.message and token in entry.message:
            event = parse(entry.message, oid)
            if event.get("token") == token and event["op"] in {"complete", "fail", "release"}:
                return str(event["op"])
            if event.get("token") == token and event["op"] in {"claim", "reissue"}:
                break
        oid = None
        if entry.parents:
            oid = entry.parents[0]
    return "lost"


def _renewed(work: Workspace, agent: AgentId, view: View, standing: Standing) -> tuple[View, str]:
    """Renew the leases; a claim that turns out to be lost is looked at again.

    The text says why they could not be renewed; it is empty where they were.
    """
    renewed_ns = work.clock.monotonic_ns()
    try:
        for claim in view.current:
            work.ledger.beat(agent, claim.token)
    except ClaimLostError:
        return fresh_view(work, agent, standing), ""
    except GitcoordError as error:
        # The ledger is busy, or its server away: the next tool call tries again.
        return view, error.message
    return view._replace(renewed_ns=renewed_ns), ""


def _unheard(view: View, now_ns: int, failure: str) -> str:
    """Return that the leases go by unrenewed, where half of the shortest is over."""
    lengths = [claim.lease_ms for claim in view.current]
    silent_ms = (now_ns - view.renewed_ns) // 1_000_000
    if not failure or not lengths or not is_silent(silent_ms, min(lengths)):
        return ""
    from gitcoord.features.work.beating import unheard

    return f"gitcoord: {unheard(silent_ms, min(lengths), failure)}"


def _reminded(view: View, now_ns: int) -> tuple[View, str]:
    """Remind each holder once for every heartbeat without an entry."""
    claims, told = [], []
    for claim in view.claims:
        if claim.ended or now_ns < claim.report_ns:
            claims.append(claim)
            continue
        silent_ms = (now_ns - claim.entry_ns) // 1_000_000
        told.append(
            f"gitcoord: no progress entry on task {claim.task} for {ids.show_duration(silent_ms)}; "
            f"one is expected every {ids.show_duration(claim.heartbeat_ms)}. "
            'gitcoord progress "TEXT" --percent N records one'
        )
        heartbeats = max(1, silent_ms // max(1, claim.heartbeat_ms))
        next_ns = claim.entry_ns + (heartbeats + 1) * claim.heartbeat_ms * 1_000_000
        claims.append(claim._replace(report_ns=next_ns))
    return view._replace(claims=tuple(claims)), "\n".join(told)


# the end of a turn


def _end_of_turn(work: Workspace, agent: AgentId, call: HookCall, standing: Standing) -> HookAnswer:
    """Hold a turn that would end with an open claim, at most twice."""
    if call.has_background or not owns_worktree(call, standing):
        return SILENT
    view = fresh_view(work, agent, standing)
    write_json(Path(view_file(standing.git_dir)), as_json(view))
    reviewed = _open_reviews(work, agent)
    if not view.current and not reviewed:
        forget_brief(work, agent)
        return SILENT
    names = {claim.task for claim in view.current} | reviewed.keys()
    open_ones = work.ledger.snapshot().escalations()
    if any(
        one["state"] == "open" and one["task"] in names and one["agent"] == agent
        for one in open_ones
    ):
        return SILENT
    mark = " ".join(
        [*(f"{claim.token}:{claim.entry_ns}" for claim in view.current), *reviewed.values()]
    )
    file = count_file(standing.git_dir)
    count = judge_end(
        kept_count(file), mark=mark, key=_end_key(call), is_attended=_is_attended(call)
    )
    write_json(file, count._asdict())
    if not count.was_held:
        return SILENT
    if not view.current:
        return HookAnswer(block=_unjudged_text(agent, reviewed))
    return HookAnswer(block=_open_text(agent, view))


def _open_reviews(work: Workspace, agent: AgentId) -> dict[TaskId, Token]:
    """Return the tasks that an agent reviews, each with its review's token."""
    found = {}
    for task in work.ledger.snapshot().live():
        for review in running(task):
            if review["agent"] == agent:
                found[task["id"]] = review["token"]
    return found


def _unjudged_text(agent: AgentId, reviewed: Collection[TaskId]) -> str:
    tasks = " and ".join(reviewed)
    return (
        f"gitcoord: the review of task {tasks} by {agent} has no verdict yet. What ends "
        "it: gitcoord review approve, gitcoord review reject --reason TEXT, or gitcoord "
        "review release --reason TEXT; gitcoord escalate TEXT asks, and the turn may end"
    )


def _end_key(call: HookCall) -> str:
    """Return a key for one end of a turn, so that hosts which tell it twice count once."""
    size = 0
    if call.transcript:
        with suppress(OSError):
            size = Path(call.transcript).stat().st_size
    from gitcoord.core.hashing import sha256

    told = f"{call.session}\n{call.subagent}\n{call.turn}\n{size}"
    return sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _is_attended(call: HookCall) -> bool:
    """Return whether a person sits before the session, as far as it tells."""
    attended = os.environ.get("CLAUDE_CODE_SESSION_ATTENDED", "")
    if attended:
        return attended == "1"
    if os.environ.get("CLAUDE_CODE_ENTRYPOINT"):
        return os.environ["CLAUDE_CODE_ENTRYPOINT"] == "cli"
    # `codex exec` always says so, and its terminal only where it was told to.
    return call.permission_mode not in {"", "bypassPermissions"}


def _open_text(agent: AgentId, view: View) -> str:
    from gitcoord.features.assist.briefs import hand_in_verb

    tasks = " and ".join(claim.task for claim in view.current)
    return (
        f"gitcoord: task {tasks} is still claimed by {agent}, and nobody else can take it. "
        f"What ends a claim: gitcoord {hand_in_verb(agent)} hands the work in (--commit MESSAGE "
        "commits it first), "
        "gitcoord fail --reason TEXT or gitcoord release --reason TEXT gives it back. "
        "gitcoord progress TEXT reports that it goes on; gitcoord escalate TEXT asks, "
        "and the turn may end"
    )
