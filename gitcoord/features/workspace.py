"""Open a repository for coordination, and say who is asking.

A workspace is the place, the git program, the ledger and the local index
together. It knows where an agent's private files lie, and nothing about
what is done with them.
"""

from __future__ import annotations

import os
from _weakref import proxy  # the module around it costs a claim time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gitcoord.core import ids
from gitcoord.core.errors import NotFoundError, RefusedError, UsageError
from gitcoord.core.ids import AgentId, Oid, TaskId
from gitcoord.core.model import PlanRecord
from gitcoord.core.refs import HEADS, branch_name
from gitcoord.core.sessions import named_session
from gitcoord.core.snapshot import Snapshot
from gitcoord.git.config import last_value, read_config
from gitcoord.git.places import Place, discover
from gitcoord.host.clock import Clock
from gitcoord.ledger.files import TokenFiles, read_json, write_json
from gitcoord.ledger.ledger import Ledger
from gitcoord.store.open import open_store
from gitcoord.store.protocol import MissingObjectError, Store

if TYPE_CHECKING:
    from gitcoord.git.homes import Home
    from gitcoord.git.program import Git
    from gitcoord.ledger.logs import Logs
    from gitcoord.store.index import ReadyIndex
    from gitcoord.store.remote_store import RemoteStore

__all__ = [
    "DEFAULT_LEDGER",
    "Workspace",
    "agent_at",
    "keep_commits",
    "ledger_at",
    "open_workspace",
    "plan_of",
    "result_ref",
]

DEFAULT_LEDGER = "ledger"
LAZY_WAIT_S = 10.0
"""How long an assistant's hook, and its tool call, wait for a server; the next one asks again."""
MARK_CHARS = 6
"""How many characters of its token a work branch is marked with."""


def result_ref(ledger: str, task: TaskId, oid: Oid) -> str:
    """Return the ref that keeps a handed-in commit."""
    return f"refs/gitcoord/{ledger}/results/{task}/{oid}"


def is_durable() -> bool:
    """Return whether what is acknowledged has to survive a power cut."""
    return os.environ.get("GITCOORD_DURABILITY", "full") != "process"


def plan_of(snapshot: Snapshot) -> PlanRecord:
    """Return the plan.

    Raises:
        NotFoundError: The ledger has none yet.

    """
    plan = snapshot.plan()
    if plan is None:
        raise NotFoundError(
            "the ledger has no plan yet", hint="`gitcoord plan apply FILE` loads one"
        )
    return plan


def keep_commits(work: Workspace, wanted: Mapping[str, Oid], known: Iterable[Oid]) -> None:
    """Make refs that keep commits, and read back that all they add is there.

    A prune that runs beside us may take what no ref reached when it looked.
    ``known`` are commits whose objects are not looked at again. If it fails,
    no ref that was made here leads to what is not there.

    Raises:
        NotFoundError: An object of theirs is gone.
        UnavailableError: Such a prune goes on.

    """
    from gitcoord.git.soundness import is_whole

    others = list(known)
    made = {ref: oid for ref, oid in wanted.items() if not _leads_there(work, ref, oid)}
    try:
        for ref, oid in made.items():
            work.ledger.hints.keep(ref, oid)
        work.ledger.require_unpruned()
        if not is_whole(work.git, wanted.values(), others):
            raise _gone(wanted.values())
    except Exception:
        for ref, oid in made.items():
            if not is_whole(work.git, [oid], others):
                work.ledger.hints.drop(ref, oid)
        raise


def _gone(commits: Iterable[Oid]) -> NotFoundError:
    named = ", ".join(sorted(oid[:12] for oid in commits)[:5])
    return NotFoundError(
        f"objects of {named} are not in this repository any more: a prune took them",
        hint="make the commit again, on a branch: what a branch reaches is not pruned",
    )


def _leads_there(work: Workspace, ref: str, oid: Oid) -> bool:
    if work.store.read_ref(ref) != oid:
        return False
    try:
        work.store.read_entry(oid)
    except MissingObjectError:
        return False
    return True


