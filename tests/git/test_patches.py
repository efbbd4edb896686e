"""What a result changes, as a patch within a bound."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.work import claims, results, reviews
from tests.support.builders import REVIEWED, tasks
from tests.support.world import found, git, write


def test_a_huge_result_is_shown_within_a_bound_and_runs_nothing(repo: Path, tmp_path: Path) -> None:
    work = found(repo, tasks("a", head=REVIEWED), "x", "y")
    held = claims.claim(work, "x")
    marker = tmp_path / "ran"
    for key in ("diff.external", "diff.evil.textconv", "diff.evil.command"):
        git("config", key, f"touch {marker}; cat", cwd=repo)
    (Path(held.worktree or "") / "a").mkdir()
    (Path(held.worktree or "") / "a" / "blob.bin").write_bytes(bytes(range(256)) * 10)
    (Path(held.worktree or "") / "a" / ".gitattributes").write_text("*.txt diff=evil\n")
    write(Path(held.worktree or ""), "a/big.txt", "a line of this file \x1b[31m\n" * 200_000)
    results.complete(work, "x", "a", held.claim["token"])
    claimed = reviews.claim(work, "y")
    diff = reviews.material(work, work.ledger.snapshot(), claimed.task)["diff"]
    assert diff["is_cut"]
    assert len(diff["text"].encode()) <= reviews.MAX_DIFF_BYTES
    assert "\x1b" not in diff["text"]
    assert {one["path"]: one["added"] for one in diff["files"]} == {
        "a/.gitattributes": 1,
        "a/big.txt": 200_000,
        "a/blob.bin": None,
    }
    assert not marker.exists()
