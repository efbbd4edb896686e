"""The git commands that views name are safe to paste, and say what was asked for."""

from __future__ import annotations

import shlex

from gitcoord.core.git_reading import task_command, tasks_command


def test_a_task_is_named_by_its_path_and_other_ledgers_by_their_branch() -> None:
    assert task_command("refs/heads/gitcoord/other", "25").startswith("git show gitcoord/other:")
    remote = task_command("refs/gitcoord-remotes/origin/ledger", "25")
    assert remote.startswith("git show refs/gitcoord-remotes/origin/ledger:tasks/")


def test_what_is_derived_is_asked_for_by_what_it_is_derived_from() -> None:
    words = shlex.split(tasks_command("refs/heads/gitcoord/ledger", state="landed", phase="a.b"))
    assert words[:4] == ["git", "grep", "-lE", "--all-match"]
    assert words[4:8] == ["-e", '^  "state": "done"', "-e", r'^    "phase": "a\.b"']
