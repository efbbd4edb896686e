"""Look at a commit that was handed in: what is its own, and what it touches.

The own commits of a task are those of its result that neither the target
nor a result that it was built on reaches. Each may change only paths
inside the boundary. Renames are never detected: both names count. What is
judged are objects, so that no skipped hook matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from gitcoord.core import codec, paths
from gitcoord.core.boundary import Boundary
from gitcoord.core.errors import RefusedError
from gitcoord.core.ids import NO_OID, Oid, TaskId
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.batch import read_objects
from gitcoord.git.diffs import DIFF, Change, diff_raw, parse_raw
from gitcoord.git.merges import (
    NOBODY,
    Conflict,
    Identity,
    Merged,
    commit_merge,
    fork_base,
    merge_tree,
    parents_of,
    rev_list,
    time_of,
    tree_of,
)
from gitcoord.git.program import Git, GitError

__all__ = [
    "Change",
    "Inspection",
    "changed_files",
    "inspect",
    "inspect_merge",
    "inspect_staged",
    "lift",
    "own_commits",
    "touched",
]

MAX_LINK_BYTES = 4096
_LINK, _SUBMODULE, _ABSENT = "120000", "160000", "000000"


class Inspection(NamedTuple):
    """What a result came to."""

    tree: Oid
    commits: int
    files: int


class _Landing(NamedTuple):
    """What landing would make of a base."""

    before: str
    after: Oid
    changes: list[Change]
    is_clean: bool


def changed_files(git: Git, old: Oid, new: Oid) -> set[str]:
    """Return the files in which two commits differ."""
    return {change.path for change in diff_raw(git, old, new)}


def own_commits(git: Git, result: Oid, target_tip: Oid, built_on: Iterable[Oid] = ()) -> list[Oid]:
    """List the commits that a result adds to the target and its base."""
    return rev_list(git, [result], [target_tip, *built_on])


def touched(git: Git, commits: list[Oid]) -> dict[Oid, list[Change]]:
    """Return what each commit changes against its only parent, in one go.

    A commit with several parents, or none, is not in the answer.
    """
    if not commits:
        return {}
    lines = "".join(f"{oid}\n" for oid in commits).encode()
    return parse_raw(git.run(*DIFF, "--stdin", "--end-of-options", stdin=lines).stdout)


def inspect(
    git: Git,
    result: Oid,
    target_tip: Oid,
    built_on: Mapping[TaskId, Oid],
    boundary: Boundary,
    base: Oid = NO_OID,
) -> Inspection:
    """Refuse a result that writes outside its boundary, or nothing at all.

    With ``base``, which the work started from, it is enough that it wrote
    something since: the target may have that by now, squashed or picked.

    Raises:
        RefusedError: ``boundary`` with the commits and paths, or
            ``empty-result``.

    """
    own = own_commits(git, result, target_tip, built_on.values())
    if not own:
        raise _empty(f"{result[:12]} holds no commit of its own")
    written = _own_changes(git, own)
    judge = _Judge(git, boundary)
    for commit, changes in written.items():
        judge.look(changes, f"{_COMMIT}{commit[:12]}")
    judge.refuse()
    landing = _landing(git, result, target_tip, built_on)
    if landing is not None:
        if (
            landing.is_clean
            and not landing.changes
            and not (base and changed_files(git, base, result))
        ):
            raise _empty(f"{result[:12]} changes nothing")
        _judge_landing(judge, landing)
    files = {change.path for changes in written.values() for change in changes}
    return Inspection(tree_of(git, result), len(written), len(files))


def inspect_merge(git: Git, before: Oid, after: Oid, boundary: Boundary) -> None:
    """Refuse a merge, made for a landing, that changes more than its task may.

    ``inspect`` looks at a result by itself; what is about to land is this:
    all that differs between the tree before the merge and the tree after it.

    Raises:
        RefusedError: ``boundary``, with the paths.

    """
    landing = _Landing(before, after, diff_raw(git, before, after), is_clean=True)
    judge = _Judge(git, boundary)
    _judge_landing(judge, landing)


def _judge_landing(judge: _Judge, landing: _Landing) -> None:
    """Refuse what landing a result would change that its own commits did not.

    They are inside the boundary: so git moved their changes along, to where the
    target renamed a file or its directory.
    """
    judge.look(landing.changes, " by its landing")
    judge.refuse(
        hint="the target renamed what the task writes to: "
        "`git -c merge.directoryRenames=false rebase` onto the target leaves the work where it was",
        is_moved=True,
    )
    judge.look_for_twins(landing)
    judge.refuse()


def inspect_staged(git: Git, index: Path, merging: Oid | None, boundary: Boundary) -> None:
    """Refuse what is staged in an index where a boundary forbids it.

    ``merging`` is the commit that a merge is about to bring in: what git's
    own merge makes of it is not the committer's. A path that is as it was
    before the last commit is let through, so that a commit which took in
    too much can be amended.

    Raises:
        RefusedError: ``boundary``, with the paths.
        GitError: The index cannot be compared, as before a first commit.

    """
    env = {"GIT_INDEX_FILE": str(index)}
    judge = _Judge(git, boundary)
    if merging is None:
        changes = _staged(git, env, "HEAD")
        judge.look(changes, "")
        if any(change.old_mode == _ABSENT for change in changes):
            tree = Oid(git.run("write-tree", env=env).text)
            judge.look_for_twins(_Landing("HEAD", tree, changes, is_clean=True))
        if judge.is_noted:
            judge.keep({change.path for change in _staged(git, env, "HEAD^", "HEAD")})
    else:
        tree = Oid(git.run("write-tree", env=env).text)
        head = Oid(git.run("rev-parse", "--verify", "HEAD").text)
        judge.look(_written_in_merge(git, tree, head, merging), " by this merge")
    judge.refuse(hint="unstage them: git restore --staged PATH")


def _staged(git: Git, env: Mapping[str, str], *against: str) -> list[Change]:
    """Compare an index with a commit; with the next one that there is."""
    for commit in against:
        done = git.ask("diff-index", "--cached", *DIFF[2:], commit, "--", env=env)
        if done.status == 0:
            return parse_raw(done.stdout).get(NO_OID, [])
    raise GitError(("diff-index",), done.status, "")


def _empty(text: str) -> RefusedError:
    hint = "commit the work on the claim's branch, and complete again"
    return RefusedError(text, reason="empty-result", hint=hint)


def _own_changes(git: Git, own: list[Oid]) -> dict[Oid, list[Change]]:
    """Return what was written in each own commit.

    In a merge that is what git would not have done; one that git would
    have made itself is left out.
    """
    parents = parents_of(git, own)
    own_set = set(own)
    plain = [commit for commit in own if len(parents[commit]) == 1]
    changed = touched(git, plain)
    found = {commit: changed.get(commit, []) for commit in plain}
    for commit in own:
        if not parents[commit]:
            raise RefusedError(
                f"commit {commit[:12]} has no parent: it is another history",
                reason="boundary",
                hint="build on the claim's base",
            )
        if len(parents[commit]) > 1:
            # A parent that is not its own is in the target or in a result.
            if len(parents[commit]) > 2 or own_set.issuperset(parents[commit]):
                raise RefusedError(
                    f"commit {commit[:12]} merges something that is neither the target nor a "
                    "result it builds on",
                    reason="boundary",
                    hint="merge only the target or results of needed tasks, one at a time",
                )
            changes = _written_in_merge(git, commit, *parents[commit])
            if changes:
                found[commit] = changes
    return found


def _written_in_merge(git: Git, commit: Oid, ours: Oid, theirs: Oid) -> list[Change]:
    merged = merge_tree(git, ours, theirs)
    changes = diff_raw(git, merged.tree, commit)
    if isinstance(merged, Conflict):
        return _without_artefacts(git, changes, [commit, ours, theirs])
    return changes


def _without_artefacts(git: Git, changes: list[Change], sides: list[Oid]) -> list[Change]:
    """Leave out the names that only git's half-done merge has (``a~HEAD``)."""
    artefacts = {change.path for change in changes if "~" in change.path}
    if not artefacts:
        return changes
    real: set[str] = set()
    for side in sides:
        listing = git.run("ls-tree", "-r", "-z", "--name-only", "--full-tree", side).stdout
        real.update(listing.decode("utf-8", "surrogateescape").split("\0"))
    return [change for change in changes if change.path not in artefacts or change.path in real]


