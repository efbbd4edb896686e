"""Put a ledger on a git server, and let this clone work on one that is there."""

from __future__ import annotations

from gitcoord.core.errors import NotFoundError, RefusedError, UnavailableError, UsageError
from gitcoord.core.ids import Oid
from gitcoord.core.messages import parse
from gitcoord.core.refs import branch_name, ledger_ref, own_refs
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.setup.ledger import init
from gitcoord.features.workspace import Workspace
from gitcoord.git.homes import (
    Home,
    keep_home,
    remotes_of,
    require_remote,
    ssh_command_of,
)
from gitcoord.git.merges import is_ancestor
from gitcoord.git.program import LONG_S
from gitcoord.git.remotes import Remote, Update
from gitcoord.store.protocol import MissingObjectError

__all__ = ["Joined", "apart_ref", "home_for", "join", "make", "publish"]


class Joined(NamedTuple):
    """A ledger that this clone works on from now on."""

    remote: str
    entry: Oid
    already: bool


def home_for(work: Workspace, name: str, place: str = "") -> Home:
    """Return a remote as the home of a ledger.

    Raises:
        NotFoundError: There is no such remote.
        UsageError: It is fetched from another place than it is pushed to.

    """
    require_remote(work.git, name)
    return Home(name, place, ssh_command_of(work.git))


def _keep(work: Workspace, home: Home) -> None:
    """Write down where the ledger lives, so that later commands find it there."""
    keep_home(work.git, work.ledger.name, home.remote, home.place)


def _require_free(work: Workspace, home: Home) -> None:
    """Refuse a server that has such a ledger already, or another target than we have.

    Raises:
        RefusedError: It has (reason ``exists``); or its target branch differs from ours
            (reason ``target``).
        UnavailableError: It was not reached.

    """
    ref = home.place or ledger_ref(work.ledger.name)
    there = _remote(work, home).refs([ref, _checked_out(work)], timeout_s=work.ledger.timeout_s)
    if ref in there:
        raise RefusedError(
            f"{home.remote} has a ledger {work.ledger.name!r} already",
            reason="exists",
            hint=f"`gitcoord join --remote {home.remote}` works on it from here",
        )
    for branch, oid in there.items():
        ours = work.store.read_ref(branch)
        if oid != ours:
            raise RefusedError(
                f"{branch_name(branch)} is at {oid[:12]} on {home.remote}, and here at "
                f"{(ours or 'nothing')[:12]}",
                reason="target",
                hint="bring both to the same commit first: `git pull`, `git push`",
            )


def make(work: Workspace, home: Home) -> Oid:
    """Make a ledger on a server, by one push.

    Raises:
        RefusedError: The server has such a ledger, or forbids the push.
        UnavailableError: It was not reached; nothing moved.

    """
    if work.remote is None:
        _require_free(work, home)
        work.live_on(home)
    assert work.remote is not None
    work.remote.may_be_new = True
    entry = init(work).entry
    work.remote.may_be_new = False
    _keep(work, home)
    return entry


def publish(work: Workspace, home: Home) -> Oid:
    """Put the ledger of this machine on a server, with all that belongs to it.

    One push moves all of it or nothing. The target goes along, if the server
    does not have it.

    Raises:
        RefusedError: The server has such a ledger, or forbids the push.
        UnavailableError: It was not reached; nothing moved.

    """
    _require_free(work, home)
    tip = work.ledger.snapshot().oid
    target = work.target(work.ledger.snapshot(tip))
    remote = _remote(work, home)
    updates = [Update(home.place or ledger_ref(work.ledger.name), None, tip)]
    updates += [
        Update(ref, None, oid)
        for ref, oid in work.store.list_refs(own_refs(work.ledger.name)).items()
    ]
    here = work.store.read_ref(target)
    if here is not None and not remote.refs([target], timeout_s=work.ledger.timeout_s):
        updates.append(Update(target, None, here))
    done = remote.push(updates, timeout_s=LONG_S)
    if done.end in {"unreached", "cut-off"}:
        raise remote.unreached(done.said)
    if done.end == "rejected":
        raise RefusedError(
            f"{home.remote} refuses the ledger: {done.said}",
            reason="remote",
            hint="allow pushes to gitcoord's refs on the server; nothing changed",
        )
    _keep(work, home)
    work.live_on(home)
    return tip


