"""Feed hostile input to every parser, each in a process with limits.

``python -m tests.support.bombs`` prints what became of each bomb. A parser
may take 50 MiB beyond the interpreter and the input, and ten seconds of
CPU: a process that takes more runs into a limit, and that is its answer.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path
from typing import Any

from gitcoord.core import codec, ids, messages, paths, plan
from gitcoord.core.errors import GitcoordError
from gitcoord.core.model import FORMAT
from gitcoord.git import diffs, merges
from gitcoord.git.config import read_config, unsupported
from gitcoord.host import processes
from gitcoord.ledger import beats, files
from gitcoord.store import objects, trees
from gitcoord.store.protocol import MissingObjectError

__all__ = ["outcomes"]

MIB = 1024 * 1024
MEMORY_BYTES = 50 * MIB
CPU_S = 20
Bomb = tuple[Callable[[Any], object], Callable[[], object], tuple[type[Exception], ...]]
REFUSED = (GitcoordError,)
# What a plan says in few words becomes as large as it says.
EXPANDING = {"a range of needs for a range", "many ranges"}
EXPANDED_BYTES = 450 * MIB
RECORD_BYTES = 64 * 1024
EVENT_BYTES = messages.MAX_EVENT_BYTES


def record(raw: bytes) -> object:
    return codec.load(raw, RECORD_BYTES, "the record")


def event(raw: bytes) -> object:
    return codec.load(raw, EVENT_BYTES, "the event")


def message(line: str) -> object:
    return messages.parse(f"x\n\nGitcoord-Event: {line}\n")


def read_file(content: bytes) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.json"
        path.write_bytes(content)
        return files.read_json(path)


def config(content: bytes) -> object:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config").write_bytes(content)
        read = read_config(Path(folder))
        unsupported(read)
        return read


def loose(content: bytes) -> object:
    """Read a loose object of which only the compressed bytes are small."""
    with tempfile.TemporaryDirectory() as folder:
        oid = sha1(content, usedforsecurity=False).hexdigest()
        (Path(folder) / oid[:2]).mkdir()
        (Path(folder) / oid[:2] / oid[2:]).write_bytes(content)
        return objects.read_loose(folder, oid)


def overlap(pair: tuple[str, str]) -> object:
    return paths.overlaps([pair[0]], [pair[1]]), paths.covers([pair[0]], [pair[1]])


def inside(pair: tuple[str, str]) -> object:
    return paths.problem_of(pair[0]), paths.inside([pair[0]], pair[1])


def task(**fields: str) -> str:
    rows = {"id": '"a"', "title": '"A"', "paths": '["a/"]', **fields}
    return "[[task]]\n" + "".join(f"{key} = {value}\n" for key, value in rows.items())


def filled(kind: str, size: int) -> str:
    """Repeat something until a text has a size."""
    return kind * (size // len(kind))


BOMBS: dict[str, Bomb] = {
    # records and events
    "nesting": (record, lambda: b"[" * 60_000, REFUSED),
    "nesting of an event": (event, lambda: b"[" * 4_000_000, REFUSED),
    "nesting behind a text": (
        event,
        lambda: b'{"a":"' + b"x" * 99 + b'","b":' + b'{"c":' * 500_000,
        REFUSED,
    ),
    "a huge number": (record, lambda: b"1" * 60_000, REFUSED),
    "a number beyond all": (record, lambda: b"[1e999]", REFUSED),
    "a key twice": (record, lambda: b'{"a":1,"a":2}', REFUSED),
    "no number": (record, lambda: b"[NaN]", REFUSED),
    "half a pair": (record, lambda: b'["\\ud800"]', REFUSED),
    "no text": (record, lambda: b'"\xed\xa0\x80"', REFUSED),
    "quotes that never end": (event, lambda: b"[{}]" * 9 + b'"' + b'\\"' * 2_000_000, REFUSED),
    "quotes and a stroke that never end": (
        event,
        lambda: b"[[[]]]" * 9 + b'"' + b'\\"' * 2_000_000 + b"\\",
        REFUSED,
    ),
    "empty lists": (event, lambda: filled("[],", 4_000_000).encode().join([b"[", b"1]"]), REFUSED),
    "small numbers": (
        event,
        lambda: filled("300,", 4_000_000).encode().join([b"[", b"1]"]),
        REFUSED,
    ),
    "small tables": (
        event,
        lambda: filled('{"a":1},', 4_000_000).encode().join([b"[", b"1]"]),
        REFUSED,
    ),
    "lists in lists": (
        event,
        lambda: filled("[[[[[[[[1]]]]]]]],", 4_000_000).encode().join([b"[", b"1]"]),
        REFUSED,
    ),
    "as many texts as may be": (
        event,
        lambda: b"[" + b",".join(b'"%016d"' % number for number in range(200_000)) + b"]",
        REFUSED,
    ),
    "one text": (event, lambda: b'"' + b"x" * 4_000_000 + b'"', REFUSED),
    # messages
    "an operation that is a list": (message, lambda: f'{{"op":[],"format":{FORMAT}}}', REFUSED),
    "a format that is true": (message, lambda: '{"op":"claim","format":true}', REFUSED),
    "a format without end": (message, lambda: '{"format":' + "9" * 4000 + "}", REFUSED),
    "a message of lines": (message, lambda: "\n" * 4_000_000 + "x", REFUSED),
    "a message of trailers": (message, lambda: "Gitcoord-Event: {}\n" * 200_000, REFUSED),
    "nested batches": (
        message,
        lambda: (
            '{"agent":"x","events":' * 20
            + "[]"
            + f',"format":{FORMAT},"id":"a","op":"batch","time":1}}' * 20
        ),
        REFUSED,
    ),
    # plans
    "dotted keys": (plan.parse, lambda: "a." * 20_000 + "b = 1", REFUSED),
    "dotted keys on many lines": (plan.parse, lambda: ("a." * 8_000 + "b = 1\n") * 40, REFUSED),
    "dotted keys behind a quote": (
        plan.parse,
        lambda: ('"a".' + "a." * 8_000 + "b = 1\n") * 40,
        REFUSED,
    ),
    "dotted keys of quotes": (plan.parse, lambda: ('"a".' * 4_000 + "b = 1\n") * 40, REFUSED),
    "dotted keys in braces": (
        plan.parse,
        lambda: ("x = {" + "a." * 8_000 + "b = 1}\n") * 40,
        REFUSED,
    ),
    "long headers": (
        plan.parse,
        lambda: "".join(f"[{'a.' * 40}b{number}]\n" for number in range(2_000)),
        REFUSED,
    ),
    "many headers": (
        plan.parse,
        lambda: "".join(f"[{'a.' * 14}b{number}]\n" for number in range(10_000)),
        REFUSED,
    ),
    "a header of blanks": (plan.parse, lambda: "[" + " " * 16_000 + "x\n", REFUSED),
    "a key of blanks": (plan.parse, lambda: ("a" + " " * 16_000 + "x\n") * 10, REFUSED),
    "quotes without end": (plan.parse, lambda: ('x = "' + '\\"' * 8_000 + "\n") * 40, REFUSED),
    "quotes in a long text": (
        plan.parse,
        lambda: 'x = """\n' + ("'" + '\\"' * 8_000 + "\n") * 40 + '"""\n',
        REFUSED,
    ),
    "nested lists": (plan.parse, lambda: "x = " + "[" * 16_000, REFUSED),
    "nested tables": (plan.parse, lambda: "x = " + "{a=" * 5_000, REFUSED),
    "a long line": (plan.parse, lambda: "x = " + "1" * 10 * MIB, REFUSED),
    "a number of many digits": (plan.parse, lambda: task(priority="0x" + "f" * 16_000), REFUSED),
    "an id of many digits": (plan.parse, lambda: task(id="0x" + "f" * 16_000), REFUSED),
    "a placeholder of many digits": (
        plan.parse,
        lambda: "[template.t]\n" + task(use='"t"', **{"with": "{n=0x" + "f" * 16_000 + "}"}),
        REFUSED,
    ),
    "placeholders": (
        plan.parse,
        lambda: (
            "[template.t]\n"
            + task(
                use='"t"',
                **{"with": '{n="' + "x" * 9_000 + '"}'},
                description="'''\n" + ("{n}" * 4_000 + "\n") * 9 + "'''",
            )
        ),
        REFUSED,
    ),
    "many placeholders": (
        plan.parse,
        lambda: (
            "[template.t]\n"
            + task(
                use='"t"',
                **{"with": '{n="' + "x" * 190 + '"}'},
                reads="[" + ",\n".join(['"' + "{n}" * 300 + '"'] * 4_000) + "]",
            )
        ),
        REFUSED,
    ),
    "ranges of needs": (
        plan.parse,
        lambda: task(needs="[" + ",\n".join(['"1-199999"'] * 2_000) + "]"),
        REFUSED,
    ),
    "a range of needs for a range": (
        plan.parse,
        lambda: '[[tasks]]\nids = "1-20000"\ntitle = "A"\npaths = []\nneeds = ["1-900"]\n',
        REFUSED,
    ),
    "many ranges": (
        plan.parse,
        lambda: '[[tasks]]\nids = "1-190000"\ntitle = ""\npaths = []\n' * 500,
        REFUSED,
    ),
    "a range of dashes": (
        plan.parse,
        lambda: task(needs="['''" + "\n".join(["1-" * 8_000] * 9) + "''']"),
        REFUSED,
    ),
    "many unknown keys": (
        plan.parse,
        lambda: task() + "".join(f"key{number} = 1\n" for number in range(30_000)),
        REFUSED,
    ),
    "long unknown keys": (
        plan.parse,
        lambda: task() + "".join(f"{'k' * 9_000}{number} = 1\n" for number in range(200)),
        REFUSED,
    ),
    "many phases": (
        plan.parse,
        lambda: (
            task()
            + "".join(
                f'[[phase]]\nname = "p{number}"\nafter = ["p{max(0, number - 1)}"]\n'
                for number in range(20_000)
            )
        ),
        REFUSED,
    ),
    "many undeclared phases": (
        plan.parse,
        lambda: "".join(task(id=f'"t{number}"', phase=f'"p{number}"') for number in range(5_000)),
        REFUSED,
    ),
    "many pools": (
        plan.parse,
        lambda: task() + "".join(f'[[pool]]\nname = "p{number}"\n' for number in range(20_000)),
        REFUSED,
    ),
    "many gates": (
        plan.parse,
        lambda: (
            task()
            + '[[phase]]\nname = "default"\n[[phase.gates]]\nname = "g"\nrun = "true"\n' * 900
        ),
        REFUSED,
    ),
    "patterns that overlap": (
        plan.parse,
        lambda: "".join(
            task(
                id=f'"t{number}"',
                paths="[" + ", ".join(f'"{"*?" * 400}{number}{extra}"' for extra in range(9)) + "]",
            )
            for number in range(60)
        ),
        REFUSED,
    ),
    "text of every plane": (
        plan.parse,
        lambda: task(title='"' + "\U0001f600\u202e\u200b\u0301" * 2_000 + '"'),
        REFUSED,
    ),
    # paths
    "stars between directories": (
        inside,
        lambda: ("/".join(["**", "a"] * 250), "/".join(["a"] * 3_000) + "/b"),
        (),
    ),
    "stars within a name": (inside, lambda: ("*a" * 500 + "b", "a" * 30_000), ()),
    "stars and marks": (inside, lambda: ("*?a" * 300 + "b", "a" * 30_000), ()),
    "stars and names": (
        inside,
        lambda: ("/".join(["**", "*a*a"] * 140) + "/b", "/".join(["aaaa"] * 3_000)),
        (),
    ),
    "two patterns of stars": (
        overlap,
        lambda: ("/".join(["**", "a"] * 250) + "/b", "/".join(["**", "a"] * 250) + "/c"),
        (),
    ),
    "two names of stars": (overlap, lambda: ("*a" * 500 + "b", "*a" * 500 + "c"), ()),
    "two rows of names": (
        overlap,
        lambda: (
            "/".join(f"*{chr(192 + one)}" for one in range(300)) + "/b",
            "/".join(f"{chr(192 + one)}*" for one in range(300)) + "/c",
        ),
        (),
    ),
    "a name that no disk takes": (paths.problem_of, lambda: "\u0344" * 1_000, ()),
    "a long path": (paths.is_safe, lambda: "git~1" * 1_000_000, ()),
    # ids
    "a long id": (ids.parse_id, lambda: "a" * 5_000_000, REFUSED),
    "a long word": (
        lambda word: ids.nearest(word, [f"task-{number}" for number in range(5_000)]),
        lambda: "task-" * 500_000,
        (),
    ),
    "a long duration": (ids.duration_ms, lambda: "9" * 5_000_000 + "s", ()),
    "a process of many digits": (
        processes.is_alive,
        lambda: f"{processes.identity().rpartition(':')[0].rpartition(':')[0]}:{'9' * 9_000}:1",
        (),
    ),
    # what lies beside the ledger
    "a large beat": (beats.parse_beat, lambda: b"t b 1\n" * 2_000_000, ()),
    "a beat of many digits": (beats.parse_beat, lambda: b"t b " + b"9" * 200_000 + b"\n", ()),
    "a file of brackets": (read_file, lambda: b"[" * 900_000, ()),
    "a large file": (read_file, lambda: b"[" + b"{}," * 20_000_000 + b"1]", ()),
    "a file of digits": (read_file, lambda: b"1" * 900_000, ()),
    "a configuration of blanks": (config, lambda: b"[a" + b" " * 200_000 + b"x\n", ()),
    "a configuration of quotes": (config, lambda: b'[a "' + b'\\"' * 200_000 + b"\n", ()),
    "a configuration of values": (config, lambda: b"[a]\nb = " + b'\\"' * 200_000 + b"\n", ()),
    "a tree that is cut off": (trees.parse_tree, lambda: b"100644 a\0" + b"x" * 19, (ValueError,)),
    "a tree of names": (
        trees.parse_tree,
        lambda: b"".join(b"100644 %d\0" % n + b"x" * 20 for n in range(50_000)),
        (ValueError,),
    ),
    "a tree without names": (trees.parse_tree, lambda: b" " * 1_000_000, (ValueError,)),
    "an object that swells": (
        loose,
        lambda: zlib.compress(b"tree 2000000000\0" + b"x" * 300 * MIB),
        (MissingObjectError,),
    ),
    "an object that lies": (
        loose,
        lambda: zlib.compress(b"tree 20\0" + b"x" * 300 * MIB),
        (MissingObjectError,),
    ),
    "an object with an endless head": (
        loose,
        lambda: zlib.compress(b"x" * 300 * MIB),
        (MissingObjectError,),
    ),
    "a commit of many digits": (
        lambda raw: objects.parse_commit("1" * 40, raw),
        lambda: b"tree a\nauthor x <x> 1 +0\ncommitter x <x> " + b"9" * 9_000 + b" +0\n\nx",
        (MissingObjectError,),
    ),
    "a commit of parents": (
        lambda raw: objects.parse_commit("1" * 40, raw),
        lambda: b"parent a\n" * 200_000 + b"tree a\ncommitter x <x> 1 +0\n\nx",
        (MissingObjectError,),
    ),
    "changes that are cut off": (diffs.parse_raw, lambda: b":100644 100644 a b M", (ValueError,)),
    "changes without a path": (diffs.parse_raw, lambda: b":100644 100644 a b M\0", (ValueError,)),
    "changes without end": (
        diffs.parse_raw,
        lambda: b":100644 100644 a b M\0x\0" * 100_000,
        (ValueError,),
    ),
    "a merge without end": (merges._parse_merge, lambda: b"1" * 40 + b"\0x" * 1_000_000, ()),
    "no merge": (merges._parse_merge, lambda: b"\xff" * 1_000_000, ()),
}


def limit_memory(more: int) -> None:
    """Allow so much beyond what the interpreter and the input have."""
    gc.collect()
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return
    size = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def answer(name: str) -> str:
    """Say what a parser does: ``fine``, or what it should not have done."""
    parse, make, allowed = BOMBS[name]
    value = make()
    used_s = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    resource.setrlimit(resource.RLIMIT_CPU, (int(used_s) + CPU_S, int(used_s) + CPU_S))
    limit_memory(EXPANDED_BYTES if name in EXPANDING else MEMORY_BYTES)
    try:
        parse(value)
    except allowed:
        return "fine"
    except BaseException as error:  # noqa: BLE001 - whatever escapes is what is asked for
        return f"{type(error).__name__}: {str(error)[:100]}"
    return "fine"


def outcomes(names: list[str]) -> dict[str, str]:
    """Try each bomb in a process of its own."""
    found = {}
    for name in names:
        sys.stdout.flush()
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(write, answer(name).encode("ascii", "replace")[:4000])
            os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            said = pipe.read().decode()
        _, status = os.waitpid(pid, 0)
        found[name] = said or f"ended by signal {status & 127}: more than {CPU_S} s, or killed"
    return found


def spawned(names: list[str]) -> dict[str, str]:
    """Try bombs from a fresh interpreter, which has no threads."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.bombs", *names],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    answers: dict[str, str] = json.loads(done.stdout)
    return answers


if __name__ == "__main__":
    print(json.dumps(outcomes(sys.argv[1:] or list(BOMBS)), indent=1))
