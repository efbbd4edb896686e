"""Anything but an ordinary end, with tests run, has failed."""

from __future__ import annotations

import pytest

from gitcoord.core.sentences import said
from gitcoord.features.work.check_outcome import Ended, judge, without_tests

NOTHING = {
    "pytest": ["= no tests ran in 0.01s =", "no tests ran in 0.00s", "collected 0 items\n\n"],
    "unittest": ["Ran 0 tests in 0.000s\n\nOK", "NO TESTS RAN"],
    "go test": [
        "?   \texample/a\t[no test files]\n?   \texample/b\t[no test files]",
        "ok  \ta\t0.002s [no tests to run]",
    ],
    "jest or vitest": [
        "No tests found, exiting with code 0",
        "No test files found, exiting with code 0",
    ],
    "cargo test": ["running 0 tests\n\ntest result: ok. 0 passed; 0 failed"],
    "mocha": ["\n  0 passing (1ms)\n"],
    "phpunit": ["PHPUnit 11\n\nNo tests executed!\n"],
    "ctest": ["Test project /x\nNo tests were found!!!"],
    "rspec": ["No examples found.\n\n0 examples, 0 failures"],
    "node --test": ["# tests 0\n# pass 0", "\x1b[34m\u2139 tests 0\x1b[39m\n"],
}


SOMETHING = [
    "collected 0 items / 3 deselected\n=== 2 passed in 0.1s ===",
    "3 passed in 0.01s",
    "collected 2 items\n2 skipped in 0.1s",
    "Ran 12 tests in 0.100s\n\nOK",
    "ok  \texample/a\t0.004s\n?   \texample/b\t[no test files]",
    "ok  \ta\t(cached)\n?   \tb\t[no test files]",
    "Tests:       3 passed, 3 total\nNo tests found related to files changed",
    " Tests  4 passed (4)",
    "running 3 tests\ntest result: ok. 3 passed\n   Doc-tests x\nrunning 0 tests",
    "  5 passing (2ms)",
    "OK (5 tests, 9 assertions)",
    "100% tests passed, 0 tests failed out of 4",
    "4 examples, 0 failures",
    "# tests 3\n# pass 3",
    "nothing of a test runner",
    "",
]


@pytest.mark.parametrize(
    ("runner", "text"), [(name, text) for name, texts in NOTHING.items() for text in texts]
)
def test_a_runner_without_a_test_is_recognised(runner: str, text: str) -> None:
    assert without_tests(text.encode()) == runner


@pytest.mark.parametrize("text", SOMETHING)
def test_a_runner_with_a_test_is_believed(text: str) -> None:
    assert without_tests(text.encode()) == ""


@pytest.mark.parametrize(
    ("ended", "reason", "status"),
    [
        (Ended(0), "", 0),
        (Ended(0, output=b"3 passed in 0.1s"), "", 0),
        (Ended(1), "it ended with status 1", 1),
        (Ended(126), "a command could not be executed (status 126)", 126),
        (Ended(127), "a command was not found (status 127)", 127),
        (Ended(-9), "it died by signal SIGKILL", None),
        (Ended(-64), "it died by signal SIGRTMAX", None),
        (Ended(-99), "it died by signal 99", None),
        (
            Ended(None, said("cannot-run", error="no space left")),
            "it cannot be run: no space left",
            None,
        ),
        (Ended(None), "it cannot be run", None),
        (Ended(0, is_late=True), "it took longer than 5s", None),
        (Ended(0, is_stopped=True), "it was stopped", None),
        (Ended(0, is_late=True, is_stopped=True), "it was stopped", None),
        (Ended(0, output=b"collected 0 items\n"), "no tests ran (pytest)", 0),
        (Ended(5, output=b"no tests ran in 0.01s"), "no tests ran (pytest)", 5),
    ],
)
def test_only_an_ordinary_end_with_tests_is_a_pass(
    ended: Ended, reason: str, status: int | None
) -> None:
    verdict = judge(ended, 5_000, 7)
    assert (verdict.is_passed, verdict.reason) == (not reason, reason)
    assert (verdict.millis, verdict.output, verdict.status) == (7, ended.output, status)
