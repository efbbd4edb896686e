"""Give Codex hooks, their trust and a permission profile for one run, by flags.

Nothing is written into the repository or the user's folder. The trust is
for these very hooks alone, by a hash that Codex does not document: whoever
starts Codex asks it first whether it takes them for trusted. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from gitcoord.core.codex_profile import PROFILE, profile_rules
from gitcoord.core.hashing import sha256

__all__ = ["codex_flags", "trusted_hash"]

_PLACE = "/<session-flags>/config.toml"
Group = dict[str, Any]  # a group of handlers, as Codex's settings have it


def codex_flags(hooks: Sequence[tuple[str, Group]], common_dir: str, git_dir: str) -> list[str]:
    """Return the words that give Codex these hooks, trusted, and a worktree's profile."""
    trust = {
        f"{_PLACE}:{_snake(event)}:0:0": {"trusted_hash": trusted_hash(event, group)}
        for event, group in hooks
    }
    settings: dict[str, Any] = {
        "default_permissions": PROFILE,
        f"permissions.{PROFILE}.extends": ":workspace",
        f"permissions.{PROFILE}.filesystem": profile_rules(common_dir, git_dir),
        "allow_login_shell": False,
        **{f"hooks.{event}": [group] for event, group in hooks},
        "hooks.state": trust,
    }
    return [word for key, value in settings.items() for word in ("-c", f"{key}={_toml(value)}")]


def trusted_hash(event: str, group: Group) -> str:
    """Return the hash by which Codex knows a group with one handler."""
    (handler,) = group["hooks"]
    known: dict[str, Any] = {
        "event_name": _snake(event),
        "hooks": [{"async": False, **handler}],
    }
    if "matcher" in group:
        known["matcher"] = group["matcher"]
    text = json.dumps(known, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def _snake(event: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower()


def _toml(value: Any) -> str:  # what settings hold: texts, numbers, lists, tables
    """Return a value in TOML, in one line."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}={_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_toml, value)) + "]"
    return json.dumps(value)
