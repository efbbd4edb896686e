"""The house keeps its order: how the code reads, and tests with the names of the code."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_spec = importlib.util.spec_from_file_location("figures", ROOT / ".ci" / "figures.py")
assert _spec is not None
assert _spec.loader is not None
figures = importlib.util.module_from_spec(_spec)
sys.modules["figures"] = figures
_spec.loader.exec_module(figures)

SHAPE = "it defines shapes alone: whoever reads and writes them is tested, and mypy holds them"
THROUGH = "it is tested through "
ANSWERED = THROUGH + "cli/test_answers.py: each command's answer is held against its shape"
SETUP = THROUGH + "cli/test_assistants.py: what a setup writes is compared as a whole"
BRIEFS = THROUGH + "cli/test_brief.py: a brief is compared as a whole"
WITHOUT_A_TEST: dict[str, str] = {
    "core/model.py": SHAPE,
    "core/model_gates.py": SHAPE,
    "core/model_leases.py": SHAPE,
    "core/model_said.py": SHAPE,
    "core/model_usage.py": SHAPE,
    "core/report_script.py": THROUGH
    + "e2e/test_report_in_browser.py: it runs in a browser, and in nothing else",
    "features/assist/briefs.py": BRIEFS,
    "features/assist/setups.py": SETUP,
    "features/inspect/agent_answers.py": ANSWERED,
    "features/inspect/brief_shapes.py": ANSWERED,
    "features/inspect/orchestrator_answers.py": ANSWERED,
    "features/inspect/rollback_shapes.py": ANSWERED,
    "features/inspect/run_answers.py": ANSWERED,
    "features/inspect/seeing_answers.py": ANSWERED,
    "features/inspect/setup_answers.py": ANSWERED,
    "features/inspect/shapes.py": ANSWERED,
    "features/maintain/findings.py": SHAPE,
    "features/run/attempts.py": THROUGH + "features/run/test_runner.py: a run is its attempts",
    "features/run/review_assistants.py": THROUGH + "features/run/test_assistants.py: who works and "
    "who reviews is one run",
    "features/run/demo_agent.py": THROUGH
    + "features/run/test_demo.py: it is a program of the demo",
    "features/run/ending.py": THROUGH + "features/run/test_pilot.py: it is what a run returns",
    "features/run/handing.py": THROUGH + "features/run/test_landing.py: it keeps the order",
    "features/run/order.py": SHAPE,
    "features/run/reviewing.py": THROUGH
    + "features/run/test_assistants.py: assistants that review",
    "features/inspect/idleness.py": THROUGH + "features/run/test_watching.py: a command that hangs",
    "host/user_folder.py": THROUGH + "features/run/test_notify.py, whose file lies there",
    "ledger/redaction.py": THROUGH + "cli/test_show_log.py: a secret is kept nowhere",
    "features/work/sharing.py": THROUGH + "ledger/test_shared_turns.py: agents ask and are asked",
    "ledger/asked.py": THROUGH + "ledger/test_shared_turns.py: turns read and answer what is asked",
    "ledger/asking.py": THROUGH + "ledger/test_shared_turns.py and ledger/test_shared_pushes.py",
    "ledger/deciding.py": THROUGH + "ledger/test_ledger.py: a ledger decides what is offered",
    "ledger/renewals.py": THROUGH + "ledger/test_beats.py: a beat is written by the ledger",
    "ledger/writing.py": THROUGH + "ledger/test_ledger.py and store/test_durability.py",
    "store/protocol.py": THROUGH + "store/test_contract.py, which every engine passes",
}
"""The modules that no test file of their name mirrors, and why."""


def test_a_module_has_a_test_of_its_name_or_a_reason_in_the_list() -> None:
    without = set(figures.modules_without_a_test())
    assert without - WITHOUT_A_TEST.keys() == set(), "write its test, or give the reason above"
    assert WITHOUT_A_TEST.keys() - without == set(), "it has a test, or is gone: take it out above"


def test_at_least_four_of_five_modules_have_a_test_of_their_name() -> None:
    names = [path.name for path in figures.tracked("gitcoord/*.py")]
    modules = [name for name in names if name not in {"__init__.py", "__main__.py"}]
    assert len(WITHOUT_A_TEST) <= len(modules) / 5


def test_the_reasons_name_tests_that_there_are() -> None:
    for module, reason in WITHOUT_A_TEST.items():
        words = [word.strip(",:") for word in reason.split()]
        for name in (word for word in words if "/" in word and word.endswith(".py")):
            assert (ROOT / "tests" / name).is_file(), f"{module}: {name}"


def test_no_condition_is_packed_into_another_and_few_into_expressions() -> None:
    read = figures.measure()
    assert read.nested_conditionals == []
    assert read.conditionals_per_1000 < 8


def test_what_needs_three_clauses_is_a_loop() -> None:
    """A comprehension that is broken over lines has at most two: for, and for or if."""
    kinds = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    packed = []
    for path in figures.tracked("gitcoord/*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, kinds) or node.end_lineno == node.lineno:
                continue
            clauses = sum(1 + len(part.ifs) for part in node.generators)
            if clauses > 2:
                packed.append(f"{path}:{node.lineno}")
    assert packed == []


def test_no_line_is_longer_than_a_reader_s_window_and_none_goes_round_the_formatter() -> None:
    read = figures.measure()
    assert read.long_lines == []
    assert read.skips == 0


def test_the_features_are_in_rooms() -> None:
    assert len(figures.measure().beside_rooms) <= 6