def agent_at(folder: Path) -> AgentId | None:
    """Return the agent in whose worktree a folder lies, of whatever ledger.

    Each folder above is asked, so that a repository inside of the worktree
    hides nothing.
    """
    here = Path(os.path.realpath(folder))
    for above in (here, *here.parents):
        try:
            place = discover(above)
        except (UsageError, OSError):
            return None
        marker = read_json(place.git_dir / "gitcoord" / "agent.json") or {}
        if not place.is_main and ids.is_id(marker.get("agent")):
            return AgentId(marker["agent"])
    return None


def ledger_at(folder: Path) -> str:
    """Return the ledger that a command in a folder is about, where nobody names one.

    An agent's worktree belongs to one ledger, and names it; anywhere else it
    is the usual one.
    """
    try:
        place = discover(folder)
    except (UsageError, OSError):
        return DEFAULT_LEDGER
    marker = read_json(place.git_dir / "gitcoord" / "agent.json") or {}
    if not place.is_main and ids.is_id(marker.get("ledger")):
        return str(marker["ledger"])
    return DEFAULT_LEDGER


def _never() -> bool:
    """Answer that a command goes on."""
    return False


def _to_nobody(_what: str, _number: int, _total: int) -> None:
    """Tell nobody."""


def _linked_from(private: Path) -> Path | None:
    """Return the worktree that a private git directory belongs to, as git knows it."""
    try:
        link = (private / "gitdir").read_text("utf-8", "surrogateescape").strip()
    except OSError:
        return None
    return Path(os.path.normpath(private / link)).parent


