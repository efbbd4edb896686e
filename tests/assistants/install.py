"""Install the assistants that the lane runs, each by its pinned version.

    python tests/assistants/install.py claude codex     installs what is missing
    python tests/assistants/install.py --move claude 2.1.333

Exits with 3, and says so, where npm cannot be used or reached: the lane is
skipped then, and nothing else is.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
VERSIONS = HERE / "versions.json"
FOLDER = HERE.parents[1] / ".venv" / "assistants"
SKIPPED = 3


def program(name: str) -> Path:
    """Return where an assistant's pinned version is installed."""
    pinned = json.loads(VERSIONS.read_text())[name]
    return FOLDER / f"{name}-{pinned['version']}" / "node_modules" / ".bin" / name


def install(name: str) -> bool:
    pinned = json.loads(VERSIONS.read_text())[name]
    goal = program(name)
    if goal.exists():
        return True
    npm = shutil.which("npm")
    if npm is None:
        print(f"{name}: npm is not installed here; its tests are skipped")
        return False
    folder = goal.parents[2]
    folder.mkdir(parents=True, exist_ok=True)
    # The version is named: without one an older node takes an older release in silence.
    words = ["install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder)]
    done = subprocess.run([npm, *words, f"{pinned['package']}@{pinned['version']}"], check=False)
    status = done.returncode
    if status == 0 and "beside" in pinned:
        # What it would install into the user's folder, and wait for, at its first start.
        words[-1] = str(folder / "beside")
        named = f"{pinned['beside']}@{pinned['version']}"
        status = subprocess.run([npm, *words, "--save-exact", named], check=False).returncode
    if status != 0 or not goal.exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"{name}: npm could not install {pinned['version']}; its tests are skipped")
        return False
    return True


def move(name: str, version: str) -> None:
    known = json.loads(VERSIONS.read_text())
    known[name]["version"] = version
    rows = [f"  {json.dumps(one)}: {json.dumps(pinned)}" for one, pinned in known.items()]
    VERSIONS.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    print(f"{name} is pinned at {version}: run `make assistants-test`")


def main(words: list[str]) -> int:
    if words[:1] == ["--move"]:
        move(*words[1:])
        return 0
    installed = [install(name) for name in words]
    return 0 if all(installed) else SKIPPED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
