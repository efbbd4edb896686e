"""Private files: whatever lies there, nobody stumbles over it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.features.work import claims, tokens
from gitcoord.features.workspace import open_workspace
from gitcoord.host.clock import Clock
from gitcoord.ledger.beats import Observations
from gitcoord.ledger.files import TokenFiles, read_json
from tests.support import strace
from tests.support.builders import tasks
from tests.support.world import found

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["task", "token", "seen", "boot", "process", "tip"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)


FORGED: list[Any] = [
    {},
    [],
    {"token": "t"},
    {"token": 5, "task": "a"},
    {"token": "t", "task": 5},
    {"token": "../../x", "task": "a"},
    {"process": []},
    {"process": "a:b:c:d", "tip": 5},
    {"process": "a:b:" + "9" * 9000 + ":d"},
    {"seen": 5},
    {"boot": [], "seen": []},
]


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_file_is_a_table_or_nothing(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.json"
        path.write_bytes(content)
        value = read_json(path)
        assert value is None or isinstance(value, dict)
        seen = Observations(path, Clock())
        assert all(isinstance(seen[key], int) for key in [*seen, "new"])
        seen.save()
        for kept in TokenFiles(Path(folder), "l").all():
            assert isinstance(kept["task"], str)


@pytest.mark.parametrize("forged", FORGED, ids=range(len(FORGED)))
def test_forged_private_files_are_passed_over(repo: Path, forged: Any) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    files = work.ledger.files
    held = claims.claim(work, "x", "a", checkout=False, session="s")
    folder = work.tokens("x").folder
    outside = folder.parent.parent / "x.json"
    outside.write_text("kept")
    for path in (folder / "t.json", files.pending / "x" / "0.json", files.observed):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(forged))
    heir = open_workspace(repo)
    heir.ledger.settle("x")
    assert tokens.current_claim(heir, heir.ledger.snapshot(), "x", None) == (
        "a",
        held.claim["token"],
    )
    assert claims.claim(heir, "x", checkout=False, session="s").already
    assert claims.claim(heir, "x", checkout=False, session="other").reissued
    assert outside.read_text() == "kept"


@pytest.mark.skipif(strace.STRACE is None, reason="there is no strace")
def test_a_token_that_is_written_again_is_on_the_disk_before_it_has_the_name(
    tmp_path: Path,
) -> None:
    again = """
import sys
from pathlib import Path
from gitcoord.ledger.files import TokenFiles
tokens = TokenFiles(Path(sys.argv[1]), "ledger")
for task in ("", "a"):
    tokens.write("0" * 32, {"task": task})
"""
    trace = tmp_path / "trace"
    options = ["-f", "-qq", "-o", str(trace), "-e", "trace=fsync,rename,renameat,renameat2"]
    argv = [str(strace.STRACE), *options, sys.executable, "-B", "-c", again, str(tmp_path)]
    subprocess.run(argv, check=True)
    calls = re.findall(r"\b(fsync|rename)", trace.read_text())
    assert calls == ["rename", "fsync", "rename"]
