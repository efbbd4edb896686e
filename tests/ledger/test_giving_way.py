"""Whoever published last gives way to others at a server, and nobody waits without them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from gitcoord.core.ids import AgentId
from gitcoord.features.doors import begin_as_agent
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git.homes import Home
from gitcoord.git.remotes import Update
from gitcoord.host.clock import Deadline
from gitcoord.ledger import asking, shared_turns
from gitcoord.ledger.giving_way import MET_NS, GivingWay
from gitcoord.store.open import remote_store
from gitcoord.store.plumbing import PlumbingStore
from tests.conftest import Run
from tests.ledger.test_crash_points import Death
from tests.ledger.test_shared_pushes import Scripted, Waiter, again, claiming, count_of
from tests.ledger.test_shared_turns import LONGEST_S, asked
from tests.support.builders import tasks
from tests.support.clocks import Clocks
from tests.support.machines import joined, made, server
from tests.support.world import git as run_git

LEDGER = "refs/heads/gitcoord/ledger"
LONG_NS = 3600 * 10**9
HALF = 0.5


class Counted(Clocks):
    """A clock that nobody sleeps by: who would has its time noted, and it passes at once."""

    __slots__ = ("meanwhile", "slept_s")

    def __init__(self) -> None:
        super().__init__()
        self.slept_s: list[float] = []
        self.meanwhile: list[Callable[[], object]] = []
        """What others do during the next waits, one in each."""

    def random(self) -> float:
        return HALF

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.ahead_ns += int(seconds * 1e9)
        if self.meanwhile:
            self.meanwhile.pop(0)()


class Contenders:
    """A server with entries of some agents, and the clone of one of them."""

    def __init__(self, repo: Path, git: Run) -> None:
        self.git = git
        self.clone = repo
        self.clock = Counted()
        self.store = remote_store(
            PlumbingStore(repo / ".git"),
            Home("origin", "", ""),
            "ledger",
            self.clock,
            timeout_s=30.0,
            is_durable=True,
        )
        self.pending = repo / ".git/gitcoord/pending"

    @property
    def has_met_others(self) -> bool:
        return self.store.contacts.met_ns() > 0

    def publish(self, agents: str) -> None:
        """Put an entry of each of these agents on the server, one after the other."""
        tip = self.git("ls-remote", "origin", LEDGER).split()[:1]
        for agent in agents:
            parents = [word for oid in tip for word in ("-p", oid)]
            author = f"user.name={agent}"
            tree = "HEAD^{tree}"
            tip = [self.git("-c", author, "commit-tree", "-m", "entry", *parents, tree)]
        self.git("push", "-q", "origin", f"{tip[0]}:{LEDGER}")

    def while_waiting(self, *agents: str) -> None:
        self.clock.meanwhile = [partial(self.publish, one) for one in agents]

    def waits(self, agent: str, losses: int = 0, timeout_s: float = 30.0) -> list[float]:
        """Let a command of an agent give way, and return how long it waited each time."""
        self.clock.slept_s = []
        self.store.ask_anew()
        way = GivingWay(self.store, LEDGER, self.pending, self.clock)
        way.wait(AgentId(agent), losses, Deadline(self.clock, timeout_s))
        return self.clock.slept_s


@pytest.fixture
def contenders(repo: Path, git: Run, tmp_path: Path) -> Contenders:
    """Clones of a, b and c, of which a published last and has met the others."""
    git("remote", "add", "origin", str(server(tmp_path)))
    found = Contenders(repo, git)
    found.publish("cba" * 4)
    found.store.contact(found.clock.monotonic_ns())
    slow_down(repo)
    found.store.contacts.note_met()
    return found


def slow_down(clone: Path) -> None:
    """Let fetches have been much quicker than they are now: so many push."""
    note_quickest(clone, 1)


def note_quickest(clone: Path, quickest_ns: int) -> None:
    file = clone / ".git/gitcoord/remote/ledger.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "quickest_ns": quickest_ns}))


def test_without_contention_nobody_waits_and_nothing_is_asked(contenders: Contenders) -> None:
    contenders.store.contacts.forget_met()
    asked_ns = contenders.store.contacts.last_ns()
    assert contenders.waits("a") == []
    assert contenders.store.contacts.last_ns() == asked_ns


def test_nobody_waits_where_fetches_are_as_quick_as_ever(contenders: Contenders) -> None:
    note_quickest(contenders.clone, LONG_NS)
    assert contenders.waits("a") == []
    note_quickest(contenders.clone, LONG_NS)
    assert contenders.waits("z", losses=5) == []


def test_who_published_last_waits_until_the_others_got_on(contenders: Contenders) -> None:
    contenders.while_waiting("c", "b")
    assert len(contenders.waits("a")) == 2
    assert contenders.clock.meanwhile == []
    assert contenders.has_met_others


def test_whoever_waits_the_longest_does_not_wait(contenders: Contenders) -> None:
    assert contenders.waits("c") == []
    assert contenders.has_met_others


def test_who_took_no_turn_lately_goes_at_once_unless_it_has_lost(contenders: Contenders) -> None:
    assert contenders.waits("z") == []
    assert len(contenders.waits("z", losses=1)) == 1


def test_those_who_do_not_come_are_waited_for_once_and_forgotten(contenders: Contenders) -> None:
    assert len(contenders.waits("a")) == 1
    assert not contenders.has_met_others
    assert contenders.waits("a") == []


def test_those_ahead_have_gone_home_if_others_come_before_them(contenders: Contenders) -> None:
    contenders.while_waiting("z", "c")
    assert len(contenders.waits("a")) == 1


def test_it_is_waited_on_for_as_long_as_those_ahead_come(contenders: Contenders) -> None:
    contenders.publish("fedcba")
    contenders.while_waiting("f", "e", "d", "z", "c")
    assert len(contenders.waits("a")) == 4
    assert len(contenders.clock.meanwhile) == 1


def test_what_was_met_a_while_ago_counts_no_more(contenders: Contenders) -> None:
    contenders.clock.ahead_ns += MET_NS + 1
    assert contenders.waits("a") == []


def test_a_push_that_was_lost_counts_for_the_next_commands_of_the_clone(
    contenders: Contenders,
) -> None:
    contenders.store.contacts.forget_met()
    contenders.waits("c", losses=1)
    assert contenders.has_met_others


def test_agents_that_write_from_the_same_clone_are_not_waited_for(contenders: Contenders) -> None:
    for mate in "bc":
        (contenders.pending / mate).mkdir(parents=True)
    assert contenders.waits("a") == []


def test_a_shallow_clone_goes_by_the_entries_that_it_has(
    contenders: Contenders, git: Run, tmp_path: Path
) -> None:
    place, url = tmp_path / "shallow", f"file://{tmp_path / 'server.git'}"
    git("clone", "-q", "-n", "--depth=1", "--branch=gitcoord/ledger", url, str(place))
    shallow = Contenders(place, git)
    shallow.store.contact(shallow.clock.monotonic_ns())
    slow_down(place)
    shallow.store.contacts.note_met()
    assert shallow.waits("a") == []
    assert contenders.waits("a") != []


def test_a_fifth_of_the_time_is_left_for_pushes(contenders: Contenders) -> None:
    def pass_time() -> None:
        contenders.publish("c")
        contenders.clock.ahead_ns += 25 * 10**9

    contenders.clock.meanwhile = [pass_time]
    assert len(contenders.waits("a", timeout_s=30.0)) == 1
    assert contenders.has_met_others


class Machine:
    """A clone, in which each command is a process of its own."""

    def __init__(self, place: Path, agent: str) -> None:
        self.place, self.agent = place, agent
        self.clock = Counted()
        self._held: claims.Claimed | None = None

    def publish(self, *, after: Callable[[], object] = lambda: None) -> list[float]:
        """Publish an entry, a claim or its end; return how long that waited each time.

        ``after`` is what happens when the ledger was fetched for it.
        """
        self.clock.slept_s = []
        work = open_workspace(self.place, clock=self.clock)
        begin_as_agent(work, self.agent)
        assert work.remote is not None
        work.remote.fresh_ns = LONG_NS
        after()
        self._publish(work)
        work.close()
        return self.clock.slept_s

    def _publish(self, work: Workspace) -> None:
        held, self._held = self._held, None
        if held is None:
            self._held = claims.claim(work, self.agent, checkout=False)
        else:
            results.release(work, self.agent, held.task["id"], held.claim["token"])

    @property
    def has_met_others(self) -> bool:
        return (self.place / ".git/gitcoord/remote/ledger.met").exists()


@pytest.fixture
def machines(repo: Path, tmp_path: Path) -> list[Machine]:
    """Two clones with an agent each."""
    bare = server(tmp_path)
    made(repo, str(bare), tasks(*"abcdefgh"), "x", "y", worktrees=False)
    found = [Machine(tmp_path / name / "repo", name) for name in "xy"]
    for one in found:
        joined(str(bare), one.place)
    return found


def test_clones_that_publish_one_after_the_other_never_wait(machines: list[Machine]) -> None:
    assert [one.publish() for _ in range(2) for one in machines] == [[]] * 4
    assert [machines[0].publish() for _ in range(2)] == [[]] * 2
    assert not any(one.has_met_others for one in machines)


def test_who_lost_a_push_gives_way_with_its_next_command(machines: list[Machine]) -> None:
    first, second = machines
    slow_down(second.place)
    second.publish(after=first.publish)
    assert second.has_met_others
    assert not first.has_met_others
    second.clock.meanwhile = [first.publish]
    assert second.publish() != []
    assert authors(second, 3) == ["y", "x", "y"]


@pytest.fixture
def crowded(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Workspace, Machine, Counted]:
    """A clone of three agents, of which x0 has lost a push to y; another of y; x0's clock."""
    monkeypatch.setattr(shared_turns, "COMPANY_S", LONGEST_S)
    monkeypatch.setattr(asking, "REMOTE_PATIENCE_S", LONGEST_S)
    bare = server(tmp_path)
    made(repo, str(bare), tasks(*"abcdefgh"), "x0", "x1", "x2", "y", worktrees=False)
    other = Machine(tmp_path / "y" / "repo", "y")
    joined(str(bare), other.place)
    clock = Counted()
    work = again(open_workspace(repo), clock=clock)

    def faster(_updates: list[Update]) -> None:
        other.publish()

    held = claiming("x0")(work)
    Scripted(work, faster)
    results.release(work, AgentId("x0"), held.task["id"], held.claim["token"])
    slow_down(repo)
    clock.slept_s = []
    return again(work, clock=clock), other, clock