def _landing(
    git: Git, result: Oid, target_tip: Oid, built_on: Mapping[TaskId, Oid]
) -> _Landing | None:
    """Merge a result with what it is built on.

    None where those results conflict with each other or the target by now:
    such a phase cannot land, and the landing inspects again.
    """
    base = fork_base(git, target_tip, list(built_on.values()))
    if isinstance(base, Conflict):
        return None
    merged = merge_tree(git, base, result)
    changes = diff_raw(git, base, merged.tree)
    if isinstance(merged, Conflict):
        changes = _without_artefacts(git, changes, [base, result])
    return _Landing(base, merged.tree, changes, is_clean=isinstance(merged, Merged))


MAX_NAMED_COMMITS = 5
_COMMIT = ", commit "


class _Judge:
    """Collect what a boundary forbids, each path once."""

    def __init__(self, git: Git, boundary: Boundary) -> None:
        self._git = git
        self._boundary = boundary
        self._outside: dict[str, str] = {}

    def look(self, changes: list[Change], where: str) -> None:
        """Note the changes that are not allowed."""
        for change in changes:
            reason = self._problem(change)
            if not reason:
                continue
            noted = self._outside.get(change.path)
            if noted is None:
                self._outside[change.path] = reason + where
            elif where.startswith(_COMMIT) and noted.count(",") < MAX_NAMED_COMMITS:
                self._outside[change.path] = f"{noted}, {where.removeprefix(_COMMIT)}"

    def look_for_twins(self, landing: _Landing) -> None:
        """Note added paths that some disk takes for another path."""
        added = [
            change.path
            for change in landing.changes
            if change.old_mode == _ABSENT and paths.is_safe(change.path)
        ]
        for path, twin in _twins(self._git, landing, added).items():
            self._outside.setdefault(path, f"the same file as {twin} on some disks")

    @property
    def is_noted(self) -> bool:
        """Return whether there is anything to refuse."""
        return bool(self._outside)

    def keep(self, wanted: set[str]) -> None:
        """Forget what was noted of any other path."""
        self._outside = {path: why for path, why in self._outside.items() if path in wanted}

    def refuse(self, hint: str = "take them out of the commits", *, is_moved: bool = False) -> None:
        """Refuse if anything was noted; ``is_moved`` says that git itself put it there."""
        if not self._outside:
            return
        shown = [
            f"{codec.printable(path)} ({codec.printable(why)})"
            for path, why in self._outside.items()
        ]
        raise RefusedError(
            f"{len(shown)} change(s) outside the boundary: {', '.join(shown[:10])}",
            reason="boundary",
            hint=f"{hint}; the task may write {self._boundary.describe()}",
            outside=cast("Any", shown[:50]),
            unheld=cast("Any", self._unheld()),
            moved=cast("Any", [codec.printable(path) for path in self._outside if is_moved][:50]),
        )

    def _unheld(self) -> list[str]:
        """Return the paths, if each is only outside of what the task itself may write."""
        if all(why.partition(",")[0] == "outside" for why in self._outside.values()):
            return list(self._outside)
        return []

    def _problem(self, change: Change) -> str | None:
        is_new, is_gone = change.old_mode == _ABSENT, change.new_mode == _ABSENT
        problem = self._boundary.problem(change.path, is_new=is_new, is_gone=is_gone)
        if problem is not None:
            return problem
        if _SUBMODULE in {change.new_mode, change.old_mode}:
            return "a submodule"
        if change.new_mode == _LINK and not self._stays_inside(change):
            return "a link out of the repository"
        return None

    def _stays_inside(self, change: Change) -> bool:
        """Follow a link by its text: up first, then down, never into .git.

        ``a/../b`` is refused too: where ``a`` is a link it leads elsewhere.
        """
        size = int(self._git.run("cat-file", "-s", change.oid).text)
        if not 0 < size <= MAX_LINK_BYTES:
            return False
        parts = (
            self._git.run("cat-file", "blob", change.oid)
            .stdout.decode("utf-8", "surrogateescape")
            .split("/")
        )
        if parts[0] == "":
            return False
        folder = change.path.split("/")[:-1]
        down = [part for part in parts if part not in {"", "."}]
        while down[:1] == [".."] and folder:
            del down[0], folder[-1]
        return not down or paths.is_safe("/".join([*folder, *down]))


