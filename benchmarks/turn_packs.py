"""Measure the objects of a turn as loose files, and as one pack with its index.

``TMPDIR`` says on which disk. Writing: the median and the 99th percentile of a
turn, the two ways in turn, with all syncs. Reading: the CPU of a look at one
object, with more and more packs. Upkeep: what one consolidation of the packs
of a second takes.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha1
from pathlib import Path

import pygit2

from benchmarks.__main__ import repository
from gitcoord.core.ids import Oid
from gitcoord.git.maintenance import merge_packs
from gitcoord.git.program import Git
from gitcoord.store.loose import LooseObjects, Shared
from gitcoord.store.objects import read_loose
from gitcoord.store.own_packs import OwnPacks

SIZES = (1300, 3600, 75, 110, 80, 1250)
"""The bytes of one claim's objects: the record, the trees above it, the commit."""
CLAIMS = (1, 2, 3, 8, 32)
PACKS = (0, 1, 10, 24)
ROUNDS = 60
TURNS = 30


def contents(claims: int, number: int) -> Iterator[bytes]:
    """Return what a turn writes: of the sizes of real objects, and never twice the same."""
    for claim in range(claims):
        for size in SIZES:
            yield (f"{number} {claim} {size} ".encode() * (size // 8))[:size]


def write_loose(folder: Path, turn: list[bytes]) -> float:
    """Write loose objects as the store does; return the seconds."""
    loose = LooseObjects(folder, "sha1", Shared(""), is_durable=True)
    before = time.perf_counter()
    for content in turn:
        loose.write("blob", content)
    loose.sync()
    return time.perf_counter() - before


def write_pack(folder: Path, turn: list[bytes]) -> float:
    """Write one pack with its index, as the store does for a large turn; return the seconds."""
    raws = [b"blob %d\0%s" % (len(content), content) for content in turn]
    before = time.perf_counter()
    packs = OwnPacks(folder, "sha1", Shared(""), is_durable=True)
    is_written = packs.write({Oid(sha1(raw).hexdigest()): raw for raw in raws})
    packs.release()
    took = time.perf_counter() - before
    assert is_written, "there are too many packs"
    return took


def writing(top: Path) -> None:
    print("claims   loose p50 / p99      one pack p50 / p99     pack to loose, p50")
    for claims in CLAIMS:
        folders = [repository(top / f"{kind}{claims}") / ".git" for kind in ("loose", "pack")]
        took: list[list[float]] = [[], []]
        for number in range(ROUNDS):
            turn = list(contents(claims, number))
            for place, write in enumerate((write_loose, write_pack)):
                took[place].append(write(folders[place], turn))
            for path in (folders[1] / "objects" / "pack").iterdir():
                path.unlink()
        told = [f"{_ms(statistics.median(one))} / {_ms(sorted(one)[-2])}" for one in took]
        ratio = statistics.median(b / a for a, b in zip(*took, strict=True))
        print(f"{claims:>6}   {told[0]:<20} {told[1]:<22} {ratio:.2f}", flush=True)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


def cpu(act: Callable[[], object]) -> float:
    """Return the CPU seconds that something takes, its children's too."""
    before = _spent()
    act()
    return _spent() - before


def _spent() -> float:
    both = [resource.getrusage(who) for who in (0, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def reading(top: Path) -> None:
    """Look at one object, with more and more packs beside it."""
    print("packs   opened anew   absent   another's newest: packed, loose   git cat-file")
    for packs in PACKS:
        repo = repository(top / f"read{packs}")
        known = str(pygit2.Repository(str(repo)).head.target)
        for number in range(packs):
            write_pack(repo / ".git", list(contents(8, number)))
        opened = pygit2.Repository(str(repo))
        command = ["git", "cat-file", "-e", known]
        looks = (
            each(lambda: known in pygit2.Repository(str(repo))),  # noqa: B023
            each(lambda: "f" * 40 in opened),  # noqa: B023
            newest(repo, write_pack, opened.read),
            newest(repo, write_loose, partial(read_loose, f"{repo}/.git/objects")),
        )
        us = [f"{seconds * 1e6:.0f} us" for seconds in looks]
        git = each(lambda: subprocess.run(command, cwd=repo, check=True), 20)  # noqa: B023
        both = f"{us[2]}, {us[3]}"
        print(f"{packs:>5}   {us[0]:<13} {us[1]:<8} {both:<32} {_ms(git)}", flush=True)


def each(act: Callable[[], object], times: int = 500) -> float:
    """Return the CPU seconds that one of many takes."""
    return cpu(lambda: [act() for _ in range(times)]) / times


def newest(
    repo: Path, write: Callable[[Path, list[bytes]], float], read: Callable[[Oid], object]
) -> float:
    """Return the CPU seconds of a first look at what another has just written, as the median."""
    spent = []
    for number in range(15):
        turn = list(contents(8, 1000 + number))
        write(repo / ".git", turn)
        oid = Oid(str(pygit2.hash(turn[0])))
        spent.append(cpu(lambda: read(oid)))  # noqa: B023
    return statistics.median(spent)


def upkeep(top: Path) -> None:
    """Merge the packs that two seconds of turns leave."""
    repo = repository(top / "upkeep")
    for before in range(3):
        for number in range(TURNS):
            write_pack(repo / ".git", list(contents(8, before * TURNS + number)))
        started = time.perf_counter()
        spent = cpu(lambda: merge_packs(Git(repo)))
        took = time.perf_counter() - started
        left = len(list((repo / ".git" / "objects" / "pack").glob("*.pack")))
        print(f"{TURNS} packs of 8 claims: {took:.2f} s, CPU {spent:.2f} s, {left} left")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gitcoord-bench-") as folder:
        writing(Path(folder))
        reading(Path(folder))
        upkeep(Path(folder))


if __name__ == "__main__":
    main()