class Workspace:
    """A repository with its ledger, as one process sees it."""

    def __init__(
        self, place: Place, store: Store, ledger: str, clock: Clock, *, timeout_s: float = 30.0
    ) -> None:
        self.place = place
        self.clock = clock
        self.store = store
        self.remote: RemoteStore | None = None
        """What talks with the ledger's server; None where it lives on this machine."""
        self.ledger = Ledger(store, ledger, clock, timeout_s=timeout_s)
        self._git: Git | None = None
        self._index: ReadyIndex | None = None
        self.has_asked_for_a_claim = False
        self.ended_tokens: set[ids.Token] = set()
        """The tokens of claims that this process ended: they need not be looked for."""
        self.tell: Callable[[str, int, int], None] = _to_nobody
        """Told what a long command is at, the number of it, and of how many."""
        self.is_over: Callable[[], bool] = _never
        """Asked now and then by what takes long: true ends it."""
        self.is_durable = is_durable()

    @property
    def git(self) -> Git:
        """The git program in this repository; loaded when first used."""
        if self._git is None:
            from gitcoord.git.program import Git

            self._git = Git(self.place.worktree or self.place.common_dir, self.place.git_dir)
        return self._git

    @property
    def index(self) -> ReadyIndex:
        """The disposable index of what is ready; opened when first used."""
        if self._index is None:
            from gitcoord.store.index import ReadyIndex

            here = proxy(self)  # no circle, so that a forgotten workspace ends its gits at once
            self._index = ReadyIndex(
                self.ledger.files.index,
                lambda number, total: here.tell("indexing tasks", number, total),
                self.ledger.records,
            )
        return self._index

    @property
    def may_choose(self) -> bool:
        """Whether it may choose for others: it has the index open, or asked for a claim.

        For others alone, nobody opens it: that costs a short command more than its own work.
        """
        return self._index is not None or self.has_asked_for_a_claim

    @property
    def logs(self) -> Logs:
        """Where what commands print is kept on this machine."""
        from gitcoord.ledger.logs import Logs

        return Logs(self.ledger.files.root, self.ledger.name)

    def live_on(self, home: Home, *, is_offline: bool = False) -> None:
        """Read and write the ledger where it lives from now on: on a server."""
        from gitcoord.ledger.giving_way import GivingWay
        from gitcoord.store.open import remote_store

        name, timeout_s = self.ledger.name, self.ledger.timeout_s
        self.remote = remote_store(
            self.store,
            home,
            name,
            self.clock,
            timeout_s=timeout_s,
            is_durable=self.is_durable,
            is_offline=is_offline,
        )
        self.remote.targets = partial(Workspace._known_targets, proxy(self))
        self.store = self.remote
        self.ledger = Ledger(self.remote, name, self.clock, timeout_s=timeout_s, server=self.remote)
        # A push takes its time, and two at once would only be refused.
        self.ledger.queue_wait_s = timeout_s
        # Who only reads asks nobody else to write.
        self.ledger.shares_turns = self.ledger.shares_turns and not is_offline
        files, ref = self.ledger.files, self.ledger.ref
        self.ledger.give_way = GivingWay(self.remote, ref, files.pending, self.clock).wait

    @property
    def held(self) -> Literal["everywhere", "on this machine"]:
        """For whom what the ledger says holds: for all clones, if it is on a server."""
        if self.remote is None:
            return "on this machine"
        return "everywhere"

    def _known_targets(self) -> list[str]:
        """Return the target branch by the newest entry that is known here."""
        if self.remote is None:
            return []
        tip = self.remote.tracking.read(self.ledger.ref)
        if tip is None:
            return []
        return [self.ledger.snapshot(tip).target()]

    def close(self) -> None:
        """Close file handles."""
        if self._index is not None:
            self._index.close()
        self.store.close()

    # who is asking

    def standing_agent(self) -> AgentId | None:
        """Return the agent whose worktree we stand in, if any."""
        if self.place.is_main:
            return None
        return self._marked_agent(self.place.git_dir)

    def holder_here(self) -> AgentId | None:
        """Return the agent without a worktree whose claim's branch is checked out here, if any."""
        try:
            head = (self.place.git_dir / "HEAD").read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None
        mark = head.rpartition("-")[2]
        if len(mark) != MARK_CHARS or not head.startswith(f"ref: {HEADS}"):
            return None
        for path in self.ledger.files.agents.glob(f"*/claims/{self.ledger.name}/{mark}*.json"):
            return AgentId(path.parents[2].name)
        return None

    def _marked_agent(self, private: Path) -> AgentId | None:
        """Return the agent that a worktree's private directory belongs to, if any."""
        marker = read_json(private / "gitcoord" / "agent.json")
        if marker is None or marker.get("ledger") != self.ledger.name:
            return None
        if ids.is_id(marker.get("agent")):
            return AgentId(marker["agent"])
        return None

    def agent_folder(self, agent: AgentId) -> Path:
        """Return the folder of what this machine knows of an agent."""
        return self.ledger.files.agents / agent

    @property
    def kept_folder(self) -> Path:
        """The folder of what commands left in worktrees and git could not commit."""
        return self.ledger.files.root / "kept" / self.ledger.name

    def worktree_of(self, agent: AgentId) -> Path | None:
        """Return an agent's worktree on this machine, if it has one.

        It may have been moved since it was recorded, or lie in the repository that
        this one is a copy of: only a worktree of this repository that is marked as the
        agent's counts.
        """
        found = self._standing_of(agent)
        if found is None:
            return None
        return found[0]

    def _standing_of(self, agent: AgentId) -> tuple[Path | None, Place] | None:
        """Return an agent's worktree and its place in the repository, found by one look."""
        if self.standing_agent() == agent:
            return self.place.worktree, self.place
        recorded = self.recorded_worktree(agent)
        if recorded is not None and Path(recorded).is_absolute():
            place = self._place_of(agent, Path(recorded))
            if place is not None:
                return Path(recorded), place
        for private in sorted((self.place.common_dir / "worktrees").glob("*")):
            if self._marked_agent(private) == agent:
                moved = _linked_from(private)
                place = self._place_of(agent, moved) if moved is not None else None
                if place is not None:
                    return moved, place
        return None

    def _place_of(self, agent: AgentId, path: Path) -> Place | None:
        """Return a folder's place if it is the worktree of an agent, in this repository."""
        if not (path / ".git").exists():
            return None
        try:
            found = discover(path)
        except (UsageError, OSError):
            return None
        is_ours = found.common_dir == self.place.common_dir
        if not is_ours or self._marked_agent(found.git_dir) != agent:
            return None
        return found

    def recorded_worktree(self, agent: AgentId) -> str | None:
        """Return where an agent's worktree was made on this machine, if it was."""
        known = read_json(f"{self.ledger.files.agents}/{agent}/worktree.json")
        if known is None or not known.get("path"):
            return None
        return str(known["path"])

    def private_dir(self, agent: AgentId) -> Path:
        """Return the folder for an agent's tokens.

        It is the private git directory of the agent's worktree; an agent
        without one has its folder in the common git directory.
        """
        found = self._standing_of(agent)
        if found is None or found[0] is None or found[1].git_dir == self.place.common_dir:
            return self.agent_folder(agent)
        return found[1].git_dir / "gitcoord"

    def tokens(self, agent: AgentId, kind: str = "claims") -> TokenFiles:
        """Return the token files of an agent's claims, or of its reviews."""
        return TokenFiles(
            self.private_dir(agent), self.ledger.name, kind, is_durable=self.is_durable
        )

    def record_worktree(self, agent: AgentId, path: Path) -> None:
        """Remember where an agent works, and mark the place as its own."""
        marker = discover(path).git_dir / "gitcoord" / "agent.json"
        write_json(marker, {"agent": agent, "ledger": self.ledger.name}, is_durable=self.is_durable)
        write_json(
            self.agent_folder(agent) / "worktree.json",
            {"path": str(path)},
            is_durable=self.is_durable,
        )

    def session(self) -> str:
        """Return the session that asks.

        Its name is ``GITCOORD_SESSION``, else what the variables of coding
        assistants say together, else the session leader's process.
        """
        named = named_session(os.environ)
        if named:
            return named
        from gitcoord.host.processes import session_identity

        return session_identity()

    # the target

    def target(self, snapshot: Snapshot) -> str:
        """Return the target branch as a full ref."""
        return snapshot.target()

    def read_target(self, target: str) -> Oid | None:
        """Return where a target branch is: on the server, if the ledger lives on one."""
        if self.remote is not None:
            return self.remote.server_value(target)
        return self.store.read_ref(target)

    def target_tip(self, snapshot: Snapshot) -> Oid:
        """Return the target's tip.

        Raises:
            NotFoundError: The branch does not exist.

        """
        ref = self.target(snapshot)
        tip = self.read_target(ref)
        if tip is None:
            raise NotFoundError(
                f"the target branch {branch_name(ref)} does not exist",
                hint="create it, or name another target in the plan",
            )
        return tip


