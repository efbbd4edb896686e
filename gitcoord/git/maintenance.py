"""Pack what lies loose, through git's own ``pack-objects``.

Only objects that our refs reach are packed, and only packs that were made
here are merged: what else lies in the repository is its owner's. A loose
object goes away after the pack that holds it is on the disk.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.pack_folder import MARK, own_packs, pack_folder
from gitcoord.git.places import discover
from gitcoord.git.program import DURABLE, LONG_S, Git, GitError
from gitcoord.host.remedies import remedy

__all__ = [
    "Packed",
    "config_value",
    "is_merging_due",
    "loose_estimate",
    "merge_packs",
    "pack_reachable",
]

_SAMPLED = "17"
MAX_PACKS = 10
MAX_MERGED_BYTES = 256 * 1024 * 1024
"""A larger pack is left alone, so that no upkeep takes long."""
MANY_SMALL = 16
MULTI_PACK_INDEX = "multi-pack-index"
_OWN_INDEX = re.compile(MARK.encode() + rb"[0-9a-f]{40,64}\.idx")
_FEW = ("-c", "pack.threads=1", "-c", "pack.windowMemory=64m")


class Packed(NamedTuple):
    """What a packing came to."""

    objects: int
    pack: str


def loose_estimate(common_dir: Path) -> int:
    """Guess how many objects lie loose, from one of the 256 folders."""
    try:
        return 256 * sum(1 for _ in (common_dir / "objects" / _SAMPLED).iterdir())
    except OSError:
        return 0


def config_value(git: Git, key: str) -> str:
    """Return a value of git's configuration, or nothing."""
    return git.run("config", "--get", key, check=False).text


def pack_reachable(git: Git, include: list[Oid], exclude: list[Oid]) -> Packed | None:
    """Pack the loose objects that some commits or blobs reach and others do not.

    Raises:
        UnavailableError: A pack could not be written; nothing is gone.

    """
    objects = discover(git.cwd).common_dir / "objects"
    lines = "".join(f"{oid}\n" for oid in include) + "".join(f"^{oid}\n" for oid in exclude)
    try:
        listed = git.run(
            "rev-list",
            "--objects",
            "--no-object-names",
            "--stdin",
            stdin=lines.encode(),
            timeout_s=LONG_S,
        ).text
    except GitError as error:
        raise UnavailableError(
            f"what to pack could not be listed: {error.stderr.strip()[-200:]}",
            hint="`gitcoord doctor` looks at the repository and its surroundings",
        ) from None
    loose = [oid for oid in listed.split() if (objects / oid[:2] / oid[2:]).exists()]
    if not loose:
        return None
    pack = _written(git, objects, "".join(f"{oid}\n" for oid in loose).encode())
    for oid in loose:
        (objects / oid[:2] / oid[2:]).unlink(missing_ok=True)
    return Packed(len(loose), pack)


def _written(git: Git, objects: Path, stdin: bytes, *flags: str) -> str:
    """Make a pack from what stands on stdin, synced before we return."""
    base = pack_folder(objects.parent) / MARK.removesuffix("-")
    base.parent.mkdir(exist_ok=True)
    args = (*DURABLE, *_FEW, "pack-objects", "-q", "--delta-base-offset", *flags, str(base))
    try:
        name = git.run(*args, stdin=stdin, timeout_s=LONG_S).text
    except GitError as error:
        raise UnavailableError(
            f"a pack could not be written: {error.stderr.strip()[-200:]}",
            hint=remedy(error.stderr),
        ) from None
    handle = os.open(base.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return f"{base.name}-{name}"


def is_merging_due(common_dir: Path) -> bool:
    """Return whether so many packs of ours are small that it is worth a process to merge them."""
    return len(_to_merge(pack_folder(common_dir))) >= MANY_SMALL


def merge_packs(git: Git) -> int:
    """Merge small packs of ours, so that each is twice the ones below it.

    Returns how many packs went into a new one. Those that are kept by a writer stay.
    For one process at a time.

    Raises:
        UnavailableError: A pack could not be written; nothing is gone.

    """
    folder = pack_folder(discover(git.cwd).common_dir)
    together = _to_merge(folder)
    if together:
        names = "".join(f"{name}.pack\n" for name in together).encode()
        made = _written(git, folder.parent, names, "--stdin-packs")
        for name in together:
            if name != made:
                # The index first: a pack without one is not read.
                for suffix in (".idx", ".rev", ".pack"):
                    (folder / f"{name}{suffix}").unlink(missing_ok=True)
    _mend_index(git, folder)
    return len(together)


def _to_merge(folder: Path) -> list[str]:
    """Return the names of the packs that are to be one.

    A multi-pack index names packs that then must stay, so where there is one none are.
    """
    if (folder / MULTI_PACK_INDEX).exists():
        return []
    return _too_small([one for one in own_packs(folder) if one[0] <= MAX_MERGED_BYTES])


def _too_small(sizes: list[tuple[int, str]]) -> list[str]:
    """Return the names of the packs that are to be one; ``sizes`` are sorted."""
    if len(sizes) <= MAX_PACKS:
        return []
    together: list[str] = []
    total = 0
    for number, (size, name) in enumerate(sizes):
        if number > 1 and size > 2 * total and len(sizes) - number < MAX_PACKS:
            break
        together.append(name)
        total += size
    return together


def _mend_index(git: Git, folder: Path) -> None:
    """Write a multi-pack index anew that names packs which we removed.

    A ``git repack --write-midx`` that began before we did writes it after we looked.
    Git's own ``repack`` removes the index, too, when it removes a pack that it names.
    """
    index = folder / MULTI_PACK_INDEX
    try:
        named = {name.decode() for name in _OWN_INDEX.findall(index.read_bytes())}
    except OSError:
        return
    if any(not (folder / name).exists() for name in named):
        index.unlink(missing_ok=True)
        git.run("multi-pack-index", "write", check=False, timeout_s=LONG_S)
