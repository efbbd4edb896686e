"""Judge whether a command that was to test something has passed.

Anything but an ordinary end with status 0 has failed, and so has a test
runner that ended so without running a single test.
"""

from __future__ import annotations

import re
import signal

from gitcoord.core import ids
from gitcoord.core.model import Said
from gitcoord.core.sentences import said, words
from gitcoord.core.shapes import NamedTuple

__all__ = ["Ended", "Verdict", "judge", "without_tests"]

_ANSI = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\r")

# What a runner says when it found nothing to run, and when it did run some.
_RUNNERS: dict[str, tuple[str, str]] = {
    "pytest": (
        r"^=*\s*no tests ran\b|^collected 0 items\b",
        r"\b[1-9]\d* (?:passed|failed|skipped|xfailed|xpassed)\b",
    ),
    "unittest": (r"^Ran 0 tests in\b|^NO TESTS RAN\b", r"^Ran [1-9]\d* tests? in\b"),
    "go test": (
        r"\[no test files\]|\[no tests to run\]|^testing: warning: no tests to run",
        r"^ok\s+\S+\s+(?:[\d.]+s|\(cached\))(?:\s+coverage: \S+ of statements)?\s*$|^\s*--- "
        r"(?:PASS|SKIP)",
    ),
    "jest or vitest": (
        r"^\s*No tests? (?:files? )?found\b",
        r"^\s*Tests:?\s+(?:.*\s)?[1-9]\d* (?:passed|skipped|todo)\b",
    ),
    "cargo test": (r"^running 0 tests\b", r"^running [1-9]\d* tests?\b"),
    "mocha": (r"^\s*0 passing\b", r"^\s*[1-9]\d* (?:passing|pending)\b"),
    "phpunit": (r"^No tests executed!", r"^(?:OK|OK, but .*) ?\([1-9]\d* tests?|^Tests: [1-9]"),
    "ctest": (r"^No tests were found!!!", r"tests passed, \d+ tests failed out of [1-9]"),
    "rspec": (r"^0 examples, 0 failures", r"^[1-9]\d* examples?, "),
    "node --test": (r"^\S+ tests 0$", r"^\S+ tests [1-9]\d*$"),
}
_NONE = {name: re.compile(none.encode(), re.MULTILINE) for name, (none, _) in _RUNNERS.items()}
_SOME = re.compile("|".join(f"(?:{some})" for _, some in _RUNNERS.values()).encode(), re.MULTILINE)


class Ended(NamedTuple):
    """How a command ended; ``status`` is None where it never began."""

    status: int | None
    cannot: Said | None = None
    is_late: bool = False
    is_stopped: bool = False
    output: bytes = b""


class Verdict(NamedTuple):
    """Whether a command passed, why not, for how long it ran, what it said.

    ``status`` is None where it did not come to an end of its own.
    """

    is_passed: bool
    said: Said | None
    millis: int
    output: bytes
    status: int | None = None

    @property
    def reason(self) -> str:
        """Why it did not pass, in words."""
        if self.said is None:
            return ""
        return words(self.said)

    @property
    def is_without_tests(self) -> bool:
        """Whether it failed for having run no test."""
        return self.said is not None and self.said["code"] == "no-tests"


def judge(ended: Ended, timeout_ms: int, millis: int) -> Verdict:
    """Return whether a command passed: closed, where there is any doubt."""
    why = _why_not(ended, timeout_ms)
    status = ended.status
    if ended.is_stopped or ended.is_late or (status is not None and status < 0):
        status = None
    return Verdict(why is None, why, int(millis), ended.output, status)


def _why_not(ended: Ended, timeout_ms: int) -> Said | None:
    status = ended.status
    if status is None:
        return ended.cannot or said("cannot-run")
    if ended.is_stopped:
        return said("stopped")
    if ended.is_late:
        return said("too-long", limit=ids.show_duration(timeout_ms))
    return _said_of_status(status, ended.output)


def _said_of_status(status: int, output: bytes) -> Said | None:
    if status < 0:
        return said("died", signal=_signal_name(-status))
    if status == 127:
        return said("not-found")
    if status == 126:
        return said("not-executable")
    nothing = without_tests(output)
    if nothing:
        return said("no-tests", runner=nothing)
    if not status:
        return None
    return said("ended-with", status=status)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def without_tests(output: bytes) -> str:
    """Return the test runner that ran no test, where none ran any."""
    plain = _ANSI.sub(b"", output)
    if _SOME.search(plain):
        return ""
    return next((name for name, none in _NONE.items() if none.search(plain)), "")