def open_workspace(
    start: Path,
    ledger: str = DEFAULT_LEDGER,
    *,
    clock: Clock | None = None,
    timeout_s: float = 30.0,
    is_one_shot: bool = False,
    is_offline: bool = False,
    is_lazy: bool = False,
) -> Workspace:
    """Open the repository that a directory belongs to.

    ``is_one_shot`` says that the process is over in a moment, ``is_offline``
    that a server is not to be asked, ``is_lazy`` that what is known of it is
    good enough where it was heard within a minute, or cannot be reached.

    Raises:
        UsageError: Not a repository, or no valid ledger name.
        UnavailableError: The repository cannot be read by this engine.

    """
    ids.parse_id(ledger, "ledger name")
    if not start.is_dir():
        raise UsageError(f"{start} is not a directory", hint="give an existing directory to -C")
    place = discover(start)
    store = open_store(place, is_durable=is_durable(), is_one_shot=is_one_shot)
    work = Workspace(place, store, ledger, clock or Clock(), timeout_s=timeout_s)
    # Looked for without git: most ledgers live on this machine.
    if last_value(read_config(place.common_dir), "gitcoord", "remote"):
        from gitcoord.git.homes import home_of

        home = home_of(place.common_dir, ledger)
        if home is not None:
            work.live_on(home, is_offline=is_offline)
        if work.remote is not None and is_lazy:
            work.remote.is_lazy = True
            work.remote.timeout_s = min(timeout_s, LAZY_WAIT_S)
    return work


def require_checkout(place: Place) -> Path:
    """Return the working tree that we stand in.

    Raises:
        RefusedError: The repository is bare.

    """
    if place.worktree is None:
        raise RefusedError(
            "this needs a working tree, and the repository is bare",
            reason="bare",
            hint="run it in a worktree, or give `--no-worktree`",
        )
    return place.worktree