def _twins(git: Git, landing: _Landing, added: list[str]) -> dict[str, str]:
    """Find the new entries that differ from another in case alone.

    Only the folders on the way are read.
    """
    steps = {}
    for path in added:
        parts = path.split("/")
        for depth, part in enumerate(parts):
            steps["/".join(parts[:depth]), part] = path
    folders = sorted({folder for folder, _ in steps})
    before = dict(zip(folders, _entries(git, landing.before, folders), strict=True))
    after = dict(zip(folders, _entries(git, landing.after, folders), strict=True))
    twins = {}
    for (folder, name), path in steps.items():
        if name in before[folder]:
            continue
        for other in after[folder]:
            if other != name and _folded(other) == _folded(name):
                twins[path] = f"{folder}/{other}".removeprefix("/")
    return twins


def _folded(name: str) -> str:
    if name.isascii():
        return name.casefold()
    import unicodedata  # few names need it

    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _entries(git: Git, revision: str, folders: list[str]) -> list[set[str]]:
    """List the names in some folders of a tree or commit, by one process."""
    found = []
    for folder in read_objects(git, (f"{revision}:{folder}" for folder in folders)):
        names: set[str] = set()
        if folder is not None and folder.kind == "tree":
            names = _names(folder.content, len(folder.oid) // 2)
        found.append(names)
    return found


def _names(content: bytes, oid_bytes: int) -> set[str]:
    """Read the names in a tree object."""
    names: set[str] = set()
    at = 0
    while at < len(content):
        start, end = content.index(b" ", at) + 1, content.index(b"\0", at)
        names.add(content[start:end].decode("utf-8", "surrogateescape"))
        at = end + 1 + oid_bytes
    return names


def lift(git: Git, result: Oid, base: Oid, onto: Oid, identity: Identity = NOBODY) -> Oid:
    """Make a result that is in the target's history already anew.

    After a revert git would call the old commit merged and land nothing:
    a new commit with its tree, and its recorded base as only parent. It
    names the target's tip, so that it is another one after each revert.
    """
    message = f"Land {result[:12]} again\n\nOnto {onto}\n"
    when = time_of(git, [result])
    return commit_merge(git, tree_of(git, result), [base], message, when, identity)
