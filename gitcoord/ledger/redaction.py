"""Read which secrets the user wants taken out of everything that commands print."""

from __future__ import annotations

from pathlib import Path

from gitcoord.core.errors import UsageError
from gitcoord.core.redaction import Redactor, compiled
from gitcoord.host.user_folder import user_folder

__all__ = ["redactor"]


def redactor() -> Redactor:
    """Return what redacts as the user's ``redact.toml`` says, anew for each output.

    Raises:
        UsageError: It says something else than patterns. Nothing is kept
            then, rather than a secret.

    """
    path = user_folder() / "redact.toml"
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Redactor([])
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from None
    import tomllib

    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _unreadable(path, str(error)) from None
    patterns = found.pop("patterns", [])
    if found:
        raise _unreadable(path, f"{min(found)} is not a known key")
    if not isinstance(patterns, list) or not all(isinstance(one, str) for one in patterns):
        raise _unreadable(path, "patterns has to be a list of texts")
    try:
        return Redactor(compiled(patterns))
    except ValueError as error:
        raise _unreadable(path, str(error)) from None


def _unreadable(path: Path, what: str) -> UsageError:
    return UsageError(
        f"{path} cannot be used: {what}",
        hint="it has a line such as patterns = ['ghp_[A-Za-z0-9]{36}']",
    )
