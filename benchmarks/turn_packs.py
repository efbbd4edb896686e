"""Measure the objects of a turn as loose files, and as one pack with its index.

``TMPDIR`` says on which disk. Writing: the median and the 99th percentile of a
turn, the two ways in turn, with all syncs. Reading: the CPU of a look at one
object, with more and more packs. Upkeep: what one consolidation of the packs
of a second takes.
"""

from __future__ import annotations

import os
import resource
import statistics
import struct
import subprocess
import tempfile
import time
from binascii import crc32
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha1
from pathlib import Path

import pygit2

from benchmarks.__main__ import repository
from gitcoord.core.ids import Oid
from gitcoord.store.loose import LooseObjects, Shared
from gitcoord.store.objects import read_loose
from gitcoord.store.packs import PackedObjects

SIZES = (1300, 3600, 75, 110, 80, 1250)
"""The bytes of one claim's objects: the record, the trees above it, the commit."""
CLAIMS = (1, 8, 32)
PACKS = (0, 1, 10, 50)
ROUNDS = 60
TURNS_A_SECOND = 50


def contents(claims: int, number: int) -> Iterator[bytes]:
    """Return what a turn writes: of the sizes of real objects, and never twice the same."""
    for claim in range(claims):
        for size in SIZES:
            yield (f"{number} {claim} {size} ".encode() * (size // 8))[:size]


def index_of(stream: bytes, oids: list[str], starts: list[int]) -> bytes:
    """Return the index of a pack (gitformat-pack, version 2)."""
    ends = [*starts[1:], len(stream) - 20]
    sums = [crc32(stream[start:end]) for start, end in zip(starts, ends, strict=True)]
    rows = sorted(zip((bytes.fromhex(oid) for oid in oids), sums, starts, strict=True))
    below = [sum(oid[0] <= first for oid, _, _ in rows) for first in range(256)]
    body = b"\377tOc" + struct.pack(">I", 2) + struct.pack(">256I", *below)
    body += b"".join([oid for oid, _, _ in rows])
    body += b"".join([struct.pack(">I", checksum) for _, checksum, _ in rows])
    body += b"".join([struct.pack(">I", start) for _, _, start in rows]) + stream[-20:]
    return body + sha1(body, usedforsecurity=False).digest()


def write_loose(folder: Path, turn: list[bytes]) -> float:
    """Write loose objects as the store does; return the seconds."""
    loose = LooseObjects(folder, "sha1", Shared(""), is_durable=True)
    before = time.perf_counter()
    for content in turn:
        loose.write("blob", content)
    loose.sync()
    return time.perf_counter() - before


def write_pack(folder: Path, turn: list[bytes]) -> float:
    """Write one pack and its index, both begun before either is synced; return the seconds."""
    place = folder / "objects" / "pack"
    before = time.perf_counter()
    objects = PackedObjects()
    for content in turn:
        objects.add("blob", content)
    stream = objects.stream()
    starts = [12]
    for row in objects._objects.values():  # noqa: SLF001 - the store needs no places of objects
        starts.append(starts[-1] + len(row))
    name = f"pack-{stream[-20:].hex()}"
    index = index_of(stream, list(objects._objects), starts[:-1])  # noqa: SLF001
    handles = []
    for end, content in ((".pack", stream), (".idx", index)):
        handle = os.open(place / f"tmp{end}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        os.write(handle, content)
        handles.append(handle)
    for handle in handles:
        os.fsync(handle)
        os.close(handle)
    for end in (".pack", ".idx"):
        (place / f"tmp{end}").rename(place / f"{name}{end}")
    handle = os.open(place, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    return time.perf_counter() - before


def writing(top: Path) -> None:
    print("claims   loose p50 / p99      one pack p50 / p99     pack to loose, p50")
    for claims in CLAIMS:
        folders = [repository(top / f"{kind}{claims}") / ".git" for kind in ("loose", "pack")]
        took: list[list[float]] = [[], []]
        for number in range(ROUNDS):
            turn = list(contents(claims, number))
            for place, write in enumerate((write_loose, write_pack)):
                took[place].append(write(folders[place], turn))
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
    """Consolidate the packs that a second of turns leaves, as git does geometrically."""
    repo = repository(top / "upkeep")
    for before in range(3):
        for number in range(TURNS_A_SECOND):
            write_pack(repo / ".git", list(contents(8, before * TURNS_A_SECOND + number)))
        started = time.perf_counter()
        command = ["git", "repack", "-d", "-q", "--geometric=2"]
        spent = cpu(lambda: subprocess.run(command, cwd=repo, check=True))  # noqa: B023
        took = time.perf_counter() - started
        left = len(list((repo / ".git" / "objects" / "pack").glob("*.pack")))
        print(f"{TURNS_A_SECOND} packs of 8 claims: {took:.2f} s, CPU {spent:.2f} s, {left} left")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gitcoord-bench-") as folder:
        writing(Path(folder))
        reading(Path(folder))
        upkeep(Path(folder))


if __name__ == "__main__":
    main()
