"""Look at the packs of a repository: how many there are, which are ours, which are kept.

A pack that was written, and that nothing reaches yet, has a ``.keep`` file beside it, which
its writer holds: git's ``repack`` and ``gc`` leave such a pack alone, and so does our upkeep.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from gitcoord.host.files import read_file
from gitcoord.host.live_files import is_at_work

__all__ = ["KEEP", "MARK", "clear_dead_packs", "count_packs", "own_packs", "pack_folder"]

MARK = "gitcoord-pack-"
KEEP = ".keep"
MAX_KEEP_BYTES = 4096
OLD_S = 3600


def pack_folder(common_dir: Path) -> Path:
    """Return the folder of a repository's packs; it need not be there."""
    return common_dir / "objects" / "pack"


def count_packs(folder: Path) -> int:
    """Count the packs of a folder, whoever made them."""
    try:
        with os.scandir(folder) as entries:
            return sum(entry.name.endswith(".pack") for entry in entries)
    except OSError:
        return 0


def own_packs(folder: Path) -> list[tuple[int, str]]:
    """List the size, in bytes, and the name of each pack of ours that is not kept, sorted."""
    found = []
    for path in folder.glob(f"{MARK}*.pack"):
        if path.with_suffix(KEEP).exists() or not path.with_suffix(".idx").exists():
            continue
        with suppress(FileNotFoundError):
            found.append((path.stat().st_size, path.stem))
    return sorted(found)


def clear_dead_packs(folder: Path, now_s: float) -> int:
    """Remove what killed writers of packs left; return how many files that were.

    A pack of theirs that is whole stays, and is kept no longer: its entries may have been
    published. One without an index was never read.
    """
    gone = 0
    for keep in folder.glob(f"{MARK}*{KEEP}"):
        facts = _facts_of(keep)
        if facts is None or is_at_work(keep, facts):
            continue
        if not keep.with_suffix(".idx").exists():
            gone += _removed(keep.with_suffix(".pack"))
        gone += _removed(keep)
    for path in _old(folder, now_s):
        gone += _removed(path)
    return gone


def _facts_of(keep: Path) -> dict[str, Any] | None:
    """Read what a writer says of itself; None: it is not a file of ours."""
    try:
        facts = json.loads(read_file(keep, MAX_KEEP_BYTES))
    except (OSError, ValueError):
        return None
    if not isinstance(facts, dict) or "process" not in facts:
        return None
    return facts


def _old(folder: Path, now_s: float) -> Iterator[Path]:
    """List files of ours that never got their name, or lost their index, an hour ago or more."""
    unfinished = [*folder.glob(f".{MARK}*.new"), *_without_index(folder)]
    for path in unfinished:
        with suppress(FileNotFoundError):
            if now_s - path.lstat().st_mtime > OLD_S:
                yield path


def _without_index(folder: Path) -> Iterator[Path]:
    for path in folder.glob(f"{MARK}*.pack"):
        if not path.with_suffix(".idx").exists():
            yield path


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True
