"""Keep a lease while one tool call takes long: a watcher beats beside it.

Between the hook before a tool and the one after it nothing of ours runs, and
a build may take longer than a lease. So the first hook notes the call and
starts a small shell in the background. That asks for renewal in time as long
as a call is noted and the assistant's process lives; it ends within seconds
after either is gone, whatever kills the assistant.
"""

from __future__ import annotations

import os
from contextlib import suppress

from gitcoord.core.hook_calls import HookCall, may_take_long
from gitcoord.features.assist.standing import Standing, read_small
from gitcoord.features.assist.views import RENEW_SHARE, kept_view

__all__ = ["note_call"]

STEP_S = 5.0
MAX_NAME_CHARS = 100
_join = os.path.join
# It looks once more after it has said that it goes: a hook that noted a call in between
# may have seen that it was still there, and started no other.
_WATCH = """
calls=$1 mark=$2 assistant=$3 steps=$4 step=$5
shift 5
is_noted() { for one in "$calls"/*; do [ ! -e "$one" ] || return 0; done; return 1; }
left=$steps
while kill -0 "$assistant" 2>/dev/null; do
    if ! is_noted; then rm -f "$mark"; is_noted || exit 0; fi
    sleep "$step"
    left=$((left - 1))
    [ "$left" -le 0 ] || continue
    left=$steps
    ! is_noted || printf '{"hook_event_name": "Keep"}' | "$@" >/dev/null 2>&1
done
rm -f "$mark"
"""


def note_call(call: HookCall, assistant: str, standing: Standing, *, is_refused: bool) -> None:
    """Note that a call begins or ends, and see to it that somebody watches.

    If it fails the lease is renewed by the next hook, as it is without.
    """
    folder = _join(standing.git_dir, "gitcoord", "assist", "calls")
    with suppress(OSError):
        if call.kind == "before-tool":
            if not is_refused and may_take_long(call):
                _begin(folder, call, assistant, standing)
        elif call.kind == "after-tool":
            os.unlink(_join(folder, _name(call)))
        elif call.kind in {"session-start", "stop", "session-end"}:
            for name in os.listdir(folder):
                os.unlink(_join(folder, name))


def _name(call: HookCall) -> str:
    """Return the name of a call's note; assistants that number no calls have one."""
    kept = "".join(one for one in call.call_id if one.isalnum() or one in "-_")
    return kept[:MAX_NAME_CHARS] or "call"


def _begin(folder: str, call: HookCall, assistant: str, standing: Standing) -> None:
    view = kept_view(standing.git_dir)
    if view is None or not view.current:
        return
    os.makedirs(folder, exist_ok=True)
    os.close(os.open(_join(folder, _name(call)), os.O_CREAT | os.O_WRONLY, 0o600))
    mark = _join(standing.git_dir, "gitcoord", "assist", "watch.json")
    if _is_watched(mark):
        return
    least_ms = min(min(claim.lease_ms, claim.heartbeat_ms) for claim in view.current)
    _watch(folder, mark, assistant, standing, least_ms / 1000 / RENEW_SHARE)


def _is_watched(mark: str) -> bool:
    from gitcoord.host.processes import is_alive

    return is_alive(str(read_small(mark).get("process", ""))) is True


def _watch(folder: str, mark: str, assistant: str, standing: Standing, every_s: float) -> None:
    """Start the watcher, in a session of its own: a host may end its hook's processes."""
    import subprocess
    import sys
    from pathlib import Path

    from gitcoord.host.ancestors import assistant_above_hook
    from gitcoord.host.processes import identity
    from gitcoord.ledger.files import write_json

    above = assistant_above_hook()
    if above is None:
        return
    pid = above.split(":")[2]
    step_s = min(STEP_S, every_s)
    times = [str(max(1, round(every_s / step_s))), f"{step_s:.3f}"]
    renew = [sys.executable, "-m", "gitcoord", "hook", assistant, standing.top]
    watcher = subprocess.Popen(
        ["/bin/sh", "-c", _WATCH, "gitcoord-watch", folder, mark, pid, *times, *renew],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    write_json(Path(mark), {"process": identity(watcher.pid)}, is_durable=False)
