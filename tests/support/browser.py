"""Drive a real Chromium as a person would: keys, pointer, and what it then shows.

It is spoken to in its own protocol, through pipes, with nothing between.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
TIMEOUT_S = 60
_WORDS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--remote-debugging-pipe",
]


class Page:
    """One page of the browser; what it complained of and asked for is kept."""

    def __init__(self, to: int, back: int) -> None:
        self._to = to
        self._back = back
        self._raw = b""
        self._count = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.answers: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask for something in the browser's protocol, and wait for the answer."""
        self._count += 1
        told = {"id": self._count, "method": method, "params": parameters}
        if self._session is not None:
            told["sessionId"] = self._session
        os.write(self._to, json.dumps(told).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self._count:
                assert "error" not in found, found["error"]
                return dict(found["result"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._raw:
            ready, _, _ = select.select([self._back], [], [], TIMEOUT_S)
            assert ready, "the browser does not answer"
            more = os.read(self._back, 1 << 16)
            assert more, "the browser has ended"
            self._raw += more
        line, _, self._raw = self._raw.partition(b"\0")
        found: dict[str, Any] = json.loads(line)
        self._keep(found)
        return found

    def _keep(self, found: dict[str, Any]) -> None:
        method, told = found.get("method", ""), found.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(told["exceptionDetails"]))
        if method == "Runtime.consoleAPICalled":
            self.complaints.append(json.dumps(told["args"]))
        if method == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])
        if method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        if method == "Network.responseReceived":
            self.answers.append(told["response"])

    def open(self, url: str) -> None:
        """Open an address, and wait until it has loaded."""
        self.ask("Page.navigate", url=url)
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def value(self, expression: str) -> Any:
        """Return what an expression of the page's own language gives."""
        found = self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        typed = {}
        if len(key) == 1:
            typed = {"text": key}
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, **typed)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def write(self, text: str) -> None:
        """Press a key for each character."""
        for character in text:
            self.press(character)

    def point(self, x: float, y: float) -> None:
        """Move the pointer."""
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, x: float, y: float) -> None:
        """Click with the pointer."""
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def middle(self, selector: str) -> tuple[float, float]:
        """Return where the middle of an element is, brought into view."""
        found = self.value(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
            "one.scrollIntoView({block: 'center'}); const box = one.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        return found[0], found[1]

    def size(self, width: int, height: int) -> None:
        """Give the page a size."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def prefer(self, scheme: str, media: str = "") -> None:
        """Let the reader prefer light or dark, or print."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", media=media, features=features)

    def picture(self, file: Path, *, is_whole: bool = False) -> None:
        """Keep what is shown as a PNG file."""
        found = self.ask("Page.captureScreenshot", captureBeyondViewport=is_whole)
        file.write_bytes(base64.b64decode(found["data"]))


def _pipe() -> tuple[int, int]:
    """Return a pipe whose ends are none of those that the browser takes."""
    ends = os.pipe()
    found = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return found[0], found[1]


@contextmanager
def browser() -> Iterator[Page]:
    """Start a browser with a profile of its own, which ends with the block."""
    theirs, to = _pipe()
    back, ours = _pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        words = [str(CHROMIUM), *_WORDS, f"--user-data-dir={folder}/profile"]
        # It reads from its third file and writes to its fourth.
        child = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs} 4>&{ours}', "bash", *words],
            pass_fds=(theirs, ours),
            env={"HOME": folder, "PATH": "/usr/bin:/bin"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(ours)
        try:
            yield Page(to, back)
        finally:
            child.kill()
            child.wait()
            os.close(to)
            os.close(back)
