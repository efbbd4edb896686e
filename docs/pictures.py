"""Make the pictures of README from a real run of the demo: make pictures.

The terminal is drawn while the agents are at work, the report when they have ended.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gitcoord.cli.watch_screen import STYLES
from gitcoord.core.screen import Shown, draw
from gitcoord.features.run.watch import watch
from gitcoord.features.workspace import open_workspace
from gitcoord.host.clock import Clock

PICTURES = Path(__file__).parent / "pictures"
WIDTH, HEIGHT = 100, 20
AT_WORK = 25
"""How many tasks are done when the terminal is drawn."""


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / "stdlib"
        # What the demo trusts is trusted for the picture of its terminal, too.
        os.environ["XDG_CONFIG_HOME"] = str(top / ".git" / "gitcoord" / "demo" / "config")
        words = [sys.executable, "-m", "gitcoord", "demo", "--keep", str(top), "--json"]
        child = subprocess.Popen(words, stdout=subprocess.PIPE)
        wait_for(top)
        draw_terminal(top)
        out, _ = child.communicate()
        report = Path(json.loads(out.splitlines()[-1])["report"])
        shutil.copy(report, PICTURES / "report.html")
        photograph(PICTURES / "report.html", PICTURES / "report.png")


def wait_for(top: Path) -> None:
    clock = Clock()
    while not (top / ".git" / "gitcoord" / "demo" / "victim-at-work").exists():
        clock.sleep(0.2)
    while len(done_in(top)) < AT_WORK:
        clock.sleep(0.2)


def done_in(top: Path) -> list[str]:
    words = ["git", "log", "--format=%h", "--grep=^Gitcoord-Op: complete$", "gitcoord/ledger"]
    found = subprocess.run(words, cwd=top, capture_output=True, text=True, check=True)
    return found.stdout.splitlines()


def draw_terminal(top: Path) -> None:
    from rich.console import Console
    from rich.text import Text

    work = open_workspace(top)
    shown = Shown()
    for told in watch(work, is_once=True):
        shown.take(told)
    work.close()
    console = Console(record=True, width=WIDTH, file=io.StringIO(), highlight=False)
    for line in draw(shown, WIDTH, HEIGHT):
        style = " ".join(STYLES[name] for name in line.style.split())
        console.print(Text(line.text, style=style, no_wrap=True))
    drawn = console.export_svg(title="gitcoord watch")
    # Its font would be loaded from elsewhere.
    drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"<!--.*?-->\s*", "", drawn, flags=re.DOTALL)
    (PICTURES / "watch.svg").write_text(drawn, "utf-8")


def photograph(page: Path, picture: Path) -> None:
    words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    words += ["--window-size=1280,1000", f"--screenshot={picture}", page.as_uri()]
    subprocess.run(words, check=True, capture_output=True)


if __name__ == "__main__":
    main()
