"""Pack what lies loose, through git's own ``pack-objects``.

Only objects that our refs reach are packed, and only packs that were made
here are merged: what else lies in the repository is its owner's. A loose
object goes away after the pack that holds it is on the disk.
"""

from __future__ import annotations

import os
from pathlib import Path

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.places import discover
from gitcoord.git.program import DURABLE, LONG_S, Git, GitError
from gitcoord.host.remedies import remedy

__all__ = ["MARK", "Packed", "config_value", "loose_estimate", "merge_packs", "pack_reachable"]

MARK = "gitcoord-"
_SAMPLED = "17"
MAX_PACKS = 10
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
    base = objects / "pack" / f"{MARK}pack"
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


def merge_packs(git: Git) -> int:
    """Merge small packs of ours, so that each is twice the ones below it.

    Returns how many packs went into a new one. A multi-pack index names
    packs that then must stay, so where there is one nothing is merged.
    """
    folder = discover(git.cwd).common_dir / "objects" / "pack"
    if (folder / "multi-pack-index").exists():
        return 0
    sizes = sorted((path.stat().st_size, path.stem) for path in folder.glob(f"{MARK}pack-*.pack"))
    together: list[str] = []
    total = 0
    for number, (size, name) in enumerate(sizes):
        if number > 1 and size > 2 * total and len(sizes) - number < MAX_PACKS:
            break
        together.append(name)
        total += size
    if len(sizes) <= MAX_PACKS or len(together) < 2:
        return 0
    made = _written(
        git, folder.parent, "".join(f"{name}.pack\n" for name in together).encode(), "--stdin-packs"
    )
    for name in together:
        if name != made:
            # The index first: a pack without one is not read.
            for suffix in (".idx", ".rev", ".pack"):
                (folder / f"{name}{suffix}").unlink(missing_ok=True)
    return len(together)
