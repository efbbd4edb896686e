from __future__ import annotations

from gitcoord.core import refs


def test_every_ref_is_the_one_of_the_format_page() -> None:
    oid = "0123456789abcdef" * 2 + "01234567"
    assert refs.ledger_ref("plan") == "refs/heads/gitcoord/plan"
    assert refs.beat_ref("plan", "x") == "refs/gitcoord/plan/beats/x"
    assert refs.result_ref("plan", "25", oid) == f"refs/gitcoord/plan/results/25/{oid}"
    assert refs.landing_ref("plan", "p", oid) == f"refs/gitcoord/plan/landing/p/{oid}"
    assert refs.attic_ref("plan", 951_782_400, oid) == (
        "refs/gitcoord/plan/attic/20000229T000000Z-0123456789ab"
    )
    assert refs.work_branch("task", "25", 3, oid) == "task/25/3-012345"


def test_every_ref_of_a_ledger_but_its_branch_has_one_prefix() -> None:
    kinds = (refs.result_refs, refs.landing_refs, refs.attic_refs)
    assert all(kind("plan").startswith(refs.own_refs("plan")) for kind in kinds)
    assert refs.beat_ref("plan", "x").startswith(refs.own_refs("plan"))


def test_a_branch_has_a_short_name_and_a_full_one() -> None:
    assert refs.branch_ref("main") == "refs/heads/main"
    assert refs.branch_name("refs/heads/main") == refs.branch_name("main") == "main"
