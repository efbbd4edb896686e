"""Push the target to a remote of the user's after a landing, where the plan says so.

The landing is over by then, whatever comes of the push: what could not be pushed
is told, and goes with the next landing, or when the same one is asked for again.
"""

from __future__ import annotations

from gitcoord.core.errors import GitcoordError
from gitcoord.core.ids import Oid
from gitcoord.core.refs import branch_name
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.setup.trust import landing_push_of, require_trust
from gitcoord.features.workspace import Workspace

__all__ = ["LandingPush", "push_landed"]

_TRIES = 2
_ASK_S = 30.0


class LandingPush(NamedTuple):
    """What came of pushing the target: ``problem`` says why it is not there, if so."""

    remote: str
    problem: str

    @property
    def told(self) -> str:
        """What to say of one that failed; nothing of one that is there."""
        if not self.problem:
            return ""
        return f"the target was not pushed to {self.remote}: {self.problem}"


def push_landed(work: Workspace, target: str, new: Oid) -> LandingPush | None:
    """Push what landed to the plan's ``landing_push``; None where it names none.

    The branch there moves from exactly where it was seen, and only forward. If
    this fails it is where it was, or where others have moved it.
    """
    from gitcoord.git.program import GitError

    plan = work.ledger.snapshot().plan()
    remote = plan.get("landing_push") if plan else None
    if plan is None or remote is None:
        return None
    try:
        require_trust(work, landing_push_of(plan))
        return LandingPush(remote, _pushed(work, remote, target, new))
    except GitcoordError as error:
        return LandingPush(remote, "; ".join(filter(None, [error.message, error.hint])))
    except (GitError, OSError) as error:
        return LandingPush(remote, str(error))


def _pushed(work: Workspace, name: str, target: str, new: Oid) -> str:
    """Push; return why it is not there, or nothing.

    Raises:
        GitcoordError: The remote is not known, or was not reached.

    """
    from gitcoord.git.homes import require_remote, ssh_command_of
    from gitcoord.git.remotes import Remote, Update

    require_remote(work.git, name)
    remote = Remote(
        work.place.common_dir,
        name,
        ssh_command=ssh_command_of(work.git),
        is_durable=work.is_durable,
    )
    for attempt in range(1, _TRIES + 1):
        there = remote.refs([target], timeout_s=_ASK_S).get(target)
        if there is not None:
            if _has(work, there, new):
                return ""
            if not _has(work, new, there):
                return (
                    f"{branch_name(target)} has commits there that the landing has not; next: "
                    "fetch them, merge them into the target, and push it"
                )
        done = remote.push([Update(target, there, new)], hooks=True)
        if done.end == "accepted":
            return ""
        if done.end == "rejected" and attempt == _TRIES:
            return f"the push was refused: {done.said}"
        if done.end == "unreached":
            raise remote.unreached(done.said)
    return f"the line was cut off: {done.said}; next: look at {branch_name(target)} there"


def _has(work: Workspace, tip: Oid, commit: Oid) -> bool:
    """Return whether a commit is in a tip's history; what is not here is in none that is."""
    from gitcoord.git.batch import missing_of
    from gitcoord.git.merges import is_ancestor

    return not missing_of(work.git, [tip, commit]) and is_ancestor(work.git, commit, tip)
