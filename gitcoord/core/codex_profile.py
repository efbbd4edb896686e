"""Write the permission profile that lets Codex commit from one worktree.

Only what a commit and gitcoord need is writable below ``.git``: objects,
refs, their logs, gitcoord's folder, and the worktree's own git directory
without the files that say where the rest is. Pure.
"""

from __future__ import annotations

import json
import re
import tomllib

__all__ = [
    "NOT_DENIED",
    "PROFILE",
    "profile_lines",
    "profile_rules",
    "with_profile",
    "without_profile",
]

PROFILE = "gitcoord"
NOT_DENIED = (
    "any ref can be moved (the target, other branches, the ledger): "
    "`verify`, `complete` and landing tell",
    "gitcoord's own folder can be written, what it keeps for other agents without a worktree too",
    "objects can be added and, as loose files, taken away",
)
"""What the profile leaves open, since a commit or gitcoord itself needs it."""
_BEGIN = "# gitcoord: begin (`gitcoord setup codex` writes this, `--remove` takes it away)\n"
_END = "# gitcoord: end\n"
_BLOCK = re.compile(r"# gitcoord: begin[^\n]*\n.*?# gitcoord: end\n", re.DOTALL)


def profile_rules(common_dir: str, git_dir: str) -> dict[str, str]:
    """Return what one worktree's profile says of each place."""
    return {
        f"{common_dir}/objects": "write",
        f"{common_dir}/objects/info": "read",
        f"{common_dir}/refs": "write",
        f"{common_dir}/logs": "write",
        f"{common_dir}/gitcoord": "write",
        git_dir: "write",
        f"{git_dir}/commondir": "read",
        f"{git_dir}/gitdir": "read",
        f"{git_dir}/config.worktree": "read",
    }


def profile_lines(common_dir: str, git_dir: str) -> list[str]:
    """Return the profile's table for one worktree, line by line."""
    rules = profile_rules(common_dir, git_dir)
    lines = [f"[permissions.{PROFILE}]", 'extends = ":workspace"']
    lines.append(f"[permissions.{PROFILE}.filesystem]")
    lines += [f"{json.dumps(path)} = {json.dumps(access)}" for path, access in rules.items()]
    return lines


def with_profile(content: str, common_dir: str, git_dir: str) -> str:
    """Return a configuration with the profile, the rest as it is.

    Raises:
        ValueError: It is not TOML, or chooses permissions of its own.

    """
    rest = without_profile(content)
    known = tomllib.loads(rest)
    for key in ("default_permissions", "sandbox_mode"):
        if key in known:
            raise ValueError(f"it sets {key} already")
    head = f'{_BEGIN}default_permissions = "{PROFILE}"\nallow_login_shell = false\n{_END}'
    if "allow_login_shell" in known:
        head = f'{_BEGIN}default_permissions = "{PROFILE}"\n{_END}'
    tail = _BEGIN + "".join(f"{line}\n" for line in profile_lines(common_dir, git_dir)) + _END
    # Keys of the whole file come before its first table, ours too.
    if rest and not rest.endswith("\n"):
        rest += "\n"
    made = head + rest + tail
    tomllib.loads(made)
    return made


def without_profile(content: str) -> str:
    """Return a configuration without the profile."""
    return _BLOCK.sub("", content)
