"""Check the repository and its surroundings, and remove what dead processes left.

Each check returns findings: what was seen, and what to do. With ``--fix``
what certainly belongs to no living process is removed; the rest is left alone
with advice. Nothing here repairs a history.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from gitcoord.core import ids
from gitcoord.core.errors import GitcoordError, UnavailableError
from gitcoord.core.refs import attic_refs, branch_name, own_refs
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.maintain.doctor_places import (
    broken_refs,
    hooks,
    leftovers,
    orphans,
    worktrees,
)
from gitcoord.features.maintain.findings import Finding, fine, problem
from gitcoord.features.maintain.installs import misled_here
from gitcoord.features.maintain.upkeep import attic_keep_ms
from gitcoord.features.setup.trust import commands_of
from gitcoord.features.workspace import Workspace
from gitcoord.git.config import read_config, unsupported
from gitcoord.git.maintenance import config_value, loose_estimate
from gitcoord.git.program import require_git

__all__ = ["Examined", "examine"]

LITTLE_DISK_BYTES = 100 * 1024 * 1024
FUTURE_S = 300
MANY_LOOSE = 20_000


class Examined(NamedTuple):
    """Every finding, in the order of the checks."""

    findings: list[Finding]

    @property
    def problems(self) -> list[Finding]:
        """Return those that somebody has to do something about."""
        return [one for one in self.findings if one.state == "problem"]


def examine(work: Workspace, *, fix: bool = False) -> Examined:
    """Run every check; a check that cannot run is a finding itself."""
    snapshot = None
    findings: list[Finding] = []
    try:
        snapshot = None
        if work.ledger.tip():
            snapshot = work.ledger.snapshot()
    except GitcoordError as error:
        findings.append(problem("ledger", error.message, error.hint))
    for name, check in _CHECKS:
        try:
            findings += check(work, snapshot, fix)
        except (GitcoordError, OSError, sqlite3.Error) as error:
            findings.append(problem(name, f"this could not be looked at: {error}"))
    return Examined(findings)


def _git(_work: Workspace, _snapshot: Snapshot | None, _fix: bool) -> Iterator[Finding]:
    try:
        yield fine("git", "version " + ".".join(map(str, require_git())))
    except UnavailableError as error:
        yield problem("git", error.message, error.hint)


def _engine(work: Workspace, _snapshot: Snapshot | None, _fix: bool) -> Iterator[Finding]:
    reason = unsupported(read_config(work.place.common_dir))
    why = (
        reason
        or "libgit2 can open this repository, too; commands that are over in a moment do without it"
    )
    store = work.store
    if work.remote is not None:
        store = work.remote.inner
        why = f"{why}; the ledger lives on {work.remote.remote.name}"
    yield fine("engine", f"{type(store).__name__.removesuffix('Store').lower()}: {why}")
    settings = {
        "hash": config_value(work.git, "extensions.objectFormat") or "sha1",
        "refs": config_value(work.git, "extensions.refStorage") or "files",
    }
    yield fine(
        "repository",
        ", ".join(f"{name} {value}" for name, value in settings.items())
        + (", bare" if work.place.is_bare else ""),
    )
    durability = os.environ.get("GITCOORD_DURABILITY", "full")
    if durability == "process":
        yield problem(
            "durability",
            "GITCOORD_DURABILITY=process: a power cut may lose what was acknowledged",
            "unset it",
        )
    else:
        yield fine("durability", "full: every entry is synced before it is acknowledged")


def _ledger(work: Workspace, snapshot: Snapshot | None, fix: bool) -> Iterator[Finding]:
    if snapshot is None:
        if work.ledger.tip() is None:
            yield problem(
                "ledger", f"there is no ledger {work.ledger.name}", "`gitcoord init` makes one"
            )
        return
    settings = snapshot.settings()
    plan = snapshot.plan()
    yield fine(
        "ledger",
        f"{work.ledger.name}, format {settings['format']}, epoch {settings['epoch']}, "
        f"plan {plan['name'] if plan else '-'}, tip {snapshot.oid[:12]}",
    )
    if work.read_target(work.target(snapshot)) is None:
        yield problem(
            "target",
            f"the target branch {branch_name(work.target(snapshot))} does not exist",
            "create it, or name another target in the plan",
        )
    else:
        yield from _landed(work, snapshot)
    yield from _pending(work, snapshot, fix)
    opened = sum(one["state"] == "open" for one in snapshot.escalations())
    if opened:
        yield problem(
            "inbox", f"{opened} escalation(s) wait for an answer", "`gitcoord inbox` lists them"
        )


def _landed(work: Workspace, snapshot: Snapshot) -> Iterator[Finding]:
    """Return whether the target contains what landed on it."""
    from gitcoord.features.land.landings import lost

    landed = [phase for phase in snapshot.phases() if phase["state"] == "landed"]
    gone, target = lost(work, snapshot, landed), branch_name(work.target(snapshot))
    if gone:
        yield problem(
            "landed",
            f"{target} does not contain what landed: {', '.join(gone[:5])}",
            f"look at the reflog of {target}: somebody moved it back, or the plan names another "
            "target",
        )
    elif landed:
        yield fine("landed", f"{target} contains what landed: {len(landed)} phase(s)")


def _pending(work: Workspace, snapshot: Snapshot, fix: bool) -> Iterator[Finding]:
    pending = snapshot.settings()["pending"]
    if pending is None:
        return
    text = f"a {pending['kind']} of {branch_name(pending['target'])} was begun and not finished"
    if not fix:
        yield problem(
            "pending", text, "the next orchestrator's command finishes or aborts it; so does --fix"
        )
        return
    from gitcoord.features.land.target_moves import finish_pending

    finish_pending(work)
    yield fine("pending", text, "it was finished or aborted")


def _clocks(work: Workspace, snapshot: Snapshot | None, _fix: bool) -> Iterator[Finding]:
    if work.clock.boot_id().startswith("host-"):
        yield problem(
            "clocks",
            "this system does not name its boots: leases are judged as if all were from elsewhere",
            "expect a full lease of waiting after a crash",
        )
    ahead_s = 0
    if snapshot:
        ahead_s = work.store.read_entry(snapshot.oid).time - work.clock.seconds()
    if ahead_s > FUTURE_S:
        yield problem(
            "clocks",
            f"the newest entry is {ids.show_duration(ahead_s * 1000)} in the future of this "
            "machine's clock",
            "set the clock; leases do not depend on it, the times that you read do",
        )
    else:
        yield fine("clocks", f"boot {work.clock.boot_id()[:13]}, wall clock not behind the ledger")


def _disk(work: Workspace, _snapshot: Snapshot | None, _fix: bool) -> Iterator[Finding]:
    free = shutil.disk_usage(work.place.common_dir).free
    if free < LITTLE_DISK_BYTES:
        yield problem(
            "disk", f"{free >> 20} MiB are free", "make room: a full disk refuses every write"
        )
    else:
        yield fine("disk", f"{free >> 30} GiB free" if free >> 30 else f"{free >> 20} MiB free")
    loose = loose_estimate(work.place.common_dir)
    if loose > MANY_LOOSE:
        yield problem(
            "objects",
            f"about {loose} loose objects",
            "`gitcoord upkeep` packs the ledger's, `git gc` the rest",
        )
    else:
        yield fine("objects", f"about {loose} loose")


def _ownership(work: Workspace, _snapshot: Snapshot | None, _fix: bool) -> Iterator[Finding]:
    mine = os.geteuid()
    common_dir = work.place.common_dir
    places = [common_dir, common_dir / "objects", common_dir / "refs", work.ledger.files.root]
    foreign = [path for path in places if path.exists() and path.stat().st_uid != mine]
    if foreign:
        yield problem(
            "ownership",
            f"{foreign[0]} belongs to another user",
            "agents of one repository run as one user",
        )
    else:
        yield fine("ownership", "all of it is yours")


def _settings(work: Workspace, _snapshot: Snapshot | None, _fix: bool) -> Iterator[Finding]:
    prune = config_value(work.git, "gc.pruneExpire")
    short_ms = None
    if prune:
        short_ms = ids.duration_ms(prune)
    if prune == "now" or (short_ms is not None and short_ms < 3_600_000):
        yield problem(
            "gc",
            f"gc.pruneExpire is {prune}: a gc beside a writer can take what it has just written",
            "set it to an hour or more: git config gc.pruneExpire 2.weeks.ago",
        )
    for line in work.git.run(
        "config", "--get-regexp", r"^remote\..*\.(fetch|mirror)$", check=False
    ).text.splitlines():
        key, _, value = line.partition(" ")
        goal = value.rpartition(":")[2]
        ours = (work.ledger.ref, own_refs(work.ledger.name))
        if goal.endswith("*") and any(ref.startswith(goal[:-1]) for ref in ours):
            yield problem(
                "fetch",
                f"{key} = {value} ends in the ledger's refs: `git fetch --prune` would delete them",
                "let it end in refs/remotes/ instead",
            )
    keep_ms = attic_keep_ms(work)
    kept = work.store.list_refs(attic_refs(work.ledger.name))
    if keep_ms is None:
        how = "for ever"
    else:
        how = f"for {ids.show_duration(keep_ms)}"
    yield fine("attic", f"{len(kept)} tip(s) kept, {how} (gitcoord.{work.ledger.name}.atticKeep)")


def _index(work: Workspace, _snapshot: Snapshot | None, fix: bool) -> Iterator[Finding]:
    file = work.ledger.files.index
    if not os.path.lexists(file):
        yield fine("index", "none yet: the next claim makes it")
        return
    if not stat.S_ISREG(file.lstat().st_mode):
        yield problem("index", f"{file} is not a file", "remove it; the next claim makes it anew")
        return
    try:
        database = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            answer = str(database.execute("PRAGMA quick_check").fetchone()[0])
        finally:
            database.close()
    except sqlite3.Error as error:
        answer = str(error)
    if answer == "ok":
        yield fine("index", f"{file.stat().st_size >> 10} KiB, sound")
    elif fix:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{file}{suffix}").unlink(missing_ok=True)
        yield fine(
            "index",
            f"it was damaged ({answer})",
            "it was thrown away; the next claim makes it anew",
        )
    else:
        yield problem(
            "index",
            f"it is damaged: {answer}",
            "--fix throws it away; it is made again from the ledger",
        )


_Check = Callable[[Workspace, "Snapshot | None", bool], Iterator[Finding]]


def _assistants(work: Workspace, _snapshot: Snapshot | None, _fix: bool) -> Iterator[Finding]:
    """Look at what coding assistants were given here, if any was."""
    from gitcoord.features.assist.examine import look_at_assistants

    for seen in look_at_assistants(work):
        if seen.advice:
            yield problem("assistants", seen.text, seen.advice)
        else:
            yield fine("assistants", seen.text)


def _installs(work: Workspace, snapshot: Snapshot | None, _fix: bool) -> Iterator[Finding]:
    """Return installations through which a check would test another commit."""
    if snapshot is None:
        return
    for found in misled_here(work, commands_of(snapshot)):
        yield problem("installs", found.text, found.advice)


_CHECKS: tuple[tuple[str, _Check], ...] = (
    ("git", _git),
    ("engine", _engine),
    ("ledger", _ledger),
    ("worktrees", worktrees),
    ("hooks", hooks),
    ("leftovers", leftovers),
    ("refs", broken_refs),
    ("orphans", orphans),
    ("clocks", _clocks),
    ("disk", _disk),
    ("ownership", _ownership),
    ("settings", _settings),
    ("index", _index),
    ("assistants", _assistants),
    ("installs", _installs),
)
