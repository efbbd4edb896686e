"""The report in a real browser: what it makes of hostile text, and that it complains of nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gitcoord.core.report_page import page
from tests.support.reports import HOSTILE, report_of

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")


def opened(folder: Path, source: str) -> tuple[str, str]:
    """Return the document as the browser has it, and what it complained of."""
    file = folder / "report.html"
    file.write_text(source)
    words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"]
    words += ["--enable-logging=stderr", "--v=0", "--virtual-time-budget=2000", "--dump-dom"]
    done = subprocess.run(
        [str(CHROMIUM), *words, file.as_uri()],
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, "\n".join(re.findall(r".*CONSOLE.*", done.stderr))


def test_hostile_text_is_shown_and_nothing_else_and_the_console_stays_empty(tmp_path: Path) -> None:
    document, console = opened(tmp_path, page(report_of(20, HOSTILE)))
    assert console == ""
    assert document.count("<script") == 2
    assert "<img" not in document
    assert len(re.findall(r"<tr", document)) == 26
    assert "<rect" in document
