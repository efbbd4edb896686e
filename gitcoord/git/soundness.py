"""Prove that what a commit adds can be checked out, cloned and pushed.

Git reads a history without looking at most of it: a tree may name a blob
that is not there, a commit as a file, one name twice. Whoever clones it, or
pushes it to a server that looks, is told. So the objects that a commit adds
are packed as for a push and taken in as by a strict server, into a folder
that is thrown away; and each must have the name that its bytes give it.
"""

from __future__ import annotations

from collections.abc import Iterable

from gitcoord.core import codec
from gitcoord.core.errors import RefusedError, UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.git.config import is_partial, read_config
from gitcoord.git.isolated import isolated
from gitcoord.git.places import discover
from gitcoord.git.program import LONG_S, Completed, Git
from gitcoord.host.remedies import is_of_the_system, remedy

__all__ = ["is_whole", "require_sound"]

# A mode that git itself never writes is but information to it, and an error
# to some servers.
_STRICT = "--strict=badFilemode=error"
# A partial clone lacks what its trees name: there the objects themselves are
# looked at, and not what they lead to.
_STRICT_ALONE = "--fsck-objects"
SHOWN_CHARS = 300
_FAST = ("-c", "pack.compression=0")


def is_whole(git: Git, tips: Iterable[Oid], known: Iterable[Oid]) -> bool:
    """Return whether every object that some commits add to others is there."""
    lines = _revisions(tips, known)
    args = ("rev-list", "--objects", "--quiet", "--stdin")
    with isolated(git) as alone:
        return alone.run(*args, stdin=lines, check=False, timeout_s=LONG_S).status == 0


def require_sound(git: Git, tip: Oid, known: Iterable[Oid]) -> None:
    """Refuse a commit that adds objects which are missing or broken.

    ``known`` are commits whose objects are not looked at again.

    Raises:
        RefusedError: ``broken-objects``, with what git says of them.
        UnavailableError: git could not look: the disk failed, or git was ended.

    """
    lines = _revisions([tip], known)
    with isolated(git, quarantine=True) as alone:
        args = ("rev-list", "--objects", "--no-object-names", "--stdin")
        listed = alone.run(*args, stdin=lines, check=False, timeout_s=LONG_S)
        if listed.status != 0:
            raise _failed(tip, listed)
        names = set(listed.text.split())
        strict = _STRICT
        if is_partial(read_config(discover(git.cwd).common_dir)):
            strict = _STRICT_ALONE
        if names and _names_in_pack(alone, tip, names, strict) != names:
            raise _broken(tip, "some objects hold other bytes than their names say")


def _names_in_pack(alone: Git, tip: Oid, names: set[str], strict: str) -> set[str]:
    """Pack objects by their names, and return the names that their bytes give.

    Raises:
        RefusedError: Git cannot pack them, or a strict server would not take
            them.
        UnavailableError: It could not be tried.

    """
    asked = "".join(f"{oid}\n" for oid in sorted(names)).encode()
    packing = ("pack-objects", "-q", "--window=0", "--no-use-bitmap-index", "own")
    packed = alone.run(*_FAST, *packing, stdin=asked, check=False, timeout_s=LONG_S)
    if packed.status != 0:
        raise _failed(tip, packed)
    index = alone.cwd / "checked.idx"
    taking = ("index-pack", strict, "-o", str(index), f"own-{packed.text}.pack")
    taken = alone.run(*taking, check=False, timeout_s=LONG_S)
    if taken.status != 0:
        raise _failed(tip, taken)
    rows = alone.run("show-index", stdin=index.read_bytes(), timeout_s=LONG_S).text.splitlines()
    return {row.split()[1] for row in rows}


def _revisions(tips: Iterable[Oid], known: Iterable[Oid]) -> bytes:
    return "".join([*(f"{oid}\n" for oid in tips), *(f"^{oid}\n" for oid in known)]).encode()


def _failed(tip: Oid, done: Completed) -> RefusedError | UnavailableError:
    """Tell a commit that git does not take from a git that could not do its work."""
    if done.status >= 0 and not is_of_the_system(done.stderr):
        return _broken(tip, done.stderr)
    said = codec.printable(done.stderr.strip())[-SHOWN_CHARS:] or "git was ended"
    return UnavailableError(
        f"the objects of commit {tip[:12]} could not be looked at: {said}", hint=remedy(said)
    )


def _broken(tip: Oid, said: str) -> RefusedError:
    told = "; ".join(line.strip() for line in said.splitlines() if line.strip())
    return RefusedError(
        f"commit {tip[:12]} cannot be cloned or pushed: {codec.printable(told)[:SHOWN_CHARS]}",
        reason="broken-objects",
        hint="make the commit again with git itself; `git fsck` looks at every object",
    )