def join(work: Workspace, name: str | None = None, *, depth: int | None = None) -> Joined:
    """Let this clone work on a ledger that is on a server.

    With a ``depth`` no more than so many of its newest entries are fetched; those that are
    here already stay. Asked again it changes nothing.

    Raises:
        NotFoundError: No remote has such a ledger.
        RefusedError: The ledger of that name here has entries that are not
            there (reason ``exists``).
        UnavailableError: The server was not reached; nothing changed.

    """
    if work.remote is not None and name in {None, work.remote.remote.name}:
        work.remote.ask_anew()
        return Joined(work.remote.remote.name, work.ledger.snapshot().oid, already=True)
    if work.remote is not None:
        raise RefusedError(
            f"ledger {work.ledger.name!r} lives on {work.remote.remote.name} already",
            reason="exists",
            hint="one clone works on one of them: use another clone, or another ledger",
        )
    home = _home_with_ledger(work, name)
    here = work.ledger.tip()
    is_known = here is not None or _is_fetched(work)
    work.live_on(home)
    assert work.remote is not None
    tracking = work.remote.tracking
    if depth is not None and not is_known:
        tracking.fetch_newest(depth, timeout_s=LONG_S)
    tracking.fetch([], timeout_s=LONG_S)
    there = tracking.read(work.ledger.ref)
    assert there is not None
    _require_ledger(work, there)
    if here is not None and not is_ancestor(work.git, here, there):
        ours = f"gitcoord/{work.ledger.name}"
        raise RefusedError(
            f"the ledger {work.ledger.name!r} of this clone has entries that are not on "
            f"{home.remote}",
            reason="exists",
            hint=f"`git log {home.remote}/{ours}..{ours}` shows them; work in a fresh clone",
        )
    _keep(work, home)
    return Joined(home.remote, work.ledger.snapshot().oid, already=False)


def _is_fetched(work: Workspace) -> bool:
    """Return whether a fetch of the user's brought the ledger's branch already."""
    branch = f"/gitcoord/{work.ledger.name}"
    return any(ref.endswith(branch) for ref in work.store.list_refs("refs/remotes/"))


def _home_with_ledger(work: Workspace, name: str | None) -> Home:
    """Return the remote that has the ledger: the named one, or the only one."""
    names = [name] if name is not None else remotes_of(work.git)
    found: list[Home] = []
    unreached: list[UnavailableError] = []
    for one in names:
        home = home_for(work, one)
        try:
            place = _place_on(work, home)
        except UnavailableError as error:
            unreached.append(error)
            continue
        if place is not None:
            found.append(home._replace(place=place))
    if len(found) > 1:
        raise UsageError(
            f"{', '.join(home.remote for home in found)} have a ledger {work.ledger.name!r}",
            hint="say which one with --remote NAME",
        )
    if not found and unreached:
        raise unreached[0]
    if not found:
        raise NotFoundError(
            f"no remote of this repository has a ledger {work.ledger.name!r}"
            if name is None
            else f"{name} has no ledger {work.ledger.name!r}",
            hint="`gitcoord init --remote NAME` puts one there; --ledger names another",
        )
    return found[0]


def _place_on(work: Workspace, home: Home) -> str | None:
    """Return the ledger's ref on a server where it is not the usual one; None: it has none."""
    usual, apart = ledger_ref(work.ledger.name), apart_ref(work.ledger.name)
    there = _remote(work, home).refs([usual, apart], timeout_s=work.ledger.timeout_s)
    if usual in there:
        return ""
    if apart in there:
        return apart
    return None


def apart_ref(ledger: str) -> str:
    """Return the ref of a ledger on a server that shall show it among no branches."""
    return f"{own_refs(ledger)}ledger"


def _require_ledger(work: Workspace, tip: Oid) -> None:
    """Refuse what was fetched if it is not a ledger.

    Raises:
        CorruptError: Its newest commit is not an entry.
        RefusedError: A newer gitcoord wrote it (reason ``newer-format``).

    """
    try:
        entry = work.store.read_entry(tip)
    except MissingObjectError as error:
        raise UnavailableError(
            f"the ledger was not fetched whole: {error}", hint="try again"
        ) from None
    parse(entry.message, tip)
    work.ledger.snapshot(tip).settings()


def _remote(work: Workspace, home: Home) -> Remote:
    return Remote(
        work.place.common_dir,
        home.remote,
        ssh_command=home.ssh_command,
        is_durable=work.is_durable,
    )


def _checked_out(work: Workspace) -> str:
    head = work.git.run("symbolic-ref", "-q", "HEAD", check=False)
    return head.stdout.decode("utf-8", "replace").strip()
