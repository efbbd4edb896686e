"""Go back to an earlier entry, exactly, and keep what is abandoned.

The attic comes first, then one compare-and-swap moves the ledger to a new
entry whose parent and state are the chosen entry's. With the code, the
entry carries a pending move of the target, finished like a landing. Work
branches and results are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from gitcoord.core import codec
from gitcoord.core.errors import (
    CorruptError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UsageError,
)
from gitcoord.core.events import Command
from gitcoord.core.ids import ORCHESTRATOR, Oid, PhaseId
from gitcoord.core.leases import Context
from gitcoord.core.messages import reason_in
from gitcoord.core.model import Pending, Said, Why
from gitcoord.core.operations.rollbacks import survivors
from gitcoord.core.refs import attic_ref, attic_refs, branch_name, landing_ref, result_ref
from gitcoord.core.sentences import given, said, words
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.streams import is_stream
from gitcoord.features.inspect.chain import checkpoint_entry, entries
from gitcoord.features.land.candidates import unpruned
from gitcoord.features.land.pending_moves import require_begun
from gitcoord.features.land.rollback_preview import CodeMove, code_move
from gitcoord.features.land.target_moves import finish_pending, lagging
from gitcoord.features.names import beginning_with, named_checkpoint, named_entry, named_phase
from gitcoord.features.workspace import Workspace, keep_commits
from gitcoord.git.merges import is_ancestor
from gitcoord.ledger.pending import chain
from gitcoord.store.protocol import MissingObjectError

__all__ = ["Choice", "RolledBack", "choose", "rollback", "rollbacks", "undo"]


class Choice(NamedTuple):
    """The entry that was chosen, and the words that chose it."""

    entry: Oid
    said: Said

    @property
    def words(self) -> str:
        """The words that chose it."""
        return words(self.said)


class RolledBack(NamedTuple):
    """A rollback that took place.

    ``unmoved`` says why the target of its ``code`` was not moved, or not yet;
    where it was, it is empty. ``behind`` are
    worktrees that have the target checked out and could not follow.
    """

    entry: Oid
    onto: Oid
    abandoned: Oid
    epoch: int
    code: Pending | None
    unmoved: str = ""
    behind: Sequence[Path] = ()


def choose(
    work: Workspace,
    *,
    to: str | None = None,
    steps: int | None = None,
    before: int | None = None,
    phase: PhaseId | None = None,
) -> Choice:
    """Find the entry to go back to; ``before`` is a time in seconds.

    Raises:
        UsageError: Not exactly one way was given.
        NotFoundError: The history has no such entry.
        RefusedError: A move of the target is under way in it.

    """
    given = [value for value in (to, steps, before, phase) if value is not None]
    if len(given) != 1:
        raise UsageError(
            "say where to go back to, in one way",
            hint="give one of --to, --steps, --before and --phase",
        )
    tip = work.ledger.snapshot().oid
    if to is not None:
        choice = _named(work, tip, to)
    elif steps is not None:
        choice = _stepped(work, tip, steps)
    elif before is not None:
        choice = _before(work, tip, before)
    else:
        choice = _phase_start(work, tip, cast("PhaseId", phase))
    if work.ledger.snapshot(choice.entry).settings()["pending"] is not None:
        raise RefusedError(
            f"a move of the target was under way in entry {choice.entry[:12]}",
            reason="pending",
            hint="choose the entry before its land-begin: `gitcoord log` lists them",
        )
    return choice


def _named(work: Workspace, tip: Oid, name: str) -> Choice:
    """Return the checkpoint of that name, the entry, or the checkpoint that begins so."""
    snapshot = work.ledger.snapshot(tip)
    known = [one["name"] for one in snapshot.checkpoints()]
    if name not in known:
        try:
            return _entry(work, tip, named_entry(work, name))
        except NotFoundError:
            if not beginning_with(name, known):
                raise
    return _checkpoint(work, tip, named_checkpoint(snapshot, name))


def _checkpoint(work: Workspace, tip: Oid, name: str) -> Choice:
    return Choice(checkpoint_entry(work, tip, name), said("at-checkpoint", name=name))


def _entry(work: Workspace, tip: Oid, wanted: Oid) -> Choice:
    if any(oid == wanted for oid, _ in chain(work.store, tip, None)):
        return Choice(wanted, said("at-entry", entry=wanted))
    raise NotFoundError(
        f"{wanted[:12]} is not an entry of this ledger's history",
        hint="`gitcoord log` lists the entries, `gitcoord rollback list` what was abandoned",
    )


def _stepped(work: Workspace, tip: Oid, steps: int) -> Choice:
    for number, (oid, _, _, _) in enumerate(entries(work, tip)):
        if number == steps:
            return Choice(oid, said("steps-back", steps=steps))
    raise NotFoundError(
        f"the history has fewer than {steps} entries before the newest",
        hint="`gitcoord log` lists them",
    )


def _before(work: Workspace, tip: Oid, before: int) -> Choice:
    for oid, _, time, _ in entries(work, tip):
        if time < before:
            return Choice(oid, said("before-time"))
    raise NotFoundError(
        "the ledger is younger than that", hint="`gitcoord log` shows when each entry was made"
    )


def _phase_start(work: Workspace, tip: Oid, phase: PhaseId) -> Choice:
    snapshot = work.ledger.snapshot(tip)
    phase = named_phase(snapshot, phase)["id"]
    first_claim = None
    for _oid, event, _, parent in entries(work, tip):
        if event["op"] == "land-begin" and event["phase"] == phase and parent is not None:
            return Choice(parent, said("before-landing", phase=phase))
        claims = [one for one in (event, *event.get("events", [])) if one["op"] == "claim"]
        tasks = [snapshot.task(one["task"]) for one in claims]
        if parent is not None and any(task and task["spec"]["phase"] == phase for task in tasks):
            first_claim = parent
    if first_claim is None:
        raise NotFoundError(
            f"nothing of phase {phase} was claimed or landed yet",
            hint="there is nothing to go back from",
        )
    return Choice(first_claim, said("before-claim", phase=phase))


def rollback(
    work: Workspace, choice: Choice, *, code: bool = False, reason: str = ""
) -> RolledBack:
    """Move the ledger back to an entry, and with ``code`` the target too.

    A pending move of the target is finished or aborted first. If this is
    cut off, nothing moved, or the next command finishes the target's move.

    Raises:
        RefusedError: ``conflict`` (reverts do not apply; fact ``files``),
            ``worktree`` (local changes are in the way), ``pending``.
        UnavailableError: A prune that runs beside takes the reverts again and again.

    """
    _finish_what_was_begun(work)
    why = reason or said("back-to", choice=choice.said)

    def gone_back(*, forward: bool) -> RolledBack:
        plan: CodeMove | None = None
        if code:
            plan = _kept_move(work, choice.entry, may_reset=not forward)
        return _publish(work, choice.entry, plan, why, forward=forward)

    return _or_forward(work, choice.entry, gone_back)


def undo(work: Workspace, entry: Oid | None = None, *, reason: str = "") -> RolledBack:
    """Go forward again to what a rollback abandoned, by default the last one.

    Claims that the rollback ended stay ended. A target that the rollback
    moved goes back to where it was, if it has not moved since.

    Raises:
        NotFoundError: There is no such rollback.
        RefusedError: The target moved since (reason ``target-moved``).

    """
    _finish_what_was_begun(work)
    tip = work.ledger.snapshot().oid
    found = next(
        (
            one
            for one in rollbacks(work, tip)
            if entry in {None, one["entry"]} and one["is_current"]
        ),
        None,
    )
    if found is None:
        raise NotFoundError(
            "there is no such rollback in the history" if entry else "nothing was rolled back",
            hint="`gitcoord rollback list` lists them",
        )
    try:
        work.store.read_entry(found["abandoned"])
    except MissingObjectError:
        raise NotFoundError(
            f"what that rollback abandoned ({found['abandoned'][:12]}) has expired from the attic",
            hint="another clone may have it",
        ) from None
    plan = None
    moved = cast("Pending | None", found["code"])
    if moved is not None:
        now = work.read_target(moved["target"])
        if now != moved["new"]:
            raise RefusedError(
                f"{branch_name(moved['target'])} is at {(now or 'nothing')[:12]}, "
                "and the rollback left it at "
                f"{moved['new'][:12]}",
                reason="target-moved",
                hint="go back to an entry instead: `gitcoord rollback --to REV --code`",
            )
        plan = CodeMove(moved["target"], moved["new"], moved["old"], (), is_reset=True)
        _keep(work, plan)
    why = reason or said("undo-of", entry=found["entry"])

    def undone(*, forward: bool) -> RolledBack:
        return _publish(work, found["abandoned"], plan, why, forward=forward)

    if plan is not None:
        # Its target would have to go back as well, which nothing appended can do.
        return undone(forward=False)
    return _or_forward(work, found["abandoned"], undone)


def _or_forward(work: Workspace, onto: Oid, gone_back: Callable[..., RolledBack]) -> RolledBack:
    """Go back, or append the same where the server lets the ledger's branch only grow.

    Raises:
        RefusedError: The server forbids either (reason ``remote``); nothing changed.

    """
    kept = set(work.store.list_refs(attic_refs(work.ledger.name)))
    try:
        return gone_back(forward=False)
    except RefusedError as refused:
        if refused.reason != "remote" or not is_ancestor(
            work.git, onto, work.ledger.snapshot().oid
        ):
            raise
    _drop_needless(work, kept)
    return gone_back(forward=True)


def _drop_needless(work: Workspace, kept: set[str]) -> None:
    """Drop the new refs of the attic, which a refused push made, to what the chain keeps."""
    tip = work.ledger.snapshot().oid
    for ref, oid in work.store.list_refs(attic_refs(work.ledger.name)).items():
        if ref not in kept and is_ancestor(work.git, oid, tip):
            work.ledger.hints.drop(ref, oid)


def _kept_move(work: Workspace, onto: Oid, *, may_reset: bool) -> CodeMove | None:
    """Find where the target goes, and keep what was made for it; anew if a prune took it."""

    def move() -> CodeMove | None:
        tip, chosen = work.ledger.snapshot(), work.ledger.snapshot(onto)
        plan = code_move(work, tip, chosen, may_reset=may_reset)
        if plan is not None:
            _keep(work, plan)
        return plan

    return unpruned(work, move, may_be_gone=True)


def _keep(work: Workspace, plan: CodeMove) -> None:
    """Keep both tips of a move by refs, where nothing is in its way."""
    from gitcoord.features.land.rollback_preview import refuse_in_the_way

    refuse_in_the_way(work, plan)
    candidate = landing_ref(work.ledger.name, PhaseId("rollback"), plan.new)
    keep_commits(work, {candidate: plan.new}, [plan.old])
    work.ledger.hints.keep(attic_ref(work.ledger.name, work.clock.seconds(), plan.old), plan.old)


def _publish(
    work: Workspace, onto: Oid, plan: CodeMove | None, why: Why, *, forward: bool = False
) -> RolledBack:
    _keep_results(work, onto)

    def request(tip: Snapshot, _context: Context) -> Command:
        # Asked again after each foreign entry: what survives is what the
        # tip that is really abandoned holds.
        _require_known(work, tip, onto)
        chosen = work.ledger.snapshot(onto)
        if plan is None:
            code = None
        else:
            code = {
                "kind": "rollback",
                "phase": None,
                "target": plan.target,
                "old": plan.old,
                "new": plan.new,
            }
        return {
            "op": "rollback",
            "agent": ORCHESTRATOR,
            "onto": onto,
            "abandoned": tip.oid,
            "epoch": tip.settings()["epoch"] + 1,
            "surviving": survivors(chosen, tip),
            "carried": {
                agent["id"]: work.store.hash_blob(codec.dump(agent)) for agent in tip.agents()
            },
            **given(why),
            "code": code,
            "reverts": list(plan.reverts) if plan else [],
            "forward": forward,
        }

    verify = {}
    if plan:
        verify = {plan.target: plan.old}
    done = work.ledger.execute(request, agent=ORCHESTRATOR, verify=verify)
    event = done.event
    gone_back = RolledBack(done.entry, onto, event["abandoned"], event["epoch"], event["code"])
    return _finished(work, gone_back, made=plan.new if plan is not None else "")


def _finished(work: Workspace, gone_back: RolledBack, *, made: str) -> RolledBack:
    """Move the target and let worktrees follow, or say what keeps it from moving."""
    from gitcoord.git.program import GitError

    try:
        forbidden = finish_pending(work, made=made)
        if forbidden is not None:
            told = f"the target was not rolled back: {forbidden.message}"
            return gone_back._replace(unmoved=told)
        return gone_back._replace(behind=lagging(work))
    except (UnavailableError, GitError, OSError) as error:
        # The entry stands: to say that nothing changed would be false.
        told = f"the target's move is not over: {error}; the next command goes on with it"
        return gone_back._replace(unmoved=told)


def _finish_what_was_begun(work: Workspace) -> None:
    """Finish or abort a pending move; one that no entry began keeps nobody from going back."""
    with suppress(CorruptError):
        finish_pending(work)


def _keep_results(work: Workspace, onto: Oid) -> None:
    """Make the refs of results again that upkeep left to the target."""
    chosen, tip = work.ledger.snapshot(onto), work.ledger.snapshot()
    opened = {phase["id"] for phase in tip.phases() if phase["state"] == "landed"}
    opened -= {phase["id"] for phase in chosen.phases() if phase["state"] == "landed"}
    streams = {phase["id"] for phase in tip.phases() if is_stream(phase["spec"])}
    wanted = {}
    for task in chosen.tasks() if opened or streams else ():
        result = task["result"]
        if task["spec"]["phase"] in opened | streams and result and result["oid"]:
            wanted[result_ref(work.ledger.name, task["id"], result["oid"])] = result["oid"]
    if wanted:
        keep_commits(work, wanted, [work.target_tip(tip)])


def _require_known(work: Workspace, tip: Snapshot, onto: Oid) -> None:
    """Refuse where the choice was overtaken by another rollback, or is the tip."""
    if tip.oid == onto:
        raise RefusedError(
            "the ledger is at that entry already",
            reason="nothing-to-do",
            hint="`gitcoord log` lists earlier entries",
        )
    pending = tip.settings()["pending"]
    if pending is not None and _is_begun(work, tip, pending):
        raise RefusedError(
            "a move of the target began meanwhile", reason="pending", hint="try again"
        )
    work.store.read_entry(onto)


def _is_begun(work: Workspace, tip: Snapshot, pending: Pending) -> bool:
    try:
        require_begun(work, tip, pending)
    except CorruptError:
        return False
    return True


def rollbacks(work: Workspace, tip: Oid | None = None) -> list[dict[str, Any]]:
    """List rollbacks, newest first: those of the chain, then abandoned ones.

    What has expired from the attic is passed over.
    """
    found: list[dict[str, Any]] = []
    seen: set[Oid] = set()
    starts = [(tip or work.ledger.snapshot().oid, True)]
    while starts:
        start, is_current = starts.pop(0)
        try:
            for oid, event, time, parent in entries(work, start):
                if oid in seen:
                    break
                seen.add(oid)
                if event["op"] == "rollback":
                    found.append(
                        {
                            "entry": oid,
                            "time": time,
                            "onto": parent,
                            "abandoned": event["abandoned"],
                            "epoch": event["epoch"],
                            "reason": reason_in(event),
                            "code": event["code"],
                            "reverts": event["reverts"],
                            "is_current": is_current,
                        }
                    )
                    starts.append((event["abandoned"], False))
        except (MissingObjectError, CorruptError):
            continue
    return found
