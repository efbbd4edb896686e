"""What the command of a run finds in its environment."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.run import runner
from tests.support.builders import tasks
from tests.support.world import found

SCRIPT = """
{
    echo "$GITCOORD_DESCRIPTION"
    echo "$GITCOORD_SETBACKS"
    cat "$GITCOORD_BRIEF"
} > "$SEEN/$GITCOORD_ATTEMPT"
echo "$GITCOORD_BRIEF" > "$SEEN/where"
test "$GITCOORD_ATTEMPT" = 2 || { echo "no compiler"; exit 3; }
mkdir -p a && echo work > a/file.txt
"""


def test_a_command_is_told_its_attempt_what_went_before_and_its_brief(
    repo: Path, tmp_path: Path
) -> None:
    plan = tasks("a").replace("title = ", 'description = "Mind the gap"\ntitle = ')
    script = SCRIPT.replace("$SEEN", str(tmp_path))
    done = runner.run(found(repo, plan), repo, ["sh", "-c", script], 1, lambda _: None)
    assert done.is_landed
    first, second = ((tmp_path / name).read_text() for name in "12")
    assert first.splitlines()[:2] == ["Mind the gap", ""]
    assert "attempt 1: the command ended with status 3:\nno compiler" in second
    assert "Do a" in first
    assert "a/" in first
    assert not Path((tmp_path / "where").read_text().strip()).exists()
