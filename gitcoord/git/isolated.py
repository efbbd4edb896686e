"""Give git nothing to read but commits.

What a merge makes has to be a function of the commits alone. In a
repository's own directory git also reads what nobody committed: attributes
in a worktree, in an index and in ``info/attributes``, merge drivers that the
repository's configuration names, and ``shallow``, which cuts a history
wherever it says. So merges and patches are made in a git directory of their
own, which has the repository's objects and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gitcoord.core import paths
from gitcoord.core.ids import Oid, is_oid
from gitcoord.git.batch import missing_of, read_objects
from gitcoord.git.config import is_partial, last_value, read_config
from gitcoord.git.diffs import diff_raw
from gitcoord.git.places import discover
from gitcoord.git.program import Git, GitError
from gitcoord.git.temporary import temporary_folder

__all__ = ["isolated"]

ATTRIBUTES = ".gitattributes"
_EMPTY_TREES = {
    40: Oid("4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
    64: Oid("6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"),
}
_PROMISOR = r"^(extensions\.partialclone|remote\..*\.(url|promisor|partialclonefilter))$"
_REGULAR = ("100644", "100755")


@contextmanager
def isolated(
    git: Git, attributes_of: Oid | None = None, *, quarantine: bool = False
) -> Iterator[Git]:
    """Run git where it finds the repository's objects and nothing else.

    Where ``attributes_of`` names a commit, its ``.gitattributes`` count, as
    they do for a user who merges into it; else there are none. Merge drivers
    come from the user's own configuration alone. With ``quarantine`` new
    objects stay here, and are gone at the end; else they are written to the
    repository.

    Raises:
        UnavailableError: The folder cannot be made.

    """
    common_dir = discover(git.cwd).common_dir
    with temporary_folder(common_dir / "gitcoord" / "isolated") as folder:
        top = folder / "files"
        top.mkdir()
        _make_git_dir(git, common_dir, folder, quarantine=quarantine)
        if attributes_of is not None:
            _write_attributes(git, attributes_of, top)
        objects = folder / "objects" if quarantine else common_dir / "objects"
        environment = {
            "GIT_WORK_TREE": str(top),
            "GIT_OBJECT_DIRECTORY": str(objects),
            "GIT_ATTR_NOSYSTEM": "1",
        }
        yield Git(top, folder, environment)


def _make_git_dir(git: Git, common_dir: Path, folder: Path, *, quarantine: bool) -> None:
    (folder / "refs").mkdir()
    (folder / "HEAD").write_text("ref: refs/heads/none\n")
    (folder / "config").write_text(_config(git, common_dir), "utf-8", "surrogateescape")
    if quarantine:
        # git would make the folder of packs, and go on where it cannot.
        (folder / "objects" / "pack").mkdir(parents=True)
        info = folder / "objects" / "info"
        info.mkdir()
        (info / "alternates").write_text(f"{common_dir / 'objects'}\n", "utf-8", "surrogateescape")
    shallow = _shallow_lines(git, common_dir)
    if shallow:
        (folder / "shallow").write_text("".join(f"{oid}\n" for oid in shallow))


def _config(git: Git, common_dir: Path) -> str:
    """Write what says how objects are kept; nothing that names a program."""
    known = read_config(common_dir)
    object_format = last_value(known, "extensions", "objectformat").lower() or "sha1"
    shared = last_value(known, "core", "sharedrepository") or "umask"
    lines = ["[core]", "repositoryFormatVersion = 1", f"sharedRepository = {_quoted(shared)}"]
    lines += ["[extensions]", f"objectFormat = {_quoted(object_format)}"]
    if is_partial(known):
        lines += _promisor_lines(git)
    return "\n".join([*lines, ""])


def _promisor_lines(git: Git) -> list[str]:
    """Repeat whom a partial clone asks for the objects that it lacks."""
    asked = git.run("config", "--local", "-z", "--get-regexp", _PROMISOR, check=False)
    lines = []
    for row in asked.stdout.decode("utf-8", "surrogateescape").split("\0"):
        name, _, value = row.partition("\n")
        section, _, rest = name.partition(".")
        subsection, _, key = rest.rpartition(".")
        if key:
            header = f"[{section} {_quoted(subsection)}]" if subsection else f"[{section}]"
            lines += [header, f"{key} = {_quoted(value)}"]
    return lines


def _quoted(value: str) -> str:
    """Quote a value, or a subsection, for a configuration file."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


# a shallow clone


def _shallow_lines(git: Git, common_dir: Path) -> list[str]:
    """List where the history of a shallow clone really ends.

    A line for a commit whose parents are all here would hide a history that
    is known. Anybody can write one, so it counts for nothing.
    """
    try:
        named = (common_dir / "shallow").read_text("ascii", "replace").split()
    except OSError:
        return []
    commits = [one for one in read_objects(git, filter(is_oid, named)) if one is not None]
    parents = {one.oid: _parents(one.content) for one in commits if one.kind == "commit"}
    missing = missing_of(git, (parent for found in parents.values() for parent in found))
    return [commit for commit, found in parents.items() if missing.intersection(found)]


def _parents(commit: bytes) -> list[Oid]:
    """Read the parents that a commit's own bytes name."""
    head = commit.partition(b"\n\n")[0].decode("ascii", "replace")
    return [Oid(line.split()[1]) for line in head.split("\n") if line.startswith("parent ")]


# attributes


def _write_attributes(git: Git, commit: Oid, top: Path) -> None:
    """Write the attributes of a commit as a checkout would, and no other file."""
    files = _attribute_files(git, commit)
    for path, blob in zip(files, read_objects(git, files.values()), strict=True):
        if blob is not None:
            goal = top / path
            goal.parent.mkdir(parents=True, exist_ok=True)
            goal.write_bytes(blob.content)


def _attribute_files(git: Git, commit: Oid) -> dict[str, Oid]:
    """Return the blobs of a commit's ``.gitattributes``, by path.

    Only what differs from the last commit that was asked about is read, so
    that merging a hundred results does not list the tree a hundred times.
    """
    nothing = _EMPTY_TREES[len(commit)]
    known, files = git.attribute_files or (nothing, {})
    if commit == known:
        return files
    try:
        found = _with_changes(git, files, known, commit)
    except GitError:
        # A prune may have taken the last one.
        found = _with_changes(git, {}, nothing, commit)
    git.attribute_files = (commit, found)
    return found


def _with_changes(git: Git, files: Mapping[str, Oid], old: Oid, new: Oid) -> dict[str, Oid]:
    found = dict(files)
    for change in diff_raw(git, old, new, f":(glob)**/{ATTRIBUTES}"):
        found.pop(change.path, None)
        if change.new_mode in _REGULAR and paths.is_safe(change.path):
            found[change.path] = change.oid
    return found