def server_of(work: Workspace) -> Path:
    return Path(run_git("remote", "get-url", "origin", cwd=work.place.common_dir))


def test_whoever_gives_way_takes_along_who_asks_meanwhile(
    crowded: tuple[Workspace, Machine, Counted],
) -> None:
    work, other, clock = crowded
    talks = Scripted(work)
    waiting: list[Waiter] = []

    def all_come() -> None:
        other.publish()
        waiting.extend(Waiter(work, claiming(name)) for name in ("x1", "x2"))

    clock.meanwhile = [all_come]
    claiming("x0")(work)
    assert clock.slept_s != []
    assert {waiter.end().claim["agent"] for waiter in waiting} == {"x1", "x2"}
    assert [waiter.talks.pushes for waiter in waiting] == [0, 0]
    assert talks.pushes == 1
    assert set(authors(other, 3)) == {"x0", "x1", "x2"}
    assert authors(other, 4)[3] == "y", "whoever was given way to went first"
    verify.verify(again(work))


def test_who_does_not_wait_for_one_that_gives_way_writes_by_itself_and_once(
    crowded: tuple[Workspace, Machine, Counted], monkeypatch: pytest.MonkeyPatch
) -> None:
    work, other, clock = crowded
    monkeypatch.setattr(asking, "REMOTE_PATIENCE_S", 0.02)
    hasty: list[claims.Claimed] = []
    clock.meanwhile = [lambda: hasty.append(claiming("x1")(again(work)))]
    mine = claiming("x0")(work)
    assert clock.slept_s != []
    assert authors(other, 2) == ["x0", "x1"]
    assert mine.task["id"] != hasty[0].task["id"]
    assert count_of(server_of(work), "x1") == 1
    assert asked(work) == asked(work, "taken") == []
    verify.verify(again(work))


def test_who_waits_for_one_that_dies_while_it_gives_way_goes_on(
    crowded: tuple[Workspace, Machine, Counted],
) -> None:
    work, other, clock = crowded
    before = count_of(server_of(work), "x0")
    waiting: list[Waiter] = []

    def dies() -> None:
        waiting.append(Waiter(work, claiming("x1")))
        raise Death

    clock.meanwhile = [dies]
    with pytest.raises(Death):
        claiming("x0")(work)
    work.close()
    assert asked(work, "taken") == []
    waiting[0].go_on()
    assert authors(other, 1) == ["x1"]
    assert count_of(server_of(work), "x0") == before
    assert begin_as_agent(again(work), AgentId("x0")) == []
    verify.verify(again(work))


def authors(of: Machine, count: int) -> list[str]:
    """Return whose the newest entries on the server are, the newest first."""
    url = run_git("remote", "get-url", "origin", cwd=of.place)
    return run_git("log", f"-{count}", "--format=%an", LEDGER, cwd=Path(url)).split()
