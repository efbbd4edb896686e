"""Every single change of a history is named."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gitcoord.core.errors import CorruptError
from gitcoord.features.land import rollbacks
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.store.protocol import EntryObject
from tests.support.builders import tasks
from tests.support.world import found, git


@pytest.fixture
def work(repo: Path) -> Workspace:
    made = found(repo, tasks("a", "b"), "x", worktrees=False)
    for _ in range(2):
        claimed = claims.claim(made, "x", "a")
        results.progress(made, "x", "a", claimed.claim["token"], "half", 50)
        results.release(made, "x", "a", claimed.claim["token"], "later")
    return made


def chain(work: Workspace) -> list[EntryObject]:
    entries, oid = [], work.ledger.tip()
    while oid:
        entries.append(work.store.read_entry(oid))
        oid = entries[-1].parents[0] if entries[-1].parents else None
    return entries[::-1]


def rebuild(work: Workspace, entries: list[EntryObject]) -> str:
    parents: tuple[str, ...] = ()
    oid = ""
    for entry in entries:
        oid = work.store.write_entry(
            entry.tree, parents, entry.message, (entry.author, entry.author_email), entry.time
        )
        parents = (oid,)
    return oid


def test_an_honest_history_verifies_whole_and_in_part(work: Workspace) -> None:
    entries = chain(work)
    assert verify.verify(work).entries == len(entries) == 9
    assert verify.verify(work, since=entries[3].oid, until=entries[6].oid).entries == 3
    assert rebuild(work, entries) == work.ledger.tip()


@pytest.mark.parametrize(
    "way",
    [
        "dropped",
        "doubled",
        "swapped",
        "cut-off-genesis",
        "tree-of-another",
        "author",
        "time",
        "merge",
    ],
)
def test_a_history_that_was_meddled_with_is_named(work: Workspace, way: str) -> None:
    entries = chain(work)
    if way == "dropped":
        del entries[3]
    elif way == "doubled":
        entries.insert(5, entries[5])
    elif way == "swapped":
        entries[4], entries[5] = entries[5], entries[4]
    elif way == "cut-off-genesis":
        del entries[0]
    elif way == "tree-of-another":
        entries[-1] = entries[-1]._replace(tree=entries[-2].tree)
    elif way == "author":
        entries[-1] = entries[-1]._replace(author="mallory")
    elif way == "time":
        entries[-1] = entries[-1]._replace(time=entries[-1].time + 1)
    tip = rebuild(work, entries)
    if way == "merge":
        last = entries[-1]
        author = (last.author, last.author_email)
        tip = work.store.write_entry(
            last.tree, (entries[-2].oid, entries[-3].oid), last.message, author, last.time
        )
    with pytest.raises(CorruptError) as caught:
        verify.verify(work, until=tip)
    assert caught.value.facts["entry"]


def test_any_changed_record_of_the_tip_is_named(work: Workspace, repo: Path) -> None:
    entries = chain(work)
    tip = entries[-1]
    for path in git("ls-tree", "-r", "--name-only", tip.oid, cwd=repo).splitlines():
        content = subprocess.run(
            ["git", "cat-file", "blob", f"{tip.oid}:{path}"],
            cwd=repo,
            check=True,
            capture_output=True,
        ).stdout
        changed = content.replace(b'"', b"'", 1) if b'"' in content else content + b" "
        tree = work.store.write_tree(tip.tree, {path: changed})
        forged = rebuild(work, [*entries[:-1], tip._replace(tree=tree)])
        with pytest.raises(CorruptError):
            verify.verify(work, until=forged)
    extra = work.store.write_tree(tip.tree, {"tasks/extra.json": b"{}"})
    with pytest.raises(CorruptError, match=r"tasks/extra\.json"):
        verify.verify(work, until=rebuild(work, [*entries[:-1], tip._replace(tree=extra)]))


def test_a_forged_takeover_is_named(work: Workspace) -> None:
    entries = chain(work)
    last = entries[-1]
    forged = last._replace(message=last.message.replace('"agent":"x"', '"agent":"y"'))
    with pytest.raises(CorruptError, match="differs from its event"):
        verify.verify(work, until=rebuild(work, [*entries[:-1], forged]))


def test_verify_writes_nothing(work: Workspace, repo: Path) -> None:
    before = git("count-objects", cwd=repo)
    verify.verify(open_workspace(repo))
    assert git("count-objects", cwd=repo) == before


def test_a_flipped_byte_of_any_object_on_the_disk_is_named(work: Workspace) -> None:
    objects = work.place.common_dir / "objects"
    oids = git(
        "rev-list", "--objects", "--no-object-names", "gitcoord/ledger", cwd=work.place.common_dir
    ).split()
    named = 0
    for oid in oids:
        path = objects / oid[:2] / oid[2:]
        if not path.exists():
            continue
        content = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(content[:-6] + bytes([content[-6] ^ 1]) + content[-5:])
        fresh = open_workspace(work.place.common_dir.parent)
        try:
            with pytest.raises(CorruptError) as caught:
                verify.verify_ledger(fresh)
            assert caught.value.facts["entry"]
            named += 1
        finally:
            fresh.close()
            path.write_bytes(content)
    assert named > 20
    verify.verify_ledger(work)


def test_a_rewritten_history_is_named_on_the_machine_that_verified_the_old_one(
    work: Workspace,
) -> None:
    verify.verify_ledger(work)
    verified = work.ledger.tip()
    shorter = chain(work)[-4].oid
    git("update-ref", work.ledger.ref, shorter, cwd=work.place.common_dir)
    claims.claim(work, "x", "b", checkout=False)
    for quick in (True, False):
        with pytest.raises(CorruptError) as caught:
            verify.verify_ledger(work, quick=quick)
        assert caught.value.facts["entry"] == verified
    assert verify.verify(work).entries == 7


def test_quick_replays_what_is_new_and_a_rollback_is_a_link(work: Workspace) -> None:
    assert verify.verify_ledger(work).entries == 9
    claims.claim(work, "x", "b")
    assert verify.verify_ledger(work, quick=True).entries == 1
    rollbacks.rollback(work, rollbacks.choose(work, steps=4))
    assert verify.verify_ledger(work, quick=True).entries == 1
    assert verify.verify_ledger(work, quick=True).entries == 0
